"""Day partitions: made before they are needed, dropped past the keep-time."""

import datetime as dt
from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from waypost.store.tables import PARTITIONED

_LOCK = 0x57415951
AHEAD = 7
FUTURE = 2
# Every batch updates the rows of its runs: with room on the page no index is touched.
_STORAGE = {"trajectory": " with (fillfactor = 50)"}
_UNCOMPRESSED = {
    "message": ("body",),
    "step": ("detail", "add", "output"),
    "content": ("body",),
}


def ensure_days(engine: Engine, days: Iterable[dt.date]) -> None:
    """Create the partitions of these days in every growing table, if they are missing.

    A transaction for each table: adding a partition locks its parent, and whoever held two
    parents would stand in the way of a writer that holds the other.
    """
    with engine.connect() as connection:
        missing = sorted(set(days) - known_days(connection))
    for table in PARTITIONED if missing else ():
        with engine.begin() as connection:
            connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            for day in missing:
                _create(connection, table, day)


def ensure_ahead(engine: Engine, today: dt.date) -> None:
    """Partitions from yesterday to a week ahead."""
    ensure_days(engine, (today + dt.timedelta(days=n) for n in range(-1, AHEAD + 1)))


def known_days(connection: Connection) -> set[dt.date]:
    """The days every growing table has a partition for."""
    rows = connection.execute(
        sa.text("""
            select right(child.relname, 8), count(*)
            from pg_inherits join pg_class child on child.oid = inhrelid
            join pg_class parent on parent.oid = inhparent
            where parent.relname = any(:tables) and child.relname ~ '_p[0-9]{8}$'
              and child.relkind = 'r'
            group by 1"""),
        {"tables": list(PARTITIONED)},
    )
    return {
        dt.datetime.strptime(day, "%Y%m%d").replace(tzinfo=dt.UTC).date()
        for day, count in rows
        if count == len(PARTITIONED)
    }


def drop_before(engine: Engine, day: dt.date) -> list[dt.date]:
    """Drop every partition older than `day`, a table at a time; the days that went."""
    with engine.connect() as connection:
        old = sorted(known for known in known_days(connection) if known < day)
    for table in PARTITIONED if old else ():
        with engine.begin() as connection:
            connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            for gone in old:
                connection.execute(sa.schema.DropTable(_partition(table, gone), if_exists=True))
    return old


def _partition(table: str, day: dt.date) -> sa.Table:
    return sa.Table(f"{table}_p{day:%Y%m%d}", sa.MetaData())


def _create(connection: Connection, table: str, day: dt.date) -> None:
    # Names and dates come from our own list and a date's own format, never from outside.
    name = _partition(table, day).name
    following = day + dt.timedelta(days=1)
    connection.exec_driver_sql(
        f"create table if not exists {name} partition of {table} "
        f"for values from ('{day:%Y-%m-%d}') to ('{following:%Y-%m-%d}')"
        f"{_STORAGE.get(table, '')}"
    )
    for column in _UNCOMPRESSED.get(table, ()):
        connection.exec_driver_sql(f"alter table {name} alter column {column} set storage external")
