"""What is past its keep-time goes: whole days for all, rows for projects that keep less."""

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from waypost.store import partitions, projects
from waypost.store.tables import PARTITIONED

_TIME = {"trajectory": "day", "message": "day", "content": "at", "feedback": "at"}
_COUNTERS_DAYS = 366


@dataclass(frozen=True, slots=True)
class Kept:
    """The days a project has data of, and the bytes of all projects on those days."""

    first: dt.date | None
    last: dt.date | None
    days: int
    bytes: int


def apply(engine: Engine, *, today: dt.date) -> list[dt.date]:
    """Drop the days no project keeps, delete what single projects keep no longer."""
    with engine.connect() as connection:
        keeping = {p.id: p.keep_days for p in projects.every(connection)}
    longest = max(keeping.values())
    dropped = partitions.drop_before(engine, today - dt.timedelta(days=longest))
    for project_id, days in sorted(keeping.items()):
        with engine.begin() as connection:
            if days < longest:
                _delete_before(connection, project_id, today - dt.timedelta(days=days))
            _thin_counters(connection, project_id, today - dt.timedelta(days=_COUNTERS_DAYS))
    return dropped


def _delete_before(connection: Connection, project_id: int, day: dt.date) -> None:
    before = dt.datetime.combine(day, dt.time(), dt.UTC)
    for name in PARTITIONED:
        table = sa.table(name, sa.column("project_id"), sa.column(_TIME.get(name, "started_at")))
        column = table.c[_TIME.get(name, "started_at")]
        bound = day if column.name == "day" else before
        connection.execute(
            sa.delete(table).where(table.c.project_id == project_id, column < sa.literal(bound))
        )


def _thin_counters(connection: Connection, project_id: int, day: dt.date) -> None:
    for name in ("score_hour", "score_day", "run_hour", "run_day", "judge_hour", "intake"):
        table = sa.table(name, sa.column("project_id"), sa.column("bucket"))
        before = dt.datetime.combine(day, dt.time(), dt.UTC)
        connection.execute(
            sa.delete(table).where(table.c.project_id == project_id, table.c.bucket < before)
        )


def kept(connection: Connection, project_id: int) -> Kept:
    """What of a project is stored now."""
    row = connection.execute(
        sa.text("""
            select min(day) as first, max(day) as last, count(distinct day) as days
            from trajectory where project_id = :project_id"""),
        {"project_id": project_id},
    ).one()
    size = connection.execute(
        sa.text("""
            select coalesce(sum(pg_total_relation_size(inhrelid)), 0)
            from pg_inherits join pg_class parent on parent.oid = inhparent
            where parent.relname = any(:tables)"""),
        {"tables": list(PARTITIONED)},
    ).scalar_one()
    return Kept(row.first, row.last, row.days, int(size))
