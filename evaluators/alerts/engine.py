"""One tick: count what changed, step every rule, turn state changes into incidents and messages.

Counters, detector rows and incidents move in one transaction; an incident whose message is due
becomes deliveries in another. Both leave rows behind that the next process goes on from, so a
killed one neither loses nor doubles anything. Sending comes after, from the outbox.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from evaluators.alerts import grouping, message
from evaluators.alerts.apart import apart
from evaluators.alerts.doubts import Doubt
from evaluators.alerts.rules import Rule, parse
from evaluators.alerts.tracker import Common, Labels, Sessions, Tracker, Turn
from waypost.cusum import FIELDS
from waypost.store import alerts, cohorts, deliveries, feed, incidents
from waypost.store.alerts import StoredRule
from waypost.store.engine import Connection, Engine, limit_time
from waypost.store.feed import RunChange
from waypost.store.incidents import Incident, Member
from waypost.store.ingest import count_intake

UNCOUNTED = "uncounted_run"
_DAY = dt.timedelta(days=1)
_AGAIN = dt.timedelta(minutes=5)
_BATCHES = 5
_COMPOSE_SECONDS = 10
_FORGOTTEN = 30 * 86_400.0


@dataclass(slots=True)
class Ticked:
    """What one tick did; `more` says that others changes wait already."""

    runs: int = 0
    opened: list[int] = field(default_factory=list)
    resolved: list[int] = field(default_factory=list)
    messages: int = 0
    more: bool = False


def tick(
    engine: Engine,
    now: dt.datetime | None = None,
    *,
    compose: message.Compose | None = None,
    doubt: Doubt = lambda _, __: None,
    most: int = 2000,
) -> Ticked:
    """Count and judge what changed since the last tick; nothing when another process does it.

    `compose` makes the body of a message; without one it is told in full. `doubt` says what is
    odd about a rule that can be judged.
    """
    moment = now or dt.datetime.now(dt.UTC)
    done = Ticked()
    for _ in range(_BATCHES):
        with engine.begin() as connection:
            if not feed.is_ours(connection):
                return done
            changed = feed.take(connection, most=most)
            rules = alerts.enabled(connection)
            for project_id in sorted(changed.keys() | rules.keys()):
                changes = _count(connection, project_id, changed.get(project_id, {}), moment)
                done.runs += len(changes)
                mine = rules.get(project_id, [])
                _judge(connection, project_id, mine, changes, doubt=doubt, now=moment, done=done)
            done.more = sum(len(traces) for traces in changed.values()) >= most
        if not done.more:
            break
    is_due = True
    while is_due:
        is_due = _hand_out(engine, moment, compose or message.compose, done)
    return done


def _count(
    connection: Connection, project_id: int, noted: Mapping[str, float], now: dt.datetime
) -> list[RunChange]:
    """Count these runs; one that cannot be counted is left out, which is counted too."""
    with apart(connection, f"{len(noted)} runs of project {project_id} not counted"):
        return feed.count(connection, project_id, noted)
    if len(noted) == 1:
        count_intake(connection, project_id, {UNCOUNTED: 1}, now=now)
        return []
    traces = sorted(noted)
    halves = traces[: len(traces) // 2], traces[len(traces) // 2 :]
    return [
        change
        for half in halves
        for change in _count(connection, project_id, {t: noted[t] for t in half}, now)
    ]


def _judge(
    connection: Connection, project_id: int, rules: Sequence[StoredRule],
    changes: Sequence[RunChange], *, doubt: Doubt, now: dt.datetime, done: Ticked,
) -> None:  # fmt: skip
    """Feed what changed to every rule of a project; one that breaks holds up no other."""
    labels: Labels = {}
    sessions = Sessions()
    if rules and changes:
        labels = labels_of(connection, project_id, changes)
        sessions = sessions_of(connection, project_id, changes)
    for stored in rules:
        own = {name: dict(runs) for name, runs in sessions.items()}
        with apart(connection, f"Alert rule {stored.name!r} failed") as fault:
            _step(connection, stored, changes, (labels, own), now=now, done=done)
            fault.text = doubt(connection, stored)
        alerts.set_fault(connection, stored, fault.text)


def _step(
    connection: Connection, stored: StoredRule, changes: Sequence[RunChange],
    around: tuple[Labels, Sessions], *, now: dt.datetime, done: Ticked,
) -> None:  # fmt: skip
    """Feed one rule, keep its state, and write what turned."""
    rule = parse(stored.body)
    idle = not changes and rule.no_data is None
    if idle and not incidents.open_of_rule(connection, stored.id, "rate"):
        return
    tracker = Tracker(
        rule, common=Common.from_json(stored.pool), cells=alerts.states(connection, stored.id)
    )
    turns = tracker.feed(changes, *around, now=now.timestamp()) + tracker.gone(now.timestamp())
    silent = tracker.silent(now.timestamp())
    moved = [(label, tracker.row(label)) for label in tracker.touched]
    if moved:
        alerts.save_states(connection, stored.id, moved, tracker.common.as_json())
        alerts.forget_unseen(
            connection, stored.id, before=tracker.common.clock - _FORGOTTEN,
            seen=FIELDS.index("seen_at"), opened=FIELDS.index("opened_at"),
        )  # fmt: skip
    for turn in turns:
        _turn(connection, stored, rule, turn, tracker, mode="rate", now=now, done=done)
    for turn in silent:
        _turn(connection, stored, rule, turn, tracker, mode="no_data", now=now, done=done)


def labels_of(connection: Connection, project_id: int, changes: Sequence[RunChange]) -> Labels:
    """The values of every cohort that these runs are or were counted in."""
    ids: set[int] = set()
    for change in changes:
        for counted in (change.before, change.after):
            if counted is not None:
                ids.add(counted.cohort_id)
                ids.update(c for by in counted.scores.values() for c in by)
    return cohorts.named(connection, project_id, ids)


def sessions_of(connection: Connection, project_id: int, changes: Sequence[RunChange]) -> Sessions:
    """The other counted runs of the sessions these runs belong to."""
    names = sorted({c.session for c in changes if c.session is not None})
    if not names:
        return {}
    since = dt.datetime.fromtimestamp(min(c.started_at for c in changes), dt.UTC) - _DAY
    found = feed.of_sessions(connection, project_id, names, since)
    for change in changes:
        if change.session is not None:
            found.get(change.session, {}).pop(change.trace_id, None)
    return found


def _turn(
    connection: Connection, stored: StoredRule, rule: Rule, turn: Turn, tracker: Tracker, *,
    mode: str, now: dt.datetime, done: Ticked,
) -> None:  # fmt: skip
    known = incidents.open_of_rule(connection, stored.id, mode)
    if not turn.fired:
        for incident in known:
            if any(m.label == turn.label for m in incident.failing) and incidents.leave(
                connection, incident.id, turn.label, now=now, is_gone=turn.gone
            ):
                done.resolved.append(incident.id)
        return
    member = _member(turn, mode, now)
    target = grouping.find(known, rule, turn.label, tracker, now=now)
    if target is None:
        opened = incidents.open_one(
            connection, stored.project_id, rule_id=stored.id, rule=rule.name, mode=mode, now=now,
            since=member.since, notify_at=now + rule.group_wait,
        )  # fmt: skip
        done.opened.append(opened)
        incidents.join(connection, opened, member, now=now)
        return
    incidents.join(connection, target.id, member, now=now)
    if grouping.is_news(target):
        incidents.plan_message(connection, target.id, now + grouping.NEWS_WAIT)


def _member(turn: Turn, mode: str, now: dt.datetime) -> Member:
    row = turn.row
    began = row["since"] if mode == "rate" else row["seen_at"]
    is_fast = row["fast_n"] > 0 and row["since"] == row["fast_at"]
    k, n = (row["fast_k"], row["fast_n"]) if is_fast else (row["slow_k"], row["slow_n"])
    since = min(dt.datetime.fromtimestamp(max(began, 0.0), dt.UTC), now)
    return Member(turn.label, now, None, since, k, n, row["usual"])


def _hand_out(engine: Engine, now: dt.datetime, compose: message.Compose, done: Ticked) -> bool:
    """Turn the next due incident into deliveries, one for each channel; False when none is due."""
    with engine.begin() as connection:
        incident = incidents.next_due(connection, now)
        if incident is None:
            return False
        stored = alerts.by_id(connection, incident.rule_id or 0)
        body = incident.detail.get("rule")
        # A rule that is gone or another one now still tells that its incidents are over.
        if stored is not None and not incident.detail.get("unwatched"):
            body = stored.body
        if body is None:
            incidents.told(connection, incident.id, again_at=None, detail=incident.detail)
            return True
        with apart(connection, f"Incident {incident.id} could not be told") as fault:
            done.messages += _tell(connection, parse(body), incident, compose, now)
        if fault.text is not None:
            detail = {"error": fault.text}
            incidents.postpone(connection, incident.id, now + _AGAIN)
            incidents.add_event(connection, incident.id, "not told", now=now, detail=detail)
    return True


def _tell(
    connection: Connection, rule: Rule, incident: Incident, compose: message.Compose,
    now: dt.datetime,
) -> int:  # fmt: skip
    """Put a message into the outbox for each channel; how many are new there."""
    kind = _kind(incident)
    body = _body(connection, rule, incident, compose, now)
    count = sum(
        deliveries.put(
            connection, incident.project_id, incident.id, kind=kind,
            number=incident.notified + 1, channel=channel, message=body, now=now,
        )
        for channel in rule.channels
    )  # fmt: skip
    again = _again(rule, incident, now)
    incidents.told(connection, incident.id, again_at=again, detail=_kept(rule, incident, body))
    incidents.add_event(
        connection, incident.id, "notified" if rule.channels else "nobody to tell", now=now,
        detail={"kind": kind, "channels": list(rule.channels)},
    )  # fmt: skip
    return count


def _body(
    connection: Connection, rule: Rule, incident: Incident, compose: message.Compose,
    now: dt.datetime,
) -> Mapping[str, object]:  # fmt: skip
    """The whole message; where it cannot be put together, what the incident itself knows."""
    with apart(connection, f"Incident {incident.id} is told in brief") as fault:
        limit_time(connection, seconds=_COMPOSE_SECONDS)
        return compose(connection, rule, incident, now)
    detail = {"error": fault.text}
    incidents.add_event(connection, incident.id, "told in brief", now=now, detail=detail)
    return compose(connection, rule, incident, now, brief=True)


def _kind(incident: Incident) -> str:
    if incident.status == "resolved":
        return "resolved"
    return "opened" if incident.notified == 0 else "still"


def _again(rule: Rule, incident: Incident, now: dt.datetime) -> dt.datetime | None:
    quiet = incident.status == "resolved" or incident.acknowledged_at is not None
    return None if quiet or rule.renotify is None else now + rule.renotify


def _kept(rule: Rule, incident: Incident, body: Mapping[str, object]) -> dict[str, object]:
    """What the pages show of the last message, and what the next one goes by."""
    # A message in brief knows less than an earlier one may have found.
    found = dict(body) if body.get("traces") or not incident.found else incident.found
    return {
        **incident.detail, "message": dict(body), "found": found, "told": len(incident.failing),
        "labels": body.get("labels", {}), "rule": rule.body(),
    }  # fmt: skip


def preview(
    rule: Rule, parts: Iterable[tuple[Sequence[RunChange], Labels]], *, now: float
) -> list[Turn]:
    """What the rule would have done on these runs, given in order of arrival with their labels.

    These are the server's own lines on history. A silence leaves no run behind, so that `no_data`
    is not previewed.
    """
    tracker, sessions = Tracker(replace(rule, no_data=None)), Sessions()
    turns: list[Turn] = []
    for changes, labels in parts:
        turns += tracker.feed(changes, labels, sessions, now=now)
        tracker.forget(sessions)
    return turns + tracker.gone(now)
