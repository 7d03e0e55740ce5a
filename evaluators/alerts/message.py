"""What a person on call reads, in the order in which they need it."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from evaluators.alerts import grouping
from evaluators.alerts.rules import RATES, Rule, written
from waypost import links, rates
from waypost.changes import Cause
from waypost.rates import Rate, percent
from waypost.store import explain, projects
from waypost.store.engine import Connection
from waypost.store.explain import FirstBad, Items, Since
from waypost.store.incidents import Incident
from waypost.store.rates import Window

_TRACES = 5
_COHORTS = 20
_BEFORE = dt.timedelta(hours=24)
_WIDE = dt.timedelta(hours=6)
_NEAR = dt.timedelta(minutes=30)
Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Findings:
    """What the store says about an incident."""

    rate: Rate
    since: dt.datetime
    changed: tuple[Cause, ...]
    reasons: tuple[str, ...]
    first_bad: FirstBad | None
    traces: tuple[str, ...]


def compose(
    connection: Connection,
    rule: Rule,
    incident: Incident,
    now: dt.datetime,
    *,
    public_url: str | None = None,
) -> Message:
    """The message about an incident as plain values, with `title` and `text` for people."""
    project = projects.get(connection, incident.project_id).name
    members = incident.failing or incident.members
    where: dict[str, str] = {
        **rule.where, **grouping.common(rule.by, [m.label for m in members])
    }  # fmt: skip
    base: Message = {
        "schema": 1,
        "incident": incident.id,
        "status": incident.status,
        "mode": incident.mode,
        "project": project,
        "rule": rule.name,
        "severity": rule.severity,
        "owner": rule.owner,
        "what": rule.subject,
        "where": where,
        "cohorts": [dict(zip(rule.by, m.label, strict=True)) for m in members[:_COHORTS]],
        "cohort_count": len(members),
        "opened_at": incident.opened_at.isoformat(),
        "resolved_at": incident.resolved_at and incident.resolved_at.isoformat(),
        "was": sum(m.usual for m in members) / max(len(members), 1),
    }
    told = None
    if incident.mode == "rate" and incident.status == "open":
        told = findings(connection, rule, incident, where=where, now=now)
        base |= _plain(told)
    base |= _links(rule, where, told, base, public_url)
    base["title"] = title(rule, base)
    base["text"] = "\n".join([base["title"], *_lines(rule, incident, base, told, now)])
    return base


def composer(public_url: str | None) -> Any:
    """`compose` with links to this dashboard."""
    return partial(compose, public_url=public_url)


def findings(
    connection: Connection,
    rule: Rule,
    incident: Incident,
    *,
    where: Mapping[str, str],
    now: dt.datetime,
) -> Findings:
    """Rate, change, explanation, first bad step and runs of what fails now."""
    load = partial(_load, connection, incident.project_id, rule)
    failing = load(Window(incident.since, now), where)
    since = _since(connection, incident, load, where=where, wide=rule.where, now=now)
    around = load(Window(incident.since, now), rule.where)
    traces = list(dict.fromkeys(
        t for t, bad in zip(reversed(failing.traces), reversed(failing.failed), strict=True) if bad
    ))  # fmt: skip
    return Findings(
        rate=_rate(failing),
        since=incident.since if since.point is None else since.point.at,
        changed=since.causes,
        reasons=tuple(str(s) for s in explain.why(around, most=2)),
        first_bad=explain.first_bad_step(
            connection, incident.project_id, traces, incident.since - _BEFORE
        ),
        traces=tuple(traces[:_TRACES]),
    )


def _load(
    connection: Connection, project_id: int, rule: Rule, window: Window, where: Mapping[str, str]
) -> Items:
    if rule.evaluator is not None and rule.rate is None:
        return explain.of_evaluator(connection, project_id, window, rule.evaluator, where=where)
    measure = RATES.get(str(rule.rate), 0)
    return explain.of_runs(
        connection, project_id, window, int(measure), where=where, over=rule.over
    )


def _since(
    connection: Connection, incident: Incident, load: Any, *, where: Mapping[str, str],
    wide: Mapping[str, str], now: dt.datetime,
) -> Since:  # fmt: skip
    """The change in the cohort itself; one that is new has none, then in all that is watched."""
    for scope, before in ((where, _BEFORE), (wide, _WIDE)):
        items = load(Window(incident.since - before, now), scope)
        found = explain.since_when(connection, incident.project_id, items)
        if found.point is not None:
            return found
    near = Window(incident.since - _NEAR, incident.since + _NEAR)
    seen = explain.first_seen(connection, incident.project_id, near)
    return Since(None, tuple(Cause(*v, at, 0.0, None, None) for v, at in seen.items())[:_TRACES])


def _rate(items: Items) -> Rate:
    """The rate with its exact interval, widened because items of one session fall together."""
    sums: dict[str, list[float]] = {}
    for session, bad in zip(items.sessions, items.failed, strict=True):
        by = sums.setdefault(session, [0.0, 0.0])
        by[0] += bad
        by[1] += 1
    k, n = float(sum(items.failed)), float(len(items.failed))
    spread = rates.design_effect((k, n) for k, n in sums.values())
    low, high = rates.exact(k / spread, n / spread) if n else (0.0, 1.0)
    return Rate(k, n, low, high)


def _plain(told: Findings) -> Message:
    rate = told.rate
    return {
        "rate": {
            "k": rate.k, "n": rate.n, "share": rate.share, "low": rate.low, "high": rate.high,
        },
        "since": told.since.isoformat(),
        "changed": [
            {"kind": c.kind, "name": c.name, "version": c.version,
             "first_at": c.first_at.isoformat()}
            for c in told.changed
        ],
        "explanation": list(told.reasons),
        "first_bad_step": None if told.first_bad is None else {
            "step": told.first_bad.step, "kind": told.first_bad.kind,
            "tool": told.first_bad.tool, "runs": told.first_bad.runs, "of": told.first_bad.of,
        },
        "traces": list(told.traces),
    }  # fmt: skip


def _links(
    rule: Rule, where: Mapping[str, str], told: Findings | None, base: Message,
    public_url: str | None,
) -> Message:  # fmt: skip
    if public_url is None:
        return {"links": {}}
    project = str(base["project"])
    cell = links.cell_link(public_url, rule.evaluator, where, project=project)
    found: dict[str, Any] = {"cell": cell}
    if told is not None:
        step = None if told.first_bad is None else told.first_bad.step
        found["traces"] = [
            links.step_link(public_url, t, step, project=project) for t in told.traces
        ]
    return {"links": found}


def title(rule: Rule, base: Message) -> str:
    """What fails where, in one line."""
    where = " · ".join(v for v in base["where"].values() if v)
    count = base["cohort_count"]
    place = f"in {where}" if where else "in all cohorts" if count == 1 else ""
    many = f" ({count} cohorts)" if count > 1 else ""
    subject = rule.subject[:1].upper() + rule.subject[1:]
    if base["status"] == "resolved":
        return f"Resolved: {subject} {place}{many}".strip()
    if base["mode"] == "no_data":
        return f"No data for {rule.subject} {place}{many}".strip()
    verb = "" if rule.evaluator is not None else " is worse than usual"
    over = f" (over {percent(rule.level)})" if rule.level is not None else ""
    return f"{subject}{verb}{over} {place}{many}".replace("  ", " ").strip()


def _lines(
    rule: Rule, incident: Incident, base: Message, told: Findings | None, now: dt.datetime
) -> list[str]:
    if incident.status == "resolved":
        span = written(dt.timedelta(seconds=int((now - incident.opened_at).total_seconds()) + 1))
        return [f"It is back to usual ({percent(base['was'])}) after {span}."]
    if told is None:
        return [f"Nothing has come since {incident.since:%Y-%m-%d %H:%M} UTC.", *_ends(rule, base)]
    lines = [f"{told.rate}, it was {percent(base['was'])}.", _since_line(told)]
    if base["cohort_count"] > 1:
        names = [" · ".join(v for v in c.values() if v) for c in base["cohorts"]]
        lines.append("Cohorts: " + "; ".join(names))
    lines += [f"Why: {reason}." for reason in told.reasons]
    if told.first_bad is not None:
        bad = told.first_bad
        what = f"{bad.kind} {bad.tool}" if bad.tool else bad.kind
        lines.append(f"First bad step is usually step {bad.step}, {what} ({bad.runs} of {bad.of}).")
    return lines + _ends(rule, base)


def _since_line(told: Findings) -> str:
    line = f"Since {told.since:%Y-%m-%d %H:%M} UTC."
    if not told.changed:
        return line + " No new version was seen then."
    first, *others = told.changed
    line += f" New then: {first.kind} {first.name} {first.version} ({first.first_at:%H:%M})"
    more = [f"{c.kind} {c.name} {c.version}" for c in others]
    return line + (f"; also {', '.join(more)}." if more else ".")


def _ends(rule: Rule, base: Message) -> list[str]:
    found = base["links"]
    lines = [f"Run: {link}" for link in found.get("traces", ())]
    if not lines:
        lines = [f"Run: {trace}" for trace in base.get("traces", ())]
    if "cell" in found:
        lines.append(f"Dashboard: {found['cell']}")
    if rule.owner:
        lines.append(f"Owner: {rule.owner}")
    return lines
