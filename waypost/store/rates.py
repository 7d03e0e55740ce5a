"""Fail rates by evaluator and any subset of cohort keys, from the counters alone."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost import replays
from waypost.rates import Change, Rate, change
from waypost.store.rows import span_text
from waypost.store.sql import chosen, statement

HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
Where = Mapping[str, str | None]
_ROWS_A_RUN = 20
_BY_DAY = dt.timedelta(days=8)
# Evaluator, values of the keys, judged, failed, abstained, the sum of scores.
_Counted: TypeAlias = tuple[str, list[str], int, int, int, float]


@dataclass(frozen=True, slots=True)
class Window:
    """From `since` up to `until`. Counters are hourly: both ends are moved out to full hours.

    Beyond eight days they are moved out to full days, and the day counters alone are read.
    """

    since: dt.datetime
    until: dt.datetime

    @classmethod
    def last(cls, span: dt.timedelta, *, now: dt.datetime | None = None) -> "Window":
        """The `span` before now."""
        until = now or dt.datetime.now(dt.UTC)
        return cls(until - span, until)

    @property
    def before(self) -> "Window":
        """The window of equal length just before, on full hours, so that the two never overlap."""
        since, until = self.hours
        return Window(since - (until - since), since)

    @property
    def hours(self) -> tuple[dt.datetime, dt.datetime]:
        """Both ends on full hours; those of a window longer than eight days on full days."""
        size = DAY if self.until - self.since > _BY_DAY else HOUR
        return floor(self.since, size), ceil(self.until, size)


@dataclass(frozen=True, slots=True)
class Cell:
    """One evaluator in one cohort: `rate` of failures, and of `abstained` verdicts.

    `value` is the mean score of those judged. `values` holds the keys asked for; a cohort
    without one of them has an empty text there.
    """

    evaluator: str
    values: Mapping[str, str]
    rate: Rate
    abstained: Rate
    value: float | None


@dataclass(frozen=True, slots=True)
class Point:
    """One hour or day of a line."""

    at: dt.datetime
    rate: Rate
    abstained: int


@dataclass(frozen=True, slots=True)
class Compared:
    """One evaluator in one cohort in two windows."""

    evaluator: str
    values: Mapping[str, str]
    change: Change


@dataclass(frozen=True, slots=True)
class Failing:
    """A failed score: where it is, and why. `span_id` is None when the whole run was judged."""

    trace_id: str
    span_id: str | None
    at: dt.datetime
    evaluator: str
    version: str
    cohort_id: int
    value: float | None
    label: str | None
    explanation: str


def by_cohort(
    connection: Connection,
    project_id: int,
    window: Window,
    *,
    keys: Sequence[str] = (),
    evaluators: Sequence[str] | None = None,
    where: Where | None = None,
) -> list[Cell]:
    """The fail rate of each evaluator by each combination of `keys`, worst lower bound first.

    `where` restricts to cohorts with these values; None asks that a key is not set.
    """
    cells = [
        Cell(
            evaluator=name,
            values=dict(zip(keys, label, strict=True)),
            rate=Rate.of(k, n),
            abstained=Rate.of(abstained, n + abstained),
            value=None if n == 0 else float(total) / n,
        )
        for name, label, n, k, abstained, total in _counted(
            connection, window, asked(project_id, evaluators, where, keys), keys
        )
    ]
    return sorted(cells, key=lambda c: (-c.rate.low, -c.rate.n, c.evaluator))


def _counted(
    connection: Connection, window: Window, asked: Mapping[str, object], keys: Sequence[str]
) -> list[_Counted]:
    values = {**asked, **pieces(window), "keys": list(keys)}
    return list(map(tuple, connection.execute(statement("labelled", "rates_by_cohort"), values)))


def series(
    connection: Connection,
    project_id: int,
    window: Window,
    evaluator: str,
    *,
    where: Where | None = None,
    step: dt.timedelta = HOUR,
) -> list[Point]:
    """One evaluator's rate over time; hours or days in which nothing came are left out."""
    daily = step >= DAY
    size = DAY if daily else HOUR
    rows = connection.execute(
        _DAYS if daily else _HOURS,
        {
            **asked(project_id, [evaluator], where),
            "since": floor(window.since, size),
            "until": ceil(window.until, size),
        },
    )
    return [Point(row.bucket, Rate.of(int(row.k), int(row.n)), int(row.abstained)) for row in rows]


def compare(
    connection: Connection,
    project_id: int,
    before: Window,
    after: Window,
    *,
    keys: Sequence[str] = (),
    evaluators: Sequence[str] | None = None,
    where: Where | None = None,
    where_before: Where | None = None,
) -> list[Compared]:
    """Each cell of `after` set against the same cell of `before`, most surely worse first.

    `where_before` lets the two sides be different cohorts, such as prompt A and prompt B.
    """
    earlier = where if where_before is None else where_before
    old = _counted(connection, before, asked(project_id, evaluators, earlier, keys), keys)
    new = _counted(connection, after, asked(project_id, evaluators, where, keys), keys)
    known = {(name, *label): (k, n) for name, label, n, k, *_ in old}
    found = [
        Compared(
            name,
            dict(zip(keys, label, strict=True)),
            change(Rate.of(*known.get((name, *label), (0, 0))), Rate.of(k, n)),
        )
        for name, label, n, k, *_ in new
    ]
    return sorted(found, key=_surely_worse)


def _surely_worse(one: Compared) -> tuple[float, float, float, str]:
    after = one.change.after
    return -one.change.low, -after.low, -after.n, one.evaluator


def first_failing(
    connection: Connection,
    project_id: int,
    window: Window,
    evaluator: str,
    *,
    where: Where | None = None,
) -> dt.datetime | None:
    """When a cell failed for the first time in a window."""
    found: dt.datetime | None = connection.scalar(
        _FIRST,
        {
            **asked(project_id, [evaluator], where),
            "since": window.since, "until": window.until,
        },
    )  # fmt: skip
    return found


def newest_failing(
    connection: Connection,
    project_id: int,
    window: Window,
    *,
    evaluator: str | None = None,
    where: Where | None = None,
    most: int = 20,
) -> list[Failing]:
    """The newest failed scores of a cell: each run once, at the first step that failed there."""
    rows = connection.execute(
        _NEWEST,
        {
            **asked(project_id, None if evaluator is None else [evaluator], where),
            "since": window.since,
            "until": window.until,
            "most": most,
            "rows": most * _ROWS_A_RUN,
        },
    )
    return [
        Failing(
            row.trace_id.hex, span_text(row.span_id) if row.span_id else None, row.started_at,
            row.name, row.version, row.cohort_id, row.value, row.label, row.explanation or "",
        )
        for row in rows
    ]  # fmt: skip


def cohort_values(
    connection: Connection, project_id: int, key: str, *, most: int = 1000
) -> list[str]:
    """The known values of one cohort key, newest first."""
    rows = connection.execute(
        sa.text("""
            select attrs ->> :key as value from cohort
            where project_id = :project_id and attrs ? :key
            group by 1 order by max(id) desc limit :most"""),
        {"project_id": project_id, "key": key, "most": most},
    )
    return [str(row.value) for row in rows]


def cohort_ids(connection: Connection, project_id: int, where: Where) -> list[int]:
    """The cohorts that have these values."""
    rows = connection.execute(
        chosen("{cohorts} order by id"),
        {"project_id": project_id, **_where(where)},
    )
    return [int(row.id) for row in rows]


def floor(at: dt.datetime, size: dt.timedelta) -> dt.datetime:
    """The full hour or day at or before."""
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return epoch + (at - epoch) // size * size


def ceil(at: dt.datetime, size: dt.timedelta) -> dt.datetime:
    """The full hour or day at or after."""
    down = floor(at, size)
    return down if down == at.astimezone(dt.UTC) else down + size


def pieces(window: Window) -> dict[str, object]:
    """Full days are read from the day counters, what is left at both ends from the hours."""
    since, until = window.hours
    first, last = ceil(since, DAY), floor(until, DAY)
    if first >= last:
        first = last = until
    return {"since": since, "first": first, "last": last, "until": until}


def _where(where: Where | None, keys: Sequence[str] = ()) -> dict[str, object]:
    given = where or {}
    has = {k: v for k, v in given.items() if v is not None}
    left_out = [] if replays.are_asked_for((*given, *keys)) else [replays.REPLAY]
    return {
        "everyone": not given and not left_out,
        "left_out": left_out,
        "has": orjson.dumps(has).decode(),
        "lacks": [k for k, v in given.items() if v is None],
    }


def asked(
    project_id: int,
    evaluators: Sequence[str] | None,
    where: Where | None,
    keys: Sequence[str] = (),
) -> dict[str, object]:
    """The parameters that every question about cohorts has in common.

    Replays are left out unless `where` or `keys` name them (see `waypost.replays`).
    """
    names = None if evaluators is None else list(evaluators)
    return {
        "project_id": project_id,
        "evaluators": names,
        "every_evaluator": names is None,
        **_where(where, keys),
    }


_HOURS = chosen("""
    select bucket, sum(n) as n, sum(n_fail) as k, sum(n_abstain) as abstained
    from score_hour
    where project_id = :project_id and bucket >= :since and bucket < :until
      and evaluator_id in (
        select id from evaluator
        where project_id = :project_id and name = any(cast(:evaluators as text[])))
      and {chosen}
    group by bucket
    having sum(n) + sum(n_abstain) > 0
    order by bucket""")
_DAYS = sa.text(_HOURS.text.replace("score_hour", "score_day"))

_FIRST = chosen("""
    select min(started_at) from score
    where project_id = :project_id and outcome = 0 and counts
      and started_at >= :since and started_at < :until
      and evaluator_id in (
        select id from evaluator
        where project_id = :project_id and name = any(cast(:evaluators as text[])))
      and {chosen}""")

_NEWEST = chosen("""
    with failed as (
      select distinct on (s.trace_id)
        s.trace_id, s.span_id, s.started_at, s.evaluator_id, s.cohort_id, s.value, s.label,
        s.explanation
      from (
        select trace_id, span_id, started_at, evaluator_id, cohort_id, value, label, explanation
        from score
        where project_id = :project_id and outcome = 0 and counts
          and started_at >= :since and started_at < :until
          and (:every_evaluator or evaluator_id in (
            select id from evaluator
            where project_id = :project_id and name = any(cast(:evaluators as text[]))))
          and {chosen}
        order by started_at desc
        limit :rows
      ) as s
      order by s.trace_id, s.started_at
    )
    select f.*, e.name, e.version from failed f join evaluator e on e.id = f.evaluator_id
    order by f.started_at desc, f.trace_id
    limit :most""")
