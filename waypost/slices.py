"""Why it fails: the few attribute values in which failures gather, found without a model.

A search over conjunctions of up to three values. Each is judged by an exact test of how many
failures it holds; counts are divided by the design effect, because items of one session fall
together; and the error over the whole search is controlled, so that data without a pattern
yields nothing.
"""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waypost.late import scipy
from waypost.rates import Rate, design_effect, percent

ALPHA = 0.05
_DEPTH, _BEAM, _TESTED = 3, 200, 60
_LEAST_ITEMS, _LEAST_FAILED = 15, 5
_MOST_VALUES = 200
_NEEDED = 0.01
_GAIN = 1.25
Floats = NDArray[np.float64]
Condition = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Slice:
    """One conjunction: `k` of its `n` items failed, out of `failures` of `items` in all."""

    conditions: tuple[Condition, ...]
    k: int
    n: int
    failures: int
    items: int
    q: float
    spread: float = 1.0

    @property
    def rate(self) -> Rate:
        return Rate.of(self.k, self.n, spread=self.spread)

    @property
    def rest(self) -> Rate:
        """The failure rate of everything else."""
        return Rate.of(self.failures - self.k, self.items - self.n, spread=self.spread)

    @property
    def brief(self) -> str:
        """How much of the failures, and of everything, it holds."""
        where = ", ".join(f"{key} = {value}" for key, value in self.conditions)
        return (
            f"{where}: {percent(self.k / self.failures)} of failures, "
            f"{percent(self.n / self.items)} of traffic"
        )

    def __str__(self) -> str:
        return f"{self.brief}; fails {self.rate}, the rest {percent(self.rest.share or 0.0)}"


def explain(
    columns: Mapping[str, Sequence[str | None]],
    failed: Sequence[bool],
    clusters: Sequence[Hashable] | None = None,
    *,
    depth: int = _DEPTH,
    most: int = 3,
    alpha: float = ALPHA,
) -> list[Slice]:
    """The slices in which failures are over-represented, the most telling first.

    Each further one is sought among the items that those before it leave over. `clusters`
    names the session of each item.
    """
    table = _Table.of(columns, failed, clusters)
    found: list[Slice] = []
    open_items = np.ones(len(table.failed), bool)
    while len(found) < most:
        best = _best(table, open_items, depth=depth, alpha=alpha / (len(found) + 1))
        if best is None:
            break
        found.append(best)
        open_items &= ~table.holds([table.places[c] for c in best.conditions])
    return found


@dataclass(frozen=True, slots=True)
class _Table:
    """Items by attribute values: one column for each value that occurs often enough."""

    failed: NDArray[np.bool_]
    cluster: NDArray[np.intp]
    has: Any
    names: list[Condition]
    attribute: NDArray[np.intp]
    places: dict[Condition, int]

    @classmethod
    def of(
        cls,
        columns: Mapping[str, Sequence[str | None]],
        failed: Sequence[bool],
        clusters: Sequence[Hashable] | None,
    ) -> "_Table":
        size = len(failed)
        rows: list[NDArray[np.intp]] = []
        names: list[Condition] = []
        attribute: list[int] = []
        for number, (key, values) in enumerate(columns.items()):
            for value, where in _by_value(values):
                names.append((key, value))
                attribute.append(number)
                rows.append(where)
        at = np.concatenate(rows) if rows else np.zeros(0, np.intp)
        column = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
        has = scipy("sparse").csr_matrix((np.ones(len(at)), (at, column)), shape=(size, len(rows)))
        return cls(
            np.asarray(failed, bool), _numbered(clusters, size), has, names,
            np.array(attribute, np.intp), {name: place for place, name in enumerate(names)},
        )  # fmt: skip

    def holds(self, places: Iterable[int]) -> NDArray[np.bool_]:
        """Which items have all of these values."""
        inside = np.ones(len(self.failed), bool)
        for place in places:
            inside &= self.has[:, [place]].toarray().ravel() > 0
        return inside


def _by_value(values: Sequence[str | None]) -> list[tuple[str, NDArray[np.intp]]]:
    """Each value with the items that have it; a value that all or few have tells nothing."""
    kinds, codes = np.unique(np.array([v or "" for v in values], object).astype(str),
                             return_inverse=True)  # fmt: skip
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes, minlength=len(kinds))
    parts = np.split(order, np.cumsum(counts)[:-1])
    common = np.argsort(-counts, kind="stable")[:_MOST_VALUES]
    return [
        (str(kinds[c]), parts[c])
        for c in common
        if kinds[c] and _LEAST_ITEMS <= counts[c] < len(values)
    ]


def _numbered(clusters: Sequence[Hashable] | None, size: int) -> NDArray[np.intp]:
    if clusters is None:
        return np.arange(size)
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(c, len(known)) for c in clusters], np.intp)


@dataclass(frozen=True, slots=True)
class _Counts:
    """What is left of the items, and how surely counts of them may be read."""

    k: float
    n: float
    spread: float

    def evidence(self, k: Floats, n: Floats) -> Floats:
        """The log-likelihood ratio of a rate of its own; nothing where it is not a higher one."""
        rest_k, rest_n = self.k - k, self.n - n
        own = _likelihood(k, n) + _likelihood(rest_k, rest_n)
        alone = _likelihood(np.array(self.k), np.array(self.n))
        higher = (k * np.maximum(rest_n, 1) > rest_k * n) & (rest_n > 0)
        enough = (n >= _LEAST_ITEMS) & (k >= _LEAST_FAILED)
        found: Floats = np.where(higher & enough, (own - alone) / self.spread, -np.inf)
        return found


def _likelihood(k: Floats, n: Floats) -> Floats:
    whole = np.maximum(n, 1)
    failed: Floats = scipy("special").xlogy(k, np.maximum(k, 1e-300) / whole)
    passed: Floats = scipy("special").xlogy(n - k, np.maximum(n - k, 1e-300) / whole)
    return failed + passed


@dataclass(frozen=True, slots=True)
class _Candidate:
    places: tuple[int, ...]
    score: float


def _best(table: _Table, items: NDArray[np.bool_], *, depth: int, alpha: float) -> Slice | None:
    failed = table.failed & items
    if failed.sum() < _LEAST_FAILED or not table.names:
        return None
    counts = _Counts(float(failed.sum()), float(items.sum()), _spread(table, items))
    has, bad = table.has[items], table.failed[items].astype(float)
    levels = _search(table, counts, has, bad, depth)
    ranked = sorted((c for level in levels for c in level), key=lambda c: -c.score)
    sizes = _sizes(table, depth)
    for candidate in ranked[:_TESTED]:
        places = _shortened(table, items, candidate.places)
        found = _tested(table, items, places, counts, sizes)
        if found.q <= alpha:
            return found
    return None


def _spread(table: _Table, items: NDArray[np.bool_]) -> float:
    cluster = table.cluster[items]
    n = np.bincount(cluster)
    k = np.bincount(cluster, weights=table.failed[items].astype(float))
    return design_effect(zip(k.tolist(), n.tolist(), strict=True))


def _sizes(table: _Table, depth: int) -> list[float]:
    """How many conjunctions of one, two and three values there are to be wrong about."""
    count = float(len(table.names))
    return [math.comb(int(count), level + 1) * float(depth) for level in range(depth)]


def _search(
    table: _Table, counts: _Counts, has: Any, bad: Floats, depth: int
) -> list[list[_Candidate]]:
    """The best conjunctions of each length: all single values and pairs, then a beam."""
    sizes = _sizes(table, depth)
    n, k = np.asarray(has.sum(axis=0)).ravel(), np.asarray(has.T @ bad).ravel()
    scores = counts.evidence(k, n) - math.log(sizes[0])
    levels = [_top(scores[:, None], [()], table)]
    beam: list[tuple[int, ...]] = [(place,) for place in range(len(table.names))]
    for level in range(1, min(depth, len(table.names))):
        if not beam:
            break
        inside = _indicators(has, beam)
        n = np.asarray((inside.T @ has).todense())
        k = np.asarray((inside.T @ scipy("sparse").diags(bad) @ has).todense())
        scores = counts.evidence(k, n) - math.log(sizes[level])
        found = _top(scores.T, beam, table)
        levels.append(found)
        beam = [c.places for c in found]
    return levels


def _indicators(has: Any, beam: Sequence[tuple[int, ...]]) -> Any:
    """For each conjunction the items in it."""
    found = has[:, [places[0] for places in beam]]
    for depth in range(1, len(beam[0])):
        found = found.multiply(has[:, [places[depth] for places in beam]])
    return found.tocsr()


def _top(scores: Floats, beam: Sequence[tuple[int, ...]], table: _Table) -> list[_Candidate]:
    """The best extensions of the beam by one value, each set of values once."""
    flat = scores.ravel()
    width = scores.shape[1]
    keep = min(len(flat), _BEAM * 6)
    best = np.argpartition(-flat, keep - 1)[:keep]
    found: dict[tuple[int, ...], _Candidate] = {}
    for at in best[np.argsort(-flat[best], kind="stable")]:
        if not math.isfinite(flat[at]):
            break
        added, base = divmod(int(at), width)
        places = tuple(sorted({*beam[base], added}))
        attributes = {int(table.attribute[p]) for p in places}
        if len(places) == len(beam[base]) + 1 == len(attributes):
            found.setdefault(places, _Candidate(places, float(flat[at])))
        if len(found) == _BEAM:
            break
    return list(found.values())


def _shortened(table: _Table, items: NDArray[np.bool_], places: tuple[int, ...]) -> tuple[int, ...]:
    """Without the values that add nothing: their absence would fail as often."""
    for place in sorted(places, reverse=True):
        others = tuple(p for p in places if p != place)
        if not others:
            return places
        wide = table.holds(others) & items
        narrow = table.holds([place]) & wide
        rest = wide & ~narrow
        inner, outer = _count(table, narrow), _count(table, rest)
        alike = outer[1] > 0 and inner[0] / inner[1] < _GAIN * outer[0] / outer[1]
        if outer[1] == 0 or alike or _chance(*inner, *outer, spread=1.0) > _NEEDED:
            return _shortened(table, items, others)
    return places


def _count(table: _Table, inside: NDArray[np.bool_]) -> tuple[float, float]:
    return float((table.failed & inside).sum()), float(inside.sum())


def _chance(k: float, n: float, rest_k: float, rest_n: float, *, spread: float) -> float:
    """The chance of so many failures inside if they fell anywhere alike (hypergeometric)."""
    k, n, rest_k, rest_n = (max(v / spread, 0.0) for v in (k, n, rest_k, rest_n))
    total, bad = math.floor(n + rest_n), math.ceil(k + rest_k)
    return float(
        scipy("stats").hypergeom.sf(math.floor(k) - 1, total, min(bad, total), math.ceil(n))
    )


def _tested(
    table: _Table,
    items: NDArray[np.bool_],
    places: tuple[int, ...],
    counts: _Counts,
    sizes: Sequence[float],
) -> Slice:
    inside = table.holds(places) & items
    k, n = _count(table, inside)
    spread = max(counts.spread, _spread(table, inside))
    p = _chance(k, n, counts.k - k, counts.n - n, spread=spread)
    q = min(1.0, p * sizes[len(places) - 1])
    conditions = tuple(table.names[p] for p in sorted(places, key=lambda p: table.attribute[p]))
    # Of all, not of what earlier slices left over: the shares of several are read side by side.
    failures = int(table.failed.sum())
    return Slice(conditions, int(k), int(n), failures, len(table.failed), q, spread)
