"""Incidents: the period in which cohorts were out of line, and all that was done about it."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.errors import NotFound, WrongUse
from waypost.store import audit

Label = tuple[str, ...]
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Member:
    """One cohort of an incident: `k` of `n` items since it began, against what was usual."""

    label: Label
    joined_at: dt.datetime
    left_at: dt.datetime | None
    since: dt.datetime
    k: float
    n: float
    usual: float


@dataclass(frozen=True, slots=True)
class Incident:
    """One period in which cohorts of a rule were out of line for one reason."""

    id: int
    project_id: int
    rule_id: int | None
    rule: str
    mode: str
    status: str
    opened_at: dt.datetime
    since: dt.datetime
    changed_at: dt.datetime
    resolved_at: dt.datetime | None
    acknowledged_at: dt.datetime | None
    acknowledged_by: str | None
    snoozed_until: dt.datetime | None
    notify_at: dt.datetime | None
    notified: int
    detail: Mapping[str, Any]
    members: tuple[Member, ...] = ()

    @property
    def found(self) -> Mapping[str, Any]:
        """What was found about it when it was last told as open: rate, since when, why, runs."""
        found: Mapping[str, Any] = self.detail.get("found", {})
        return found

    @property
    def began(self) -> dt.datetime:
        """Since when it fails: as found out for its message, else as its detector saw it."""
        text = self.found.get("since")
        return self.since if text is None else dt.datetime.fromisoformat(text)

    @property
    def failing(self) -> tuple[Member, ...]:
        """The cohorts still out of line."""
        return tuple(m for m in self.members if m.left_at is None)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of an incident's timeline."""

    at: dt.datetime
    what: str
    by: str | None
    detail: Mapping[str, Any]


def open_one(
    connection: Connection,
    project_id: int,
    *,
    rule_id: int,
    rule: str,
    mode: str,
    now: dt.datetime,
    since: dt.datetime,
    notify_at: dt.datetime,
) -> int:
    """A new incident; its id. Its cohorts join next, in the same transaction."""
    made = connection.execute(
        sa.text("""
            insert into incident
              (project_id, rule_id, rule, mode, opened_at, since, changed_at, notify_at)
            values (:project_id, :rule_id, :rule, :mode, :now, :since, :now, :notify_at)
            returning id"""),
        {
            "project_id": project_id, "rule_id": rule_id, "rule": rule, "mode": mode, "now": now,
            "since": since, "notify_at": notify_at,
        },
    ).scalar_one()  # fmt: skip
    add_event(connection, made, "opened", now=now)
    return int(made)


def join(connection: Connection, incident_id: int, member: Member, *, now: dt.datetime) -> None:
    """A cohort goes out of line for the same reason, or again."""
    connection.execute(
        sa.text("""
            insert into incident_cohort (incident_id, label, joined_at, since, k, n, usual)
            values (:id, cast(:label as text[]), :now, :since, :k, :n, :usual)
            on conflict (incident_id, label) do update set
              left_at = null, k = excluded.k, n = excluded.n"""),
        {
            "id": incident_id, "label": list(member.label), "now": now, "since": member.since,
            "k": member.k, "n": member.n, "usual": member.usual,
        },
    )  # fmt: skip
    connection.execute(
        sa.text("""
            update incident set changed_at = :now, since = least(since, :since) where id = :id"""),
        {"id": incident_id, "now": now, "since": member.since},
    )
    add_event(connection, incident_id, "joined", now=now, detail={"label": list(member.label)})


def leave(
    connection: Connection, incident_id: int, label: Label, *, now: dt.datetime,
    is_gone: bool = False,
) -> bool:  # fmt: skip
    """A cohort is back in line, or gone; True when it was the last, and the incident is over."""
    connection.execute(
        sa.text("""
            update incident_cohort set left_at = :now
            where incident_id = :id and label = cast(:label as text[]) and left_at is null"""),
        {"id": incident_id, "label": list(label), "now": now},
    )
    what = "gone" if is_gone else "recovered"
    add_event(connection, incident_id, what, now=now, detail={"label": list(label)})
    left = connection.execute(
        sa.text("""
            select count(*) from incident_cohort where incident_id = :id and left_at is null"""),
        {"id": incident_id},
    ).scalar_one()
    if left:
        return False
    if is_gone:
        connection.execute(
            sa.text("""update incident set detail = detail || '{"gone": true}' where id = :id"""),
            {"id": incident_id},
        )
    resolve(connection, incident_id, now=now)
    return True


def resolve(
    connection: Connection, incident_id: int, *, now: dt.datetime, by: str | None = None
) -> None:
    """The incident is over; whoever was told of it is told so."""
    connection.execute(
        sa.text("""
            update incident set status = 'resolved', resolved_at = :now, changed_at = :now,
              notify_at = case when notified > 0 then cast(:now as timestamptz) end
            where id = :id and status = 'open'"""),
        {"id": incident_id, "now": now},
    )
    add_event(connection, incident_id, "resolved", now=now, by=by)


def end_of_rule(
    connection: Connection, project_id: int, rule_id: int, *, by: str,
    now: dt.datetime | None = None,
) -> None:  # fmt: skip
    """Nobody watches any more what these incidents are about: they end, and that is told."""
    moment = now or dt.datetime.now(dt.UTC)
    rows = connection.execute(
        sa.text("""
            update incident set detail = detail || '{"unwatched": true}'
            where project_id = :project_id and rule_id = :rule_id and status = 'open'
            returning id"""),
        {"project_id": project_id, "rule_id": rule_id},
    ).all()
    for row in rows:
        resolve(connection, row.id, now=moment, by=by)


def plan_message(connection: Connection, incident_id: int, notify_at: dt.datetime | None) -> None:
    """When the next message is due; an earlier one that is planned stays."""
    connection.execute(
        sa.text("""
            update incident set notify_at = least(notify_at, :notify_at) where id = :id"""),
        {"id": incident_id, "notify_at": notify_at},
    )


def postpone(connection: Connection, incident_id: int, notify_at: dt.datetime) -> None:
    """The message could not be put together: try again then."""
    connection.execute(
        sa.text("update incident set notify_at = :notify_at where id = :id"),
        {"id": incident_id, "notify_at": notify_at},
    )


def told(
    connection: Connection,
    incident_id: int,
    *,
    again_at: dt.datetime | None,
    detail: Mapping[str, Any],
) -> None:
    """A message was handed out: count it, and say when the next is due."""
    connection.execute(
        sa.text("""
            update incident set notified = notified + 1, notify_at = :again_at,
              detail = cast(:detail as jsonb)
            where id = :id"""),
        {"id": incident_id, "again_at": again_at, "detail": orjson.dumps(detail).decode()},
    )


def next_due(connection: Connection, now: dt.datetime) -> Incident | None:
    """An incident of which a message is due; a snoozed one waits, unless it is over."""
    row = connection.execute(
        sa.text("""
            select id from incident
            where notify_at <= :now
              and (status = 'resolved' or snoozed_until is null or snoozed_until <= :now)
            order by notify_at, id limit 1
            for update skip locked"""),
        {"now": now},
    ).one_or_none()
    return None if row is None else _load(connection, [row.id])[0]


def open_of_rule(connection: Connection, rule_id: int, mode: str) -> list[Incident]:
    """The open incidents of a rule, oldest first."""
    rows = connection.execute(
        sa.text("""
            select i.id from incident i join alert_rule r on r.project_id = i.project_id
            where r.id = :rule_id and i.rule_id = r.id and i.status = 'open' and i.mode = :mode
            order by i.id"""),
        {"rule_id": rule_id, "mode": mode},
    )
    return _load(connection, [row.id for row in rows])


def get(connection: Connection, project_id: int, incident_id: int) -> Incident:
    """The incident of that id; NotFound when the project has none such."""
    found = [i for i in _load(connection, [incident_id]) if i.project_id == project_id]
    if not found:
        raise NotFound(f"There is no incident {incident_id}.")
    return found[0]


def page(
    connection: Connection,
    project_id: int,
    *,
    status: str | None = None,
    rule: str | None = None,
    after: tuple[dt.datetime, int] | None = None,
    most: int = _PAGE,
) -> list[Incident]:
    """The newest incidents, older than `after`, the opening and id of the page before."""
    rows = connection.execute(
        sa.text("""
            select id from incident
            where project_id = :project_id
              and (cast(:status as text) is null or status = :status)
              and (cast(:rule as text) is null or rule = :rule)
              and (cast(:at as timestamptz) is null or (opened_at, id) < (:at, :id))
            order by opened_at desc, id desc limit :most"""),
        {
            "project_id": project_id, "status": status, "rule": rule, "most": most,
            "at": None if after is None else after[0], "id": None if after is None else after[1],
        },
    )  # fmt: skip
    return _load(connection, [row.id for row in rows])


def events(connection: Connection, project_id: int, incident_id: int) -> list[Event]:
    """The timeline of an incident of the project, oldest first."""
    rows = connection.execute(
        sa.text("""
            select e.at, e.what, e.by, e.detail from incident_event e
            join incident i on i.id = e.incident_id
            where i.id = :id and i.project_id = :project_id order by e.id"""),
        {"id": incident_id, "project_id": project_id},
    )
    return [Event(*row) for row in rows]


def acknowledge(
    connection: Connection,
    project_id: int,
    incident_id: int,
    *,
    by: audit.Actor,
    now: dt.datetime | None = None,
) -> Incident:
    """Somebody looks into it: no more reminders until it is over."""
    _change(
        connection, project_id, incident_id, "acknowledged", by=by, now=now,
        values={"ack": True, "by": by.name, "until": None},
    )  # fmt: skip
    return get(connection, project_id, incident_id)


def snooze(
    connection: Connection,
    project_id: int,
    incident_id: int,
    until: dt.datetime,
    *,
    by: audit.Actor,
    now: dt.datetime | None = None,
) -> Incident:
    """No messages before `until`; then a reminder, if it is still open."""
    if until <= (now or dt.datetime.now(dt.UTC)):
        raise WrongUse(f"An incident cannot be snoozed until {until:%Y-%m-%d %H:%M}: it is past.")
    _change(
        connection, project_id, incident_id, "snoozed", by=by, now=now,
        values={"ack": False, "by": by.name, "until": until},
    )  # fmt: skip
    return get(connection, project_id, incident_id)


def _change(
    connection: Connection, project_id: int, incident_id: int, what: str, *, by: audit.Actor,
    now: dt.datetime | None, values: Mapping[str, object],
) -> None:  # fmt: skip
    moment = now or dt.datetime.now(dt.UTC)
    done = connection.execute(
        sa.text("""
            update incident set
              acknowledged_at = case when :ack then cast(:now as timestamptz)
                else acknowledged_at end,
              acknowledged_by = case when :ack then :by else acknowledged_by end,
              notify_at = case when :ack then null else cast(:until as timestamptz) end,
              snoozed_until = coalesce(cast(:until as timestamptz), snoozed_until),
              changed_at = :now
            where id = :id and project_id = :project_id and status = 'open'"""),
        {**values, "now": moment, "id": incident_id, "project_id": project_id},
    )
    if done.rowcount == 0:
        get(connection, project_id, incident_id)
        raise WrongUse(f"Incident {incident_id} is over already.")
    add_event(connection, incident_id, what, now=moment, by=by.name)
    audit.note(connection, project_id, by, f"incident.{what}", str(incident_id))


def add_event(
    connection: Connection,
    incident_id: int,
    what: str,
    *,
    now: dt.datetime,
    by: str | None = None,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Add a line to the timeline."""
    connection.execute(
        sa.text("""
            insert into incident_event (incident_id, at, what, by, detail)
            values (:id, :now, :what, :by, cast(:detail as jsonb))"""),
        {
            "id": incident_id, "now": now, "what": what, "by": by,
            "detail": orjson.dumps(detail or {}).decode(),
        },
    )  # fmt: skip


def _load(connection: Connection, ids: Sequence[int]) -> list[Incident]:
    if not ids:
        return []
    members: dict[int, list[Member]] = {}
    for row in connection.execute(
        sa.text("""
            select incident_id, label, joined_at, left_at, since, k, n, usual from incident_cohort
            where incident_id = any(:ids) order by joined_at, label"""),
        {"ids": list(ids)},
    ):
        members.setdefault(row.incident_id, []).append(
            Member(tuple(row.label), row.joined_at, row.left_at, row.since, row.k, row.n, row.usual)
        )
    rows = connection.execute(
        sa.text("""
            select id, project_id, rule_id, rule, mode, status, opened_at, since, changed_at,
              resolved_at, acknowledged_at, acknowledged_by, snoozed_until, notify_at, notified,
              detail
            from incident where id = any(:ids)"""),
        {"ids": list(ids)},
    )
    found = {
        row.id: replace(Incident(*row), members=tuple(members.get(row.id, ()))) for row in rows
    }
    return [found[i] for i in ids if i in found]
