"""How runs go by cohort: errors, retries, blocks, fallbacks, what people said, time and cost."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.rates import Rate
from waypost.store import rates
from waypost.store.feed import bucket_ends
from waypost.store.measures import HISTOGRAMS, Measure
from waypost.store.rates import DAY, HOUR, Where, Window
from waypost.store.sql import chosen, statement

SHARES = (
    Measure.ERRORS, Measure.RETRIES, Measure.BLOCKS, Measure.FALLBACKS, Measure.THUMBS_DOWN,
    Measure.ESCALATIONS, Measure.TICKETS, Measure.OVERRIDES,
)  # fmt: skip
AMOUNTS = tuple(HISTOGRAMS)
_WIDTH = 1000


@dataclass(frozen=True, slots=True)
class Amount:
    """Milliseconds, tokens or dollars a run: the mean, the middle, the 95th of a hundred, the sum.

    Quantiles come from a histogram and are right within a tenth.
    """

    n: int
    total: float
    mean: float | None
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class RunCell:
    """The runs of one cohort. `shares` are runs with at least one; `counts` is how many in all."""

    values: Mapping[str, str]
    runs: int
    steps: int
    shares: Mapping[Measure, Rate]
    counts: Mapping[Measure, int]
    amounts: Mapping[Measure, Amount]


@dataclass(frozen=True, slots=True)
class RunPoint:
    """One hour or day: of all runs, those with at least one."""

    at: dt.datetime
    rate: Rate
    mean: float | None


def by_cohort(
    connection: Connection,
    project_id: int,
    window: Window,
    *,
    keys: Sequence[str] = (),
    where: Where | None = None,
) -> list[RunCell]:
    """What the runs of each combination of `keys` add up to, largest first."""
    found: dict[tuple[str, ...], dict[int, tuple[int, float]]] = defaultdict(dict)
    rows = connection.execute(
        statement("labelled", "run_rates_by_cohort"),
        {
            **rates.asked(project_id, None, where, keys), **rates.pieces(window),
            "keys": list(keys),
        },
    )  # fmt: skip
    for row in rows:
        found[tuple(row.label)][row.measure] = (int(row.n), float(row.total))
    cells = [_cell(dict(zip(keys, label, strict=True)), by) for label, by in found.items()]
    return sorted((c for c in cells if c.runs > 0), key=lambda c: -c.runs)


def series(
    connection: Connection,
    project_id: int,
    window: Window,
    measure: Measure,
    *,
    where: Where | None = None,
    step: dt.timedelta = HOUR,
) -> list[RunPoint]:
    """One measure over time; hours or days without runs are left out."""
    daily = step >= DAY
    size = DAY if daily else HOUR
    rows = connection.execute(
        _DAYS if daily else _HOURS,
        {
            **rates.asked(project_id, None, where),
            "measure": int(measure),
            "since": rates.floor(window.since, size),
            "until": rates.ceil(window.until, size),
        },
    )
    return [
        RunPoint(row.bucket, Rate.of(int(row.n), int(row.runs)), float(row.total) / int(row.runs))
        for row in rows
        if row.runs > 0
    ]


def _cell(values: Mapping[str, str], by: Mapping[int, tuple[int, float]]) -> RunCell:
    runs, steps = by.get(Measure.RUNS, (0, 0.0))
    return RunCell(
        values,
        runs,
        round(steps),
        {m: Rate.of(min(by.get(m, (0, 0.0))[0], runs), runs) for m in SHARES},
        {m: round(by.get(m, (0, 0.0))[1]) for m in SHARES},
        {m: _amount(m, by) for m in AMOUNTS},
    )


def _amount(measure: Measure, by: Mapping[int, tuple[int, float]]) -> Amount:
    n, total = by.get(measure, (0, 0.0))
    base = HISTOGRAMS[measure]
    buckets = sorted((b, c) for b, (c, _) in by.items() if base <= b < base + _WIDTH and c > 0)
    return Amount(
        n, total, total / n if n > 0 else None,
        quantile(measure, buckets, 0.5), quantile(measure, buckets, 0.95),
    )  # fmt: skip


def quantile(measure: Measure, buckets: Sequence[tuple[int, int]], share: float) -> float | None:
    """The amount below which this share of the runs lies, from a sorted histogram."""
    left = share * sum(count for _, count in buckets)
    for bucket, count in buckets:
        if left <= count:
            low, high = bucket_ends(measure, bucket)
            return float(low + (high - low) * left / count)
        left -= count
    return None


_HOURS = chosen("""
    select bucket, coalesce(sum(n) filter (where measure = :measure), 0) as n,
      coalesce(sum(total) filter (where measure = :measure), 0) as total,
      coalesce(sum(n) filter (where measure = 1), 0) as runs
    from run_hour
    where project_id = :project_id and bucket >= :since and bucket < :until
      and measure in (1, :measure)
      and {chosen}
    group by bucket
    order by bucket""")
_DAYS = sa.text(_HOURS.text.replace("run_hour", "run_day"))
