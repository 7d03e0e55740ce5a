"""The audit log: who did what, when, from where; append-only and chained by hash."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

_LOCK = 0x57415952
_START = b"\0" * 32


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and from where: a person or a key, through a program or an address."""

    name: str
    origin: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log."""

    id: int
    at: dt.datetime
    actor: str
    origin: str
    action: str
    target: str
    before: Mapping[str, object] | None
    after: Mapping[str, object] | None


def note(
    connection: Connection,
    project_id: int | None,
    by: Actor,
    action: str,
    target: str,
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
    at: dt.datetime | None = None,
) -> None:
    """Add a line in the caller's transaction: the action and its entry stand or fall together."""
    connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    previous = connection.execute(sa.text("select hash from audit order by id desc limit 1"))
    chain = bytes(previous.scalar() or _START)
    moment = at or dt.datetime.now(dt.UTC)
    line = _line(moment, project_id, by.name, by.origin, action, target, before, after)
    connection.execute(
        sa.text("""
            insert into audit
              (at, project_id, actor, origin, action, target, before, after, previous, hash)
            values (:at, :project_id, :actor, :origin, :action, :target,
              cast(:before as jsonb), cast(:after as jsonb), :previous, :hash)"""),
        {
            "at": moment,
            "project_id": project_id,
            "actor": by.name,
            "origin": by.origin,
            "action": action,
            "target": target,
            "before": _json(before),
            "after": _json(after),
            "previous": chain,
            "hash": sha256(chain + line).digest(),
        },
    )


def first_break(connection: Connection) -> int | None:
    """The id of the first entry that was changed or follows a missing one, or None."""
    chain = _START
    rows = connection.execute(
        sa.text("""
            select id, at, project_id, actor, origin, action, target, before, after, previous, hash
            from audit order by id""")
    )
    for row in rows:
        line = _line(
            row.at, row.project_id, row.actor, row.origin, row.action, row.target, row.before,
            row.after,
        )  # fmt: skip
        if bytes(row.previous) != chain or sha256(chain + line).digest() != bytes(row.hash):
            return int(row.id)
        chain = bytes(row.hash)
    return None


def latest(connection: Connection, project_id: int, *, most: int = 100) -> list[Entry]:
    """The newest entries of a project."""
    rows = connection.execute(
        sa.text("""
            select id, at, actor, origin, action, target, before, after from audit
            where project_id = :project_id order by id desc limit :most"""),
        {"project_id": project_id, "most": most},
    )
    return [Entry(*row) for row in rows]


def _line(moment: dt.datetime, *fields: object) -> bytes:
    return orjson.dumps([int(moment.timestamp() * 1_000_000), *fields], option=orjson.OPT_SORT_KEYS)


def _json(value: Mapping[str, object] | None) -> str | None:
    return None if value is None else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
