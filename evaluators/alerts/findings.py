"""What the store says about an incident: its rate, since when, what changed, why, which step."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from evaluators.alerts import grouping
from evaluators.alerts.rules import RATES, Rule
from waypost import rates
from waypost.changes import Cause
from waypost.rates import Rate
from waypost.slices import Slice
from waypost.store import explain
from waypost.store.engine import Connection
from waypost.store.explain import FirstBad, Items
from waypost.store.incidents import Incident, Member
from waypost.store.measures import Measure
from waypost.store.rates import Where, Window

TRACES = 5
_BEFORE = dt.timedelta(hours=24)
_FEW = 20
Load = Callable[[Window], Items]


@dataclass(frozen=True, slots=True)
class Findings:
    """What the store says about an incident."""

    rate: Rate
    was: float
    since: dt.datetime
    changed: tuple[Cause, ...] = ()
    reasons: tuple[Slice, ...] = ()
    error: str | None = None
    first_bad: FirstBad | None = None
    first_failed: FirstBad | None = None
    traces: tuple[str, ...] = ()


def in_brief(incident: Incident) -> Findings:
    """What the incident's own rows know: the items by which its cohorts were found."""
    members = incident.failing or incident.members
    k, n = sum(m.k for m in members), sum(m.n for m in members)
    return Findings(Rate.of(k, n), usual(incident), incident.since)


def usual(incident: Incident) -> float:
    """What was taken for usual when its cohorts were found."""
    members = incident.failing or incident.members
    return sum(m.usual for m in members) / max(len(members), 1)


def findings(connection: Connection, rule: Rule, incident: Incident, now: dt.datetime) -> Findings:
    """Rate, change, explanation, first bad step and runs of what fails now."""
    project = incident.project_id
    load = _of_members(connection, project, rule, incident.failing)
    wide = load(Window(incident.since - _BEFORE, now))
    since, changed = _since_when(connection, incident, wide)
    items = load(Window(since, now))
    everything = _load(connection, project, rule, Window(since, now), where=rule.where)
    traces = list(dict.fromkeys(
        t for t, bad in zip(reversed(items.traces), reversed(items.failed), strict=True) if bad
    ))  # fmt: skip
    breaks = rule.rate == "errors"
    first = partial(
        explain.first_bad_step, connection, project, traces, since - _BEFORE,
        of_errors=breaks,
    )  # fmt: skip
    return Findings(
        rate=_rate(items, by_session=rule.is_of_people),
        was=_was(connection, rule, incident, wide.before(since), since),
        since=since,
        changed=changed,
        reasons=tuple(explain.why(everything, most=2, skip=[explain.ERROR] if breaks else [])),
        error=explain.commonest_error(items) if breaks else None,
        first_bad=first(),
        first_failed=None if rule.evaluator is None else first(evaluator=rule.evaluator),
        traces=tuple(traces[:TRACES]),
    )  # fmt: skip


def _was(
    connection: Connection, rule: Rule, incident: Incident, own: Items, since: dt.datetime
) -> float:
    """The rate before: of these cohorts, of all that is watched where they are new, else usual."""
    by_session = rule.is_of_people
    rate = _rate(own, by_session=by_session)
    if rate.n < _FEW:
        window = Window(since - _BEFORE, since)
        every = _load(connection, incident.project_id, rule, window, where=rule.where)
        rate = _rate(every, by_session=by_session)
    return usual(incident) if rate.n < _FEW or rate.share is None else rate.share


def _since_when(
    connection: Connection, incident: Incident, items: Items
) -> tuple[dt.datetime, tuple[Cause, ...]]:
    """The change in these cohorts; those that are new fail since they came."""
    found = explain.since_when(connection, incident.project_id, items)
    if found.point is not None:
        return found.point.at, found.causes
    since = incident.since
    if items.times and items.times[0] > incident.since - _BEFORE + explain.NEAR:
        since = min(since, items.times[0])
    own = {value for member in incident.failing for value in member.label}
    return since, explain.came_near(connection, incident.project_id, since, items, own)


def _of_members(
    connection: Connection, project_id: int, rule: Rule, members: Sequence[Member]
) -> Load:
    """The items of these cohorts alone."""
    labels = [m.label for m in members]
    if len(labels) == 1:
        own = {key: value or None for key, value in zip(rule.by, labels[0], strict=True)}
        return partial(_load, connection, project_id, rule, where={**rule.where, **own})
    shared = {**rule.where, **grouping.common(rule.by, labels)}

    def load(window: Window) -> Items:
        return _load(connection, project_id, rule, window, where=shared).among(rule.by, labels)

    return load


def _load(
    connection: Connection, project_id: int, rule: Rule, window: Window, *, where: Where
) -> Items:
    if rule.evaluator is not None:
        return explain.of_evaluator(
            connection, project_id, window, rule.evaluator, where=where, keys=rule.by,
            abstained=rule.rate == "abstentions",
        )  # fmt: skip
    measure: Measure = RATES[str(rule.rate)]
    return explain.of_runs(
        connection, project_id, window, int(measure), where=where, keys=rule.by, over=rule.over
    )


def _rate(items: Items, *, by_session: bool) -> Rate:
    """The rate with its exact interval, widened because items of one session fall together.

    What people say is counted by session: one complaint is one complaint.
    """
    sums: dict[str, list[float]] = {}
    for session, bad in zip(items.sessions, items.failed, strict=True):
        by = sums.setdefault(session, [0.0, 0.0])
        by[0] += bad
        by[1] += 1
    if by_session:
        k, n, spread = sum(by[0] > 0 for by in sums.values()), len(sums), 1.0
    else:
        k, n = sum(items.failed), len(items.failed)
        spread = rates.design_effect((k, n) for k, n in sums.values())
    low, high = rates.exact(k / spread, n / spread) if n else (0.0, 1.0)
    return Rate(float(k), float(n), low, high)


def as_json(told: Findings) -> Mapping[str, object]:
    """The findings as plain values."""
    rate = told.rate
    return {
        "rate": {
            "k": rate.k, "n": rate.n, "share": rate.share, "low": rate.low, "high": rate.high,
        },
        "was": told.was,
        "since": told.since.isoformat(),
        "changed": [
            {"kind": c.kind, "name": c.name, "version": c.version,
             "first_at": c.first_at.isoformat()}
            for c in told.changed
        ],
        "explanation": [str(reason) for reason in told.reasons],
        "first_bad_step": _step(told.first_bad),
        "first_failed_step": _step(told.first_failed),
        "traces": list(told.traces),
    }  # fmt: skip


def _step(bad: FirstBad | None) -> Mapping[str, object] | None:
    if bad is None:
        return None
    return {"step": bad.step, "kind": bad.kind, "tool": bad.tool, "runs": bad.runs, "of": bad.of}
