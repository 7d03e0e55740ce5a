"""The values of cohort keys seen a day: a thousand of each are kept, the rest is `other`."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

MOST = 1000
OTHER = "other"
_OVER = "cohort_value_over:"
_KEPT_DAYS = 7
Pair = tuple[str, str]


def admit(
    connection: Connection,
    project_id: int,
    wanted: Sequence[Mapping[str, str]],
    *,
    day: dt.date,
    most: int = MOST,
) -> list[dict[str, str]]:
    """These cohorts with the values that are beyond the day's thousand called `other`."""
    pairs = sorted({pair for values in wanted for pair in values.items()})
    if not pairs:
        return [dict(values) for values in wanted]
    known = _known(connection, project_id, day, pairs)
    fresh = [pair for pair in pairs if pair not in known and pair[1] != OTHER]
    if fresh:
        known |= _add(connection, project_id, day, fresh, most)
    over = Counter(
        key for values in wanted for key, value in values.items()
        if value != OTHER and (key, value) not in known
    )  # fmt: skip
    if over:
        _say(connection, project_id, day, over)
    return [
        {key: value if (key, value) in known else OTHER for key, value in values.items()}
        for values in wanted
    ]


def overflowing(connection: Connection, project_id: int, since: dt.datetime) -> dict[str, int]:
    """The keys with too many values since that day, and how many runs were counted as `other`."""
    rows = connection.execute(
        sa.text("""
            select substr(what, length(:over) + 1) as key, sum(n) as n from intake
            where project_id = :project_id
              and bucket >= date_trunc('day', cast(:since as timestamptz), 'UTC')
              and left(what, length(:over)) = :over
            group by 1 order by 1"""),
        {"project_id": project_id, "since": since, "over": _OVER},
    )
    return {row.key: int(row.n) for row in rows}


def _known(
    connection: Connection, project_id: int, day: dt.date, pairs: Sequence[Pair]
) -> set[Pair]:
    rows = connection.execute(
        sa.text("""
            select key, value from cohort_value
            where project_id = :project_id and day = :day and (key, value) in (
              select * from unnest(cast(:keys as text[]), cast(:values as text[])))"""),
        {
            "project_id": project_id, "day": day,
            "keys": [k for k, _ in pairs], "values": [v for _, v in pairs],
        },
    )  # fmt: skip
    return {(row.key, row.value) for row in rows}


def _add(
    connection: Connection, project_id: int, day: dt.date, pairs: Sequence[Pair], most: int
) -> set[Pair]:
    values = {
        "project_id": project_id, "day": day, "most": most, "old": day - dt.timedelta(_KEPT_DAYS),
        "keys": [k for k, _ in pairs], "values": [v for _, v in pairs],
    }  # fmt: skip
    connection.execute(_FORGET, values)
    connection.execute(_ADD, values)
    return _known(connection, project_id, day, pairs)


_FORGET = sa.text("delete from cohort_value where project_id = :project_id and day < :old")
_ADD = sa.text("""
    insert into cohort_value (project_id, day, key, value)
    select :project_id, :day, key, value
    from (
      select key, value, row_number() over (partition by key order by value) as place
      from unnest(cast(:keys as text[]), cast(:values as text[])) as t (key, value)) as fresh
    where place + (
      select count(*) from cohort_value c
      where c.project_id = :project_id and c.day = :day and c.key = fresh.key) <= :most
    order by key, value
    on conflict do nothing""")


def _say(connection: Connection, project_id: int, day: dt.date, over: Mapping[str, int]) -> None:
    connection.execute(
        sa.text("""
            insert into intake (project_id, bucket, what, n)
            select :project_id, cast(:day as date)::timestamptz, what, n
            from unnest(cast(:whats as text[]), cast(:ns as bigint[])) as t (what, n)
            order by what
            on conflict (project_id, bucket, what) do update set n = intake.n + excluded.n"""),
        {
            "project_id": project_id, "day": day,
            "whats": [_OVER + key for key in over], "ns": list(over.values()),
        },
    )  # fmt: skip
