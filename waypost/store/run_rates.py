"""How runs go by cohort: errors, retries, blocks, fallbacks, what people said, time and cost."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.rates import Rate, change
from waypost.store import rates
from waypost.store.feed import bucket_ends
from waypost.store.measures import HISTOGRAMS, Measure
from waypost.store.rates import DAY, HOUR, Compared, Failing, Where, Window
from waypost.store.sql import chosen, statement

SHARES = (
    Measure.ERRORS, Measure.RETRIES, Measure.BLOCKS, Measure.FALLBACKS, Measure.THUMBS_DOWN,
    Measure.ESCALATIONS, Measure.TICKETS, Measure.OVERRIDES,
)  # fmt: skip
AMOUNTS = tuple(HISTOGRAMS)
PREFIX = "run:"
# What stands beside evaluators: a cohort fails too where its runs break or people complain of them.
NAMED: Mapping[str, Measure] = {
    PREFIX + "errors": Measure.ERRORS, PREFIX + "thumbs_down": Measure.THUMBS_DOWN,
}  # fmt: skip
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


def cell_of(evaluator: str | None, rate: str | None) -> str | None:
    """The name under which the home page shows what a rule watches; None if it does not."""
    if evaluator is not None:
        return evaluator
    return name if (name := f"{PREFIX}{rate}") in NAMED else None


def by_cohort(
    connection: Connection,
    project_id: int,
    window: Window,
    *,
    keys: Sequence[str] = (),
    where: Where | None = None,
) -> list[RunCell]:
    """What the runs of each combination of `keys` add up to, largest first."""
    found = _counted(connection, window, rates.asked(project_id, None, where, keys), keys)
    cells = [_cell(dict(zip(keys, label, strict=True)), by) for label, by in found.items()]
    return sorted((c for c in cells if c.runs > 0), key=lambda c: -c.runs)


def _counted(
    connection: Connection,
    window: Window,
    asked: Mapping[str, object],
    keys: Sequence[str],
    measures: Sequence[Measure] | None = None,
) -> Mapping[tuple[str, ...], Mapping[int, tuple[int, float]]]:
    """By cohort and measure, how many runs have it, and what it adds up to."""
    found: dict[tuple[str, ...], dict[int, tuple[int, float]]] = defaultdict(dict)
    values = {
        **asked, **rates.pieces(window), "keys": list(keys),
        "measures": None if measures is None else list(map(int, measures)),
    }  # fmt: skip
    for row in connection.execute(statement("labelled", "run_rates_by_cohort"), values):
        found[tuple(row.label)][row.measure] = (int(row.n), float(row.total))
    return found


def compare(
    connection: Connection,
    project_id: int,
    before: Window,
    after: Window,
    *,
    keys: Sequence[str] = (),
    where: Where | None = None,
    where_before: Where | None = None,
) -> list[Compared]:
    """As `rates.compare`, of what is counted of runs in place of evaluators."""
    earlier = where if where_before is None else where_before
    measures = (Measure.RUNS, *NAMED.values())
    old, new = (
        _counted(
            connection, window, rates.asked(project_id, None, asked, keys), keys, measures
        )
        for window, asked in ((before, earlier), (after, where))
    )  # fmt: skip
    return [
        Compared(
            name,
            dict(zip(keys, label, strict=True)),
            change(_share(old.get(label, {}), measure), _share(by, measure)),
        )
        for label, by in new.items()
        if by.get(Measure.RUNS, (0, 0.0))[0] > 0
        for name, measure in NAMED.items()
    ]


def newest(
    connection: Connection,
    project_id: int,
    window: Window,
    name: str,
    *,
    where: Where | None = None,
    most: int = 20,
) -> list[Failing]:
    """The newest runs that have what is counted under this name."""
    rows = connection.execute(
        _NEWEST, {**_asked_of_runs(project_id, window, name, where), "most": most}
    )
    return [
        Failing(
            row.trace_id.hex, None, row.first_at, name, "", row.cohort_id, None, None,
            ", ".join(sorted(set((row.faults or {}).values()))),
        )
        for row in rows
    ]  # fmt: skip


def first(
    connection: Connection,
    project_id: int,
    window: Window,
    name: str,
    *,
    where: Where | None = None,
) -> dt.datetime | None:
    """When the first run of a window began that has what is counted under this name."""
    found: dt.datetime | None = connection.scalar(
        _FIRST, _asked_of_runs(project_id, window, name, where)
    )
    return found


def _asked_of_runs(
    project_id: int, window: Window, name: str, where: Where | None
) -> Mapping[str, object]:
    return {
        **rates.asked(project_id, None, where),
        "since": window.since, "until": window.until,
        "since_day": window.since.astimezone(dt.UTC).date(),
        "until_day": window.until.astimezone(dt.UTC).date(),
        "measure": str(int(NAMED[name])), "of_errors": NAMED[name] is Measure.ERRORS,
    }  # fmt: skip


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


def _share(by: Mapping[int, tuple[int, float]], measure: Measure) -> Rate:
    """Of all runs those that have it."""
    runs = by.get(Measure.RUNS, (0, 0.0))[0]
    return Rate.of(min(by.get(measure, (0, 0.0))[0], runs), runs)


def _cell(values: Mapping[str, str], by: Mapping[int, tuple[int, float]]) -> RunCell:
    runs, steps = by.get(Measure.RUNS, (0, 0.0))
    return RunCell(
        values,
        runs,
        round(steps),
        {m: _share(by, m) for m in SHARES},
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
_OF_RUNS = """
    from trajectory
    where project_id = :project_id and day >= :since_day and day <= :until_day
      and counted is not null and first_at >= :since and first_at < :until
      and (not :of_errors or errors > 0) and counted -> 'm' -> :measure is not null
      and {chosen}"""
_NEWEST = chosen(f"""
    select trace_id, first_at, cohort_id, measures -> 'faults' as faults {_OF_RUNS}
    order by first_at desc
    limit :most""")
_FIRST = chosen(f"select min(first_at) {_OF_RUNS}")
_DAYS = sa.text(_HOURS.text.replace("run_hour", "run_day"))
