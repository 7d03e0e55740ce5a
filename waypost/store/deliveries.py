"""The outbox: messages that are rows before they are sent, each for one channel, sent once."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message for one channel. `key` names it for receivers that drop repeats."""

    id: int
    project_id: int
    incident_id: int
    kind: str
    number: int
    channel: str
    message: Mapping[str, Any]
    status: str
    attempts: int
    created_at: dt.datetime
    done_at: dt.datetime | None
    error: str | None

    @property
    def key(self) -> str:
        return f"waypost-{self.incident_id}-{self.number}-{self.kind}"


def put(
    connection: Connection,
    project_id: int,
    incident_id: int,
    *,
    kind: str,
    number: int,
    channel: str,
    message: Mapping[str, object],
    now: dt.datetime,
) -> bool:
    """Put a message into the outbox; False when it is there already."""
    done = connection.execute(
        sa.text("""
            insert into delivery (project_id, incident_id, kind, number, channel, message, run_at,
              created_at)
            values (:project_id, :incident_id, :kind, :number, :channel, cast(:message as jsonb),
              :now, :now)
            on conflict (incident_id, kind, number, channel) do nothing"""),
        {
            "project_id": project_id, "incident_id": incident_id, "kind": kind, "number": number,
            "channel": channel, "message": orjson.dumps(message).decode(), "now": now,
        },
    )  # fmt: skip
    return done.rowcount > 0


def claim(
    connection: Connection, *, now: dt.datetime, lease: dt.timedelta, each: int = 5, most: int = 50
) -> list[Delivery]:
    """Take due messages for a while, a few of each channel; whoever dies leaves them to the next.

    The messages of one channel about one incident leave in order.
    """
    rows = connection.execute(
        sa.text("""
            with ranked as (
              select id, row_number() over (partition by channel order by run_at, id) as place
              from delivery d
              where d.status = 'waiting' and d.run_at <= :now
                and not exists (
                  select from delivery e
                  where e.incident_id = d.incident_id and e.channel = d.channel
                    and e.status = 'waiting' and e.id < d.id)
            ),
            due as (
              select d.id from delivery d join ranked r on r.id = d.id
              where r.place <= :each and d.status = 'waiting' and d.run_at <= :now
              order by r.place, d.id
              limit :most
              for update of d skip locked)
            update delivery set run_at = :until, leased_until = :until, attempts = attempts + 1
            where id in (select id from due)
            returning id, project_id, incident_id, kind, number, channel, message, status, attempts,
              created_at, done_at, error"""),
        {"now": now, "until": now + lease, "each": each, "most": most},
    )
    return sorted((Delivery(*row) for row in rows), key=lambda d: d.id)


def give_back(connection: Connection, delivery: Delivery, *, run_at: dt.datetime) -> None:
    """It was not tried: its channel did not take the one before."""
    connection.execute(
        sa.text("""
            update delivery set run_at = :run_at, leased_until = null,
              attempts = greatest(attempts - 1, 0)
            where id = :id"""),
        {"id": delivery.id, "run_at": run_at},
    )


def sent(connection: Connection, delivery: Delivery, *, now: dt.datetime) -> None:
    """The receiver has it."""
    connection.execute(
        sa.text("""
            update delivery set status = 'sent', done_at = :now, leased_until = null, error = null
            where id = :id"""),
        {"id": delivery.id, "now": now},
    )


def later(connection: Connection, delivery: Delivery, error: str, *, run_at: dt.datetime) -> None:
    """It did not arrive; try again at `run_at`."""
    connection.execute(
        sa.text("""
            update delivery set run_at = :run_at, leased_until = null, error = :error
            where id = :id"""),
        {"id": delivery.id, "run_at": run_at, "error": error[:2000]},
    )


def failed(connection: Connection, delivery: Delivery, error: str, *, now: dt.datetime) -> None:
    """It never will arrive; the reason is shown beside the incident."""
    connection.execute(
        sa.text("""
            update delivery set status = 'failed', done_at = :now, leased_until = null,
              error = :error
            where id = :id"""),
        {"id": delivery.id, "now": now, "error": error[:2000]},
    )


def of_incident(connection: Connection, project_id: int, incident_id: int) -> list[Delivery]:
    """Every message about an incident of the project, oldest first."""
    rows = connection.execute(
        sa.text("""
            select id, project_id, incident_id, kind, number, channel, message, status, attempts,
              created_at, done_at, error
            from delivery where incident_id = :id and project_id = :project_id order by id"""),
        {"id": incident_id, "project_id": project_id},
    )
    return [Delivery(*row) for row in rows]
