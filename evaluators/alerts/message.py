"""What a person on call reads, in the order in which they need it."""

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from evaluators.alerts import grouping
from evaluators.alerts.findings import Findings, as_json, findings, in_brief, usual
from evaluators.alerts.rules import Rule
from waypost import links
from waypost.rates import percent
from waypost.store import projects, run_rates
from waypost.store.engine import Connection
from waypost.store.incidents import Incident, Member

_COHORTS = 10
_OPEN = "open"
Message = dict[str, Any]


class Compose(Protocol):
    """Makes the body of a message; `brief` asks for what needs no look into runs and scores."""

    def __call__(
        self, connection: Connection, rule: Rule, incident: Incident, now: dt.datetime, *,
        brief: bool = False,
    ) -> Mapping[str, object]: ...  # fmt: skip


def composer(public_url: str | None) -> Compose:
    """`compose` with links to this dashboard."""
    return partial(compose, public_url=public_url)


def compose(
    connection: Connection,
    rule: Rule,
    incident: Incident,
    now: dt.datetime,
    *,
    public_url: str | None = None,
    brief: bool = False,
) -> Message:
    """The message about an incident as plain values.

    `title` and `body` are for people, `text` is both with the links and the owner.
    """
    told = None
    if incident.mode == "rate" and incident.status == _OPEN:
        told = in_brief(incident) if brief else findings(connection, rule, incident, now)
    base = _facts(connection, rule, incident)
    base |= {} if told is None else as_json(told)
    base["links"] = _links(rule, told, base, public_url)
    base["title"] = _line(title(rule, incident))
    lines = [_line(text) for text in _lines(rule, incident, told, now)]
    if brief:
        lines.append("The rest could not be put together; the dashboard shows it.")
    base["body"] = "\n".join(lines)
    base["text"] = "\n".join([base["title"], *lines, *_ends(rule, base)])
    return base


def _line(text: str) -> str:
    """No value that a trace brought begins a line of its own, or turns the direction of one."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _facts(connection: Connection, rule: Rule, incident: Incident) -> Message:
    members = _members(incident)
    where = {**rule.where, **grouping.common(rule.by, [m.label for m in members])}
    return {
        "schema": 1,
        "incident": incident.id,
        "status": incident.status,
        "mode": incident.mode,
        "project": projects.get(connection, incident.project_id).name,
        "rule": rule.name,
        "severity": rule.severity,
        "owner": rule.owner,
        "what": rule.subject,
        "where": where,
        # The same in every message of the incident, also when further cohorts have joined.
        "labels": incident.detail.get("labels", {"severity": rule.severity, **where}),
        "cohorts": [dict(zip(rule.by, m.label, strict=True)) for m in members[:_COHORTS]],
        "cohort_count": len(members),
        "opened_at": incident.opened_at.isoformat(),
        "resolved_at": incident.resolved_at and incident.resolved_at.isoformat(),
        "was": usual(incident),
    }


def _members(incident: Incident) -> Sequence[Member]:
    return incident.failing or incident.members


def _links(
    rule: Rule, told: Findings | None, base: Message, public_url: str | None
) -> Mapping[str, object]:
    if public_url is None:
        return {}
    project = str(base["project"])
    name = run_rates.cell_of(rule.evaluator, rule.rate)
    page = (  # what has no cell on the home page is shown with its incident
        links.incident_link(public_url, base["incident"], project=project)
        if name is None
        else links.cell_link(public_url, name, base["where"], project=project)
    )
    found: dict[str, object] = {"cell": page}
    if told is not None:
        step = None if told.first_bad is None else told.first_bad.step
        found["traces"] = [
            links.step_link(public_url, t, step, project=project) for t in told.traces
        ]
    return found


def title(rule: Rule, incident: Incident) -> str:
    """What fails where, in one line."""
    if incident.mode == "no_data":
        what = f"no verdicts of {rule.evaluator}" if rule.evaluator else "no runs"
        said = f"No data: {what}"
    elif rule.evaluator is not None:
        above = "" if rule.level is None else f" above {percent(rule.level)}"
        # The name of an evaluator that is written like one stays as it is.
        first = rule.subject[:1] if "_" in rule.evaluator else rule.subject[:1].upper()
        said = f"{first}{rule.subject[1:]}{above}"
    elif rule.level is not None:
        said = f"More than {percent(rule.level)} of {rule.unit} {rule.verb}"
    else:
        said = f"More {rule.unit} than usual {rule.verb}"
    told = "Resolved: " if incident.status != _OPEN else "Still: " if incident.notified else ""
    return f"{told}{said}{_place(rule, _members(incident))}"


def _place(rule: Rule, members: Sequence[Member]) -> str:
    shared = {**rule.where, **grouping.common(rule.by, [m.label for m in members])}
    if len(members) == 1:
        shared = {**rule.where, **dict(zip(rule.by, members[0].label, strict=True))}
    where = f" in {named(shared)}" if shared else ""
    return f"{where} ({len(members)} cohorts)" if len(members) > 1 else where


def named(values: Mapping[str, str]) -> str:
    """A cohort in few words: its values, with their keys where a value alone says little."""
    return " · ".join(
        f"no {key}" if not value else value if any(c.isalpha() for c in value) and len(value) > 1
        else f"{key} {value}"
        for key, value in values.items()
    )  # fmt: skip


def _lines(rule: Rule, incident: Incident, told: Findings | None, now: dt.datetime) -> list[str]:
    if incident.detail.get("unwatched"):
        return ["It is not watched any more: its rule was changed, turned off or removed."]
    if incident.detail.get("gone") and incident.status != _OPEN:
        return ["Nothing of it has come for hours; if it fails again, you will hear of it."]
    if incident.status != _OPEN:
        ended = incident.resolved_at or now
        was = f" ({percent(usual(incident))})" if incident.mode == "rate" else ""
        return [f"It is back to usual{was} after {lasting(ended - incident.began)}."]
    if told is None:
        return [f"Nothing has come since {_clock(incident.since)}."]
    members = _members(incident)
    lines = [f"{_rate(rule, told)}, it was {percent(told.was)}.", _since_line(told)]
    if len(members) > 1:
        names = [named(dict(zip(rule.by, m.label, strict=True))) for m in members[:_COHORTS]]
        more = len(members) - len(names)
        lines.append("Cohorts: " + "; ".join(names) + (f"; and {more} more" if more else ""))
    lines += [f"Why: {reason.brief}." for reason in told.reasons]
    lines += [] if told.error is None else [f"What broke is mostly {told.error}."]
    bad, own = told.first_bad, told.first_failed
    if bad is not None:
        lines.append(f"First bad step is usually {bad}.")
    if own is not None and (bad is None or own.step != bad.step):
        lines.append(f"The first that failed {rule.evaluator} is usually {own}.")
    return lines


def _rate(rule: Rule, told: Findings) -> str:
    """The rate with n, what is counted, and its interval."""
    rate = told.rate
    if rate.share is None:
        return "Nothing of it is stored any more"
    span = f"{percent(rate.low).removesuffix(' %')}–{percent(rate.high)}"
    return f"{percent(rate.share)} of {rate.n:,.0f} {rule.unit} (interval {span})"


def _clock(at: dt.datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _since_line(told: Findings) -> str:
    line = f"Since {_clock(told.since)}."
    if not told.changed:
        return line + " No new version was seen then."
    first, *others = told.changed
    line += f" New then: {first} ({first.first_at:%H:%M})"
    more = [str(cause) for cause in others]
    return line + (f"; also {', '.join(more)}." if more else ".")


def lasting(span: dt.timedelta) -> str:
    """A time in the two units that matter."""
    minutes = max(int(span.total_seconds()) // 60, 1)
    hours, days = minutes // 60, minutes // 1440
    if days:
        return f"{days} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def _ends(rule: Rule, base: Message) -> list[str]:
    found = base["links"]
    lines = [f"Run: {run}" for run in found.get("traces") or base.get("traces", ())]
    if "cell" in found:
        lines.append(f"Dashboard: {found['cell']}")
    if rule.owner:
        lines.append(f"Owner: {rule.owner}")
    return lines
