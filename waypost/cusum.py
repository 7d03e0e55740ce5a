"""Bernoulli CUSUM: how surely a failing cohort has left its usual rate, item by item.

All numbers of a cohort are one row of floats, and many cohorts are stepped at once, so the
server, the preview and the simulations run the same lines. An item is a share 0..1 of failures
of one session; of all items with that mean, one that is 0 or 1 is the worst case, so limits
computed for those hold.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waypost.late import scipy

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

FIELDS = (
    "base_k", "base_n",  # what the cohort usually does, forgetting slowly
    "wait_k", "wait_n",  # items since either sum last was zero: not yet taken for usual
    "fast", "fast_k", "fast_n", "fast_at",  # sum for a large change, its items, since when
    "slow", "slow_k", "slow_n", "slow_at",  # the same for a small one
    "opened_at", "since", "usual", "rate", "down",  # out of line: since when, rates, recovery
    "seen_at", "silent_at",  # the latest item's arrival, and since when its absence is reported
)  # fmt: skip
STATE = np.dtype([(name, np.float64) for name in FIELDS])

_GRID = 10
_LOWEST, _HIGHEST = -55, 30
_STATES = 200
_REMEMBERED = 5000.0
_FAST_ODDS, _SLOW_ODDS = 4.75, 2.0
_BELOW_LEVEL, _ABOVE_LEVEL, _JUST_ABOVE = 19 / 9, 2.25, 1.8
_DETECTORS = 2
_OVER_BELOW = 0.6
_LEAST_WEEKLY = 10_000.0


@dataclass(frozen=True, slots=True)
class Watch:
    """What is asked of the detector: a level, or without one a rate worse than usual.

    `false_alarms` is how many a week the whole rule may raise over all its cohorts; `recovered`
    is the log of the odds at which an incident is over.
    """

    level: float | None = None
    minimum: float = 5.0
    false_alarms: float = 0.05
    recovered: float = 7.0


@dataclass(frozen=True, slots=True)
class Pool:
    """What the cohorts of a rule have in common: the prior, and how many items a week bring."""

    share: float = 0.05
    weight: float = 20.0
    weekly: float = _LEAST_WEEKLY


@dataclass(frozen=True, slots=True)
class Steps:
    """The rates told apart, what a failure and a pass add, and the limit."""

    p0: float
    p1: float
    up: float
    down: float
    limit: float


def new_cells(count: int) -> NDArray[Any]:
    """Cohorts of which nothing is known yet."""
    return np.zeros(count, STATE)


def odds(share: float, times: float) -> float:
    """The share whose odds are so many times those of `share`."""
    raised = share / (1 - share) * times
    return raised / (1 + raised)


def run_length(p: float, up: float, down: float, limit: float) -> float:
    """Items until the sum passes the limit, on average, at a failure rate of `p`.

    Brook and Evans: the sum as a Markov chain on a grid, each jump split between neighbours.
    """
    width = limit / _STATES
    here = np.arange(_STATES)
    rows, columns, values = [here], [here], [np.ones(_STATES)]
    for jump, chance in ((up, p), (down, 1 - p)):
        to = np.maximum(here * width + jump, 0) / width
        low = to.astype(int)
        for target, part in ((low, 1 - (to - low)), (low + 1, to - low)):
            inside = target < _STATES
            rows.append(here[inside])
            columns.append(target[inside])
            values.append(-chance * part[inside])
    chain = scipy("sparse").csc_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
        shape=(_STATES, _STATES),
    )
    return float(scipy("sparse.linalg").spsolve(chain, np.ones(_STATES))[0])


def steps(p0: float, p1: float, wanted: float) -> Steps:
    """The detector for p0 against p1 that is silent for `wanted` items on average at p0."""
    up, down = math.log(p1 / p0), math.log((1 - p1) / (1 - p0))
    low, high = 0.5, 40.0
    known: dict[float, float] = {}
    while high - low > 0.02:
        limit = (low + high) / 2 if not known else _guess(known, wanted, low, high)
        known[limit] = run_length(p0, up, down, limit)
        if 0 < known[limit] < wanted:
            low = limit
        else:
            high = limit
    return Steps(p0, p1, up, down, high)


def _guess(known: dict[float, float], wanted: float, low: float, high: float) -> float:
    """The run length grows about exponentially with the limit: aim there, stay inside."""
    near = min(known, key=lambda limit: abs(math.log(max(known[limit], 1.0) / wanted)))
    aimed = near + math.log(wanted / max(known[near], 1.0))
    aimed += 0.009 if known[near] < wanted else -0.009
    return aimed if low < aimed < high and len(known) < 12 else (low + high) / 2


@lru_cache(maxsize=4096)
def plan(level: float | None, place: int, power: int) -> tuple[Steps, Steps]:
    """The fast and the slow detector of a usual rate (a place on the logit grid)."""
    usual, wanted = _share(place), 2.0 ** (power / 2)
    if level is None:
        fast, slow = odds(usual, _FAST_ODDS), odds(usual, _SLOW_ODDS)
        return steps(usual, fast, wanted), steps(usual, slow, wanted)
    usual = min(max(usual, odds(level, 1 / _BELOW_LEVEL)), level)
    return (
        steps(usual, odds(level, _ABOVE_LEVEL), wanted),
        steps(level, odds(level, _JUST_ABOVE), wanted),
    )


def _share(place: int) -> float:
    return 1 / (1 + math.exp(-place / _GRID))


class Detector:
    """The cohorts of one rule, stepped together; `pool` changes only between items."""

    def __init__(self, watch: Watch, pool: Pool, cells: NDArray[Any]) -> None:
        self.watch = watch
        self.cells = cells
        self._tables: dict[int, Floats] = {}
        self.pool = pool
        self.set_pool(pool)

    def set_pool(self, pool: Pool) -> None:
        """Use another prior and limit from the next item on."""
        self.pool = pool
        wanted = max(pool.weekly, _LEAST_WEEKLY) * _DETECTORS / self.watch.false_alarms
        self._power = math.ceil(2 * math.log2(wanted))
        self._tables.setdefault(self._power, np.full((_HIGHEST - _LOWEST + 1, 7), np.nan))

    def usual(self, rows: NDArray[Any]) -> Floats:
        """What these cohorts usually do: their own rate pulled towards the project's."""
        pool = self.pool
        share: Floats = (rows["base_k"] + pool.share * pool.weight) / (rows["base_n"] + pool.weight)
        return np.clip(share, 1e-4, 0.95)

    def _plans(self, rows: NDArray[Any]) -> Floats:
        """Per row: up, down and limit of the fast and the slow detector, and the usual rate.

        The usual rate is taken one standard error high, as far as it is not yet known.
        """
        share = self.usual(rows)
        share = share + np.sqrt(share * (1 - share) / (rows["base_n"] + self.pool.weight))
        share = np.clip(share, 1e-4, 0.95)
        place = np.ceil(np.log(share / (1 - share)) * _GRID).astype(int)
        place = np.clip(place, _LOWEST, _HIGHEST) - _LOWEST
        table = self._tables[self._power]
        found: Floats = table[place]
        if np.isnan(found[:, 0]).any():
            for missing in np.unique(place[np.isnan(found[:, 0])]):
                fast, slow = plan(self.watch.level, int(missing) + _LOWEST, self._power)
                table[missing] = (
                    fast.up, fast.down, fast.limit, slow.up, slow.down, slow.limit, fast.p1,
                )  # fmt: skip
            found = table[place]
        return found

    def step(self, at: Places, k: Floats, n: Floats, when: Floats) -> tuple[Places, Places]:
        """One item each for the cohorts `at`: those that went out of line, those back in it.

        An item that changed later comes as the difference: n is 0 and k what was added, or -1
        and less k where it moved to another cohort.
        """
        rows = self.cells[at]
        is_open = rows["opened_at"] > 0
        if is_open.any():
            self.cells[at] = rows
            near, far = np.flatnonzero(~is_open), np.flatnonzero(is_open)
            watched, told = rows[near], rows[far]
            fired = self._watch(watched, k[near], n[near], when[near])
            back = _recover(told, k[far], n[far], self.watch.recovered)
            self.cells[at[near]], self.cells[at[far]] = watched, told
            return at[near][fired], at[far][back]
        fired = self._watch(rows, k, n, when)
        self.cells[at] = rows
        return at[fired], at[:0]

    def _watch(self, rows: NDArray[Any], k: Floats, n: Floats, when: Floats) -> Places:
        plans = self._plans(rows)
        rows["wait_k"] += k
        rows["wait_n"] += n
        for name, column in (("fast", 0), ("slow", 3)):
            add = k * plans[:, column] + (n - k) * plans[:, column + 1]
            begins, goes = _sum(rows, name, add)
            rows[f"{name}_at"] = np.where(begins, when, rows[f"{name}_at"])
            rows[f"{name}_k"] = (rows[f"{name}_k"] + k) * goes
            rows[f"{name}_n"] = (rows[f"{name}_n"] + n) * goes
        over = (rows["fast"] >= plans[:, 2]) | (rows["slow"] >= plans[:, 5])
        fired = np.flatnonzero(over & (rows["wait_n"] >= self.watch.minimum))
        quiet = np.flatnonzero((rows["fast"] == 0) & (rows["slow"] == 0))
        if quiet.size:
            rows[quiet] = _settled(rows[quiet])
        if fired.size:
            rows[fired] = self._opened(rows[fired], plans[fired], when[fired])
        return fired

    def _opened(self, rows: NDArray[Any], plans: Floats, when: Floats) -> NDArray[Any]:
        """Out of line: remember what was usual and how bad it is."""
        is_fast = rows["fast"] >= plans[:, 2]
        k: Floats = np.where(is_fast, rows["fast_k"], rows["slow_k"])
        n: Floats = np.where(is_fast, rows["fast_n"], rows["slow_n"])
        usual = self.usual(rows)
        rows["usual"] = usual
        # The rate that raised it is seen at its worst; to say that it is over, less must be gone.
        rate = _OVER_BELOW * k / np.maximum(n, 1.0)
        rows["rate"] = np.clip(rate, np.minimum(usual * 1.5, 0.97), 0.99)
        rows["opened_at"] = np.maximum(when, 1.0)
        rows["since"] = np.where(is_fast, rows["fast_at"], rows["slow_at"])
        rows["down"] = 0.0
        return rows


def _sum(rows: NDArray[Any], name: str, add: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """Move one sum; where an excursion begins, and where (1 or 0) it goes on."""
    before: Floats = rows[name]
    begins = before == 0
    after = np.maximum(before + add, 0.0)
    rows[name] = after
    return begins, (after > 0).astype(np.float64)


def _settled(rows: NDArray[Any]) -> NDArray[Any]:
    """Nothing is suspicious: what waited is part of what is usual."""
    # Types of their own: of a sum of columns, mypy would try each meaning in each operation.
    all_k: Floats = rows["base_k"] + rows["wait_k"]
    all_n: Floats = rows["base_n"] + rows["wait_n"]
    n = np.maximum(all_n, 0.0)
    k = np.clip(all_k, 0.0, n)
    forgotten = np.maximum(n / _REMEMBERED, 1.0)
    rows["base_k"], rows["base_n"] = k / forgotten, n / forgotten
    rows["wait_k"] = rows["wait_n"] = 0.0
    return rows


def _recover(rows: NDArray[Any], k: Floats, n: Floats, wanted: float) -> Places:
    """Sum the evidence that the usual rate is back; those for which it is enough are closed."""
    usual: Floats = rows["usual"]
    rate: Floats = rows["rate"]
    add = k * np.log(usual / rate) + (n - k) * np.log((1 - usual) / (1 - rate))
    rows["down"] = np.maximum(rows["down"] + add, 0.0)
    back = np.flatnonzero(rows["down"] >= wanted)
    if back.size:
        rows[back] = closed(rows[back])
    return back


def closed(rows: NDArray[Any]) -> NDArray[Any]:
    """No longer out of line: only what is usual, and when it was seen, is remembered."""
    for name in FIELDS:
        if name not in ("base_k", "base_n", "seen_at", "silent_at"):
            rows[name] = 0.0
    return rows
