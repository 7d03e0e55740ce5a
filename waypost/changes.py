"""Since when it fails, and which new version stands at that moment."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waypost.late import scipy
from waypost.rates import Rate, design_effect

Floats = NDArray[np.float64]
Version = tuple[str, str, str]

_LEAST = 5
_PLAUSIBLE = 4.0
_EVIDENCE = 6.0
_BEFORE = dt.timedelta(minutes=5)
_CARRIED = 0.02


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """When the rate went up: most likely `at`, plausibly between `low` and `high`."""

    at: dt.datetime
    low: dt.datetime
    high: dt.datetime
    before: Rate
    after: Rate
    evidence: float


def in_words(kind: str, name: str, version: str) -> str:
    """A version in words; a prompt without a name of its own is called `prompt`, once."""
    return " ".join(part for part in dict.fromkeys((kind, name, version)) if part)


@dataclass(frozen=True, slots=True)
class Cause:
    """A version that came when the failures did. `evidence` orders causes, larger is likelier."""

    kind: str
    name: str
    version: str
    first_at: dt.datetime
    evidence: float
    with_it: Rate | None
    without_it: Rate | None

    @property
    def what(self) -> Version:
        return self.kind, self.name, self.version

    def __str__(self) -> str:
        return in_words(*self.what)


def change_point(
    times: Sequence[dt.datetime],
    failed: Sequence[bool],
    clusters: Sequence[object] | None = None,
) -> ChangePoint | None:
    """The most likely moment since which more fails; None when no moment is convincing.

    Times must be in order. The likelihood of two rates is set against that of one; the limit
    allows for having looked at every moment.
    """
    k = np.asarray(failed, float)
    if len(k) < 2 * _LEAST or k.sum() < _LEAST:
        return None
    gains = _gains(k) / _spread(k, clusters)
    best = int(np.argmax(gains))
    if gains[best] < _EVIDENCE:
        return None
    near = np.flatnonzero(gains >= gains[best] - _PLAUSIBLE)
    done, total = float(k[:best].sum()), float(k.sum())
    return ChangePoint(
        times[best], times[max(int(near[0]) - 1, 0)], times[int(near[-1])],
        Rate.of(done, best), Rate.of(total - done, len(k) - best), float(gains[best]),
    )  # fmt: skip


def _spread(k: Floats, clusters: Sequence[object] | None) -> float:
    if clusters is None:
        return 1.0
    _, codes = np.unique(np.array([str(c) for c in clusters]), return_inverse=True)
    sums = np.bincount(codes, weights=k)
    return design_effect(zip(sums.tolist(), np.bincount(codes).tolist(), strict=True))


def _gains(k: Floats) -> Floats:
    """For each place: how much likelier a higher rate from there on is than one rate."""
    n = np.arange(len(k), dtype=float)
    before = np.concatenate([[0.0], np.cumsum(k)[:-1]])
    total, count = float(k.sum()), float(len(k))
    after, rest = total - before, count - n
    two = _likelihood(before, n) + _likelihood(after, rest)
    one = _likelihood(np.array(total), np.array(count))
    rises = after * np.maximum(n, 1.0) > before * rest
    enough = (n >= _LEAST) & (rest >= _LEAST)
    found: Floats = np.where(rises & enough, two - one, 0.0)
    return found


def _likelihood(k: Floats, n: Floats) -> Floats:
    share = k / np.maximum(n, 1.0)
    found: Floats = scipy("special").xlogy(k, np.maximum(share, 1e-300)) + scipy("special").xlogy(
        n - k, np.maximum(1 - share, 1e-300)
    )
    return found


def causes(
    times: Sequence[dt.datetime],
    failed: Sequence[bool],
    carried: Mapping[Version, NDArray[np.bool_]],
    first_seen: Mapping[Version, dt.datetime],
    point: ChangePoint,
) -> list[Cause]:
    """The versions that first came about when the failures began, the likeliest first.

    Two things speak for a version: the rate rises at its first appearance, and the items that
    carry it fail more than those of the same time that do not.
    """
    k = np.asarray(failed, float)
    seconds = np.array([t.timestamp() for t in times])
    gains = _gains(k)
    reach = max((point.high - point.low).total_seconds(), 600.0)
    found = []
    for version, first in first_seen.items():
        if not _is_near(first, point, reach):
            continue
        place = min(int(np.searchsorted(seconds, first.timestamp())), len(k) - 1)
        with_it, without_it, told = _set_apart(k, carried.get(version), place)
        evidence = float(gains[place]) + told
        found.append(Cause(*version, first, evidence, with_it, without_it))
    return sorted(found, key=lambda c: -c.evidence)


def _is_near(first: dt.datetime, point: ChangePoint, reach: float) -> bool:
    slack = dt.timedelta(seconds=reach)
    return point.low - slack - _BEFORE <= first <= point.high + slack + _BEFORE


def _set_apart(
    k: Floats, has: NDArray[np.bool_] | None, place: int
) -> tuple[Rate | None, Rate | None, float]:
    """Since the version came: the rates with and without it, and what their difference tells."""
    if has is None:
        return None, None, 0.0
    inside, later = has[place:], k[place:]
    n, all_n = float(inside.sum()), float(len(later))
    if n < _CARRIED * all_n:
        return Rate.of(float(later[inside].sum()), n), None, -_EVIDENCE
    bad, all_bad = float(later[inside].sum()), float(later.sum())
    rest_n, rest_bad = all_n - n, all_bad - bad
    told = _likelihood(np.array(bad), np.array(n)) + _likelihood(
        np.array(rest_bad), np.array(rest_n)
    )
    told = told - _likelihood(np.array(all_bad), np.array(all_n))
    sign = 1.0 if bad * max(rest_n, 1.0) >= rest_bad * n else -1.0
    without = Rate.of(rest_bad, rest_n) if rest_n else None
    return Rate.of(bad, n), without, sign * float(told)
