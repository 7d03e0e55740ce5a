"""Rules and incidents: what will wake somebody, and what has."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from ui import actions, data, frame, go, place, subjects, words
from ui.place import Place
from ui.screen import screen
from ui.widgets import text
from waypost.errors import WaypostError
from waypost.links import cell_query
from waypost.previews import Fired
from waypost.rates import Rate, percent
from waypost.roles import Role
from waypost.store import run_rates
from waypost.store.alerts import StoredRule
from waypost.store.incidents import Event, Incident, Member

_DAYS = 30


@screen("Alerts", order=50)
def alerts() -> None:
    """What will wake me, and what has?"""
    here = frame.here()
    incidents = data.incidents(here)
    rules = data.rules(here)
    _sentence(incidents, rules)
    if place.get("new"):
        _new(here, rules)
    elif frame.reader().role.includes(Role.ADMIN) and st.button("New rule", key="rule_new"):
        place.put(new="1")
        st.rerun()
    _incidents(here, incidents, rules)
    _rules(here, rules)


def _sentence(incidents: Sequence[Incident], rules: Sequence[StoredRule]) -> None:
    open_now = [i for i in incidents if i.status == "open"]
    on = sum(r.is_enabled for r in rules)
    if open_now:
        first = open_now[0]
        more = f" (and {len(open_now) - 1} more)" if len(open_now) > 1 else ""
        text.answer(
            f"▲ {first.rule}{more}: {_cohorts(first, rules)}", tone="bad",
            detail=f"since {words.clock(first.began)} ({words.ago(first.began)})",
        )  # fmt: skip
    elif rules:
        text.answer(f"All quiet: {words.plural(on, 'rule')} watching, no open incident.",
                    tone="good")  # fmt: skip
    else:
        text.answer(
            "No rule watches yet.",
            detail="One rule covers every cohort: make one from a cell of the home page, or here.",
        )


def _cohorts(incident: Incident, rules: Sequence[StoredRule]) -> str:
    members = [_named(m, incident, rules) for m in incident.failing or incident.members]
    shown = "; ".join(members[:3])
    return shown + (f" and {len(members) - 3} more" if len(members) > 3 else "")


def _named(member: Member, incident: Incident, rules: Sequence[StoredRule]) -> str:
    rate = _rate(member, incident)
    is_silent = incident.mode == "no_data"
    share = "" if is_silent or rate.share is None else f", {percent(rate.share)} of {rate.n:,.0f}"
    return f"{words.cohort(_values(member.label, incident, rules))}{share}"


def _rate(member: Member, incident: Incident) -> Rate:
    """Of a cohort alone in its incident what was found of it, which its message tells as well."""
    found = incident.found.get("rate")
    if found is None or len(incident.members) > 1:
        return Rate.of(member.k, member.n)
    return Rate(found["k"], found["n"], found["low"], found["high"])


def _values(
    label: Sequence[str], incident: Incident, rules: Sequence[StoredRule]
) -> dict[str, str | None]:
    """The cohort values of a label, by the keys of the rule that made it."""
    body = next((r.body for r in rules if r.id == incident.rule_id), {})
    keys = list(body.get("by", ())) if isinstance(body.get("by", ()), list | tuple) else []
    if len(keys) != len(label):
        keys = [str(i) for i in range(len(label))]
    return {key: value or None for key, value in zip(keys, label, strict=True)}


# ---------------------------------------------------------------- incidents


def _incidents(here: Place, incidents: Sequence[Incident], rules: Sequence[StoredRule]) -> None:
    st.header("Incidents", anchor=False)
    if not incidents:
        text.mute("None so far.", key="none")
        return
    lines = [
        {
            "state": "▲ open" if i.status == "open" else "✓ over",
            "rule": words.one_line(i.rule, 80),
            "cohorts": _cohorts(i, rules),
            "since": words.local(i.began).replace(tzinfo=None),
            "opened": words.local(i.opened_at).replace(tzinfo=None),
            "lasted": words.took(((i.resolved_at or _now()) - i.began).total_seconds()),
            "messages": i.notified,
            "seen by": words.one_line(i.acknowledged_by or "", 40),
        }
        for i in incidents
    ]
    column = st.column_config
    picked: Any = st.dataframe(
        lines, hide_index=True, key="incidents", on_select="rerun",
        selection_mode="single-row", alt="Incidents, newest first",
        column_config={
            name: column.DatetimeColumn(name, format="D MMM HH:mm") for name in ("opened", "since")
        },
    )  # fmt: skip
    chosen = _chosen(incidents, picked["selection"]["rows"] if picked else [])
    if chosen is not None:
        _incident(here, chosen, rules)


def _chosen(incidents: Sequence[Incident], rows: Sequence[int]) -> Incident | None:
    if rows and rows[0] < len(incidents):
        return incidents[rows[0]]
    wanted = place.number("incident")
    found = next((i for i in incidents if i.id == wanted), None)
    if found is None and place.get("incident"):
        named = words.one_line(place.get("incident"), 20)
        text.mute(f"There is no incident {named} among the newest.", key="no_incident")
    return found


def _incident(here: Place, incident: Incident, rules: Sequence[StoredRule]) -> None:
    with st.container(border=True):
        text.heading(f"{incident.rule} ({incident.mode.replace('_', ' ')})", key="incident")
        text.lines(str(incident.found.get("body", "")).splitlines())
        _runs(here, incident)
        text.lines(_timeline(incident, data.incident_events(here, incident.id)))
        for n, member in enumerate(incident.members[:10]):
            _member(here, incident, member, rules, n)
        if incident.status == "open" and frame.reader().role.includes(Role.REVIEWER):
            _answer_incident(here, incident)


def _runs(here: Place, incident: Incident) -> None:
    """The newest failing runs that were told."""
    runs = incident.found.get("traces", ())
    if not runs:
        return
    with st.container(horizontal=True):
        for n, trace in enumerate(runs):
            if st.button(f"Run {str(trace)[:8]}…", key=f"run_{n}"):
                go.to_step(str(trace), None, back={"win": here.win})


def _timeline(incident: Incident, events: Sequence[Event]) -> list[str]:
    began = "no more data came" if incident.mode == "no_data" else "the rate went up"
    said = [f"{words.clock(incident.began)} {began}"]
    for event in events:
        who = f" by {event.by}" if event.by else ""
        cohort = event.detail.get("label")
        what = " · ".join(str(c) for c in cohort) if isinstance(cohort, list) else ""
        said.append(f"{words.clock(event.at)} {event.what}{who} {what}".rstrip())
    return said


def _member(
    here: Place, incident: Incident, member: Member, rules: Sequence[StoredRule], n: int
) -> None:
    values = _values(member.label, incident, rules)
    body = next((r.body for r in rules if r.id == incident.rule_id), {})
    state = "failing" if member.left_at is None else f"back at {words.clock(member.left_at)}"
    usual = percent(member.usual)
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch"):
            text.say(f"{_named(member, incident, rules)} (usual {usual}), {state}")
        name = run_rates.cell_of(body.get("evaluator"), body.get("rate"))
        if name is None:
            if st.button("Open its runs", key=f"member_{n}"):
                query = cell_query(None, {**body.get("where", {}), **values}, window=here.win)
                go.to_query("traces", query)
        elif st.button("Open the cell", key=f"member_{n}"):
            go.to_query("cohorts", cell_query(name, values, window=here.win))


def _answer_incident(here: Place, incident: Incident) -> None:
    with st.container(horizontal=True):
        if incident.acknowledged_at is None and st.button("I look into it", type="primary"):
            _do(lambda: actions.acknowledge(here.project.id, incident.id))
        for hours in (1, 8, 24):
            if st.button(f"Quiet for {hours} h", key=f"snooze_{hours}"):
                _do(lambda h=hours: actions.snooze(here.project.id, incident.id, h))


def _do(action: Any) -> None:
    try:
        action()
    except WaypostError as error:
        st.warning("That did not work.", icon="⚠️")
        st.text(str(error))
        return
    st.rerun()


# ---------------------------------------------------------------- rules


def _rules(here: Place, rules: Sequence[StoredRule]) -> None:
    st.header("Rules", anchor=False)
    if not rules:
        text.mute("None so far.", key="no_rules")
        return
    lines = [_rule_line(rule) for rule in rules]
    picked: Any = st.dataframe(
        lines, hide_index=True, key="rules", on_select="rerun", selection_mode="single-row",
        alt="Alert rules",
    )  # fmt: skip
    rows = picked["selection"]["rows"] if picked else []
    if rows and rows[0] < len(rules) and frame.reader().role.includes(Role.ADMIN):
        _change_rule(here, rules[rows[0]])


def _rule_line(rule: StoredRule) -> dict[str, object]:
    body = rule.body
    level = body.get("level")
    return {
        "on": rule.is_enabled,
        "rule": words.one_line(rule.name, 80),
        "watches": words.judge(str(body.get("evaluator") or body.get("rate") or "")),
        "for each": words.one_line(", ".join(map(str, body.get("by", ()))) or "all runs", 80),
        "fires when": f"above {percent(float(level))}" if level else "worse than usual",
        "at least": body.get("minimum"),
        "severity": body.get("severity"),
        "owner": words.one_line(str(body.get("owner") or ""), 40),
        "tells": words.one_line(", ".join(map(str, body.get("channels", ()))) or "nobody", 80),
        "kept in": "waypost.toml" if rule.origin == "file" else "the store",
        "breaks": words.one_line(rule.fault or "", 120),
    }


def _change_rule(here: Place, rule: StoredRule) -> None:
    if rule.origin == "file":
        text.mute("This rule stands in waypost.toml; change it there.", key="in_file")
        return
    with st.container(horizontal=True):
        turned = "Turn off" if rule.is_enabled else "Turn on"
        if st.button(turned, key="rule_turn"):
            body = {**rule.body, "enabled": not rule.is_enabled}
            _do(lambda: actions.save_rule(here.project.id, body))
        if st.button("Delete the rule", key="rule_delete"):
            _do(lambda: actions.remove_rule(here.project.id, rule.name))


def _new(here: Place, rules: Sequence[StoredRule]) -> None:
    """A form, what the rule would have done, and only then the button that keeps it."""
    frame.reader().must_be(Role.ADMIN, "Making a rule")
    with st.container(border=True, key="rule_form"):
        text.heading("A new rule", key="new_rule")
        table = _form(here, {r.name for r in rules})
        try:
            fired = _previewed(here, table)
        except WaypostError as error:
            st.warning("This rule cannot be.", icon="⚠️")
            st.text(str(error))
            return
        _said(fired)
        if not table.get("channels"):
            text.mute("It names no channel: it tells nobody, and shows here.", key="tells_nobody")
        with st.container(horizontal=True):
            if st.button("Save the rule", type="primary", key="rule_save"):
                actions.save_rule(here.project.id, table)
                place.put(new=None)
                st.rerun()
            if st.button("Leave it", key="rule_leave"):
                place.put(new=None)
                st.rerun()


def _form(here: Place, taken: set[str]) -> dict[str, Any]:
    values = place.chosen_values()
    evaluators = sorted({j.name for j in data.judges_of(here) if j.source != "human"})
    given = place.get("evaluator")
    only = [given] if given and not evaluators and given not in subjects.OF_RUNS else []
    names = [*evaluators, *only, *subjects.OF_RUNS]
    first, second = st.columns(2)
    with first:
        at, titles = names.index(given) if given in names else 0, words.judges(names)
        place_of = st.selectbox(
            "What it watches", range(len(names)), index=at, key="rule_evaluator",
            format_func=lambda i: words.label(titles[names[i]]),
        )  # fmt: skip
        evaluator = names[int(place_of or 0)]
        by = st.multiselect(
            "One state for each", list(here.project.cohort_keys), key="rule_by",
            default=[k for k in here.project.cohort_keys if k in values]
            or [k for k in ("prompt_version", "model", "region") if k in here.project.cohort_keys],
            format_func=lambda k: words.label(k).replace("_", " "),
        )  # fmt: skip
        worse = st.radio(
            "Fires when", ["worse than usual", "above a level"], horizontal=True, key="rule_how"
        )
        level = (
            st.slider("Level in percent", 1, 90, 20, key="rule_level")
            if worse == "above a level"
            else None
        )
    with second:
        name = st.text_input("Name", value=_free(evaluator, taken), key="rule_name")
        severity = st.selectbox("Severity", ["info", "warning", "critical"], 1, key="rule_severity")
        owner = st.text_input("Owner", key="rule_owner", placeholder="team or address")
        channels = st.text_input(
            "Channels", key="rule_channels", placeholder="names from waypost.toml, comma between"
        )
    watched = (
        {"rate": subjects.rate_of(evaluator)}
        if subjects.of_runs(evaluator)
        else {"evaluator": evaluator}
    )
    table: dict[str, Any] = {
        "name": name.strip(), **watched, "by": list(by), "severity": severity,
        "project": here.project.name,
    }  # fmt: skip
    if level is not None:
        table["level"] = level / 100
    if owner:
        table["owner"] = owner.strip()
    if channels:
        table["channels"] = [c.strip() for c in channels.split(",") if c.strip()]
    return table


def _free(evaluator: str, taken: set[str]) -> str:
    """A name for the rule that is not taken."""
    said = words.judge(evaluator)
    base = f"{said} by cohort" if subjects.of_runs(evaluator) else f"{said} fails"
    found = [base, *(f"{base} {n}" for n in range(2, 100))]
    return next(n for n in found if n not in taken)


def _previewed(here: Place, table: Mapping[str, Any]) -> list[Fired] | None:
    with st.spinner(f"Running it over the last {_DAYS} days …"):
        return data.previewed(here, table, _DAYS)


def _said(fired: Sequence[Fired] | None) -> None:
    if fired is None:
        text.mute("No evaluators are installed here, so there is no preview.", key="no_preview")
        return
    times = [f for f in fired if f.fired]
    cohorts = {f.label for f in times}
    if not times:
        text.say(f"It would not have fired in the last {_DAYS} days.")
        return
    text.say(
        f"It would have fired {words.plural(len(times), 'time')} in the last {_DAYS} days, "
        f"for {words.plural(len(cohorts), 'cohort')}:"
    )
    text.lines(
        f"{words.clock(f.at)}  {' · '.join(f.label) or 'all runs'}" for f in times[-5:][::-1]
    )


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
