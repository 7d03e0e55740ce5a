"""Rates and what may be said of them: intervals, comparisons, baselines. Server side only."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from statistics import NormalDist

from waypost.late import scipy

CONFIDENCE = 0.95
_EXACT_BELOW = 40
_EXPECTED_FOR_CHI2 = 5.0


@dataclass(frozen=True, slots=True)
class Rate:
    """`k` of `n`, with the interval that holds the true share at `confidence`."""

    k: float
    n: float
    low: float
    high: float
    confidence: float = CONFIDENCE

    @classmethod
    def of(
        cls, k: float, n: float, *, confidence: float = CONFIDENCE, spread: float = 1.0
    ) -> "Rate":
        """The rate with a Wilson interval, or an exact one where there is little to go by.

        `spread` is the design effect: how many times wider the variance is than that of
        independent items, because items of one session are not.
        """
        low, high = interval(k, n, confidence=confidence, spread=spread)
        return cls(k, n, low, high, confidence)

    @property
    def share(self) -> float | None:
        """The rate itself; None when there is nothing to divide by."""
        return self.k / self.n if self.n > 0 else None

    def __str__(self) -> str:
        if self.share is None:
            return "no data"
        return (
            f"{percent(self.share)} of {self.n:,.0f} "
            f"(interval {percent(self.low)[:-2]}–{percent(self.high)})"
        )


def percent(share: float) -> str:
    """A share for people: no false digits, none lost where there are few."""
    value = share * 100
    digits = 0 if value >= 9.95 or value == 0 else 1
    return f"{value:.{digits}f} %"


def plural(count: float, noun: str) -> str:
    """A count and its noun: 1 case, 2 cases."""
    return f"{count:,.0f} {noun}" + ("" if count == 1 else "s")


def of_many(count: float, said: str) -> str:
    """What is said of one, said of so many: 1 has not run, 2 have not run."""
    for one, many in _ONE_AND_MANY.items():
        if count != 1 and said.startswith(one):
            return many + said.removeprefix(one)
    return said


_ONE_AND_MANY = {"has ": "have ", "is ": "are ", "its run ": "their runs "}


def interval(
    k: float, n: float, *, confidence: float = CONFIDENCE, spread: float = 1.0
) -> tuple[float, float]:
    """Wilson's interval from 40 effective items on, Clopper and Pearson's below."""
    if n <= 0:
        return 0.0, 1.0
    weight = max(spread, 1.0)
    k, n = min(max(k, 0.0), n) / weight, n / weight
    if n < _EXACT_BELOW:
        return exact(k, n, confidence=confidence)
    return wilson(k, n, confidence=confidence)


def wilson(k: float, n: float, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's score interval."""
    z = _normal(confidence)
    share, squared = k / n, z * z
    centre = share + squared / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + squared / (4 * n * n))
    whole = 1 + squared / n
    low = 0.0 if k <= 0 else max(0.0, (centre - half) / whole)
    high = 1.0 if k >= n else min(1.0, (centre + half) / whole)
    return low, high


@cache
def _normal(confidence: float) -> float:
    return NormalDist().inv_cdf(0.5 + confidence / 2)


@lru_cache(maxsize=10_000)  # of the cells of one grid most are alike
def exact(k: float, n: float, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Clopper and Pearson's interval, which never promises too much."""
    special = scipy("special")
    tail = (1 - confidence) / 2
    low = 0.0 if k <= 0 else float(special.betaincinv(k, n - k + 1, tail))
    high = 1.0 if k >= n else float(special.betaincinv(k + 1, n - k, 1 - tail))
    return low, high


@dataclass(frozen=True, slots=True)
class Change:
    """One rate set against another: `after` less `before`, its interval, and how odd it is.

    `p` is the probability of a difference this large in either direction if nothing changed.
    """

    before: Rate
    after: Rate
    difference: float | None
    low: float
    high: float
    p: float

    @property
    def is_worse(self) -> bool:
        """The whole interval of the difference lies above zero."""
        return self.difference is not None and self.low > 0


def change(before: Rate, after: Rate) -> Change:
    """Compare two rates by Newcombe's interval and a chi-squared or exact test."""
    one, two = before.share, after.share
    if one is None or two is None:
        return Change(before, after, None, -1.0, 1.0, 1.0)
    difference = two - one
    down = math.hypot(two - after.low, before.high - one)
    up = math.hypot(after.high - two, one - before.low)
    low, high = max(-1.0, difference - down), min(1.0, difference + up)
    return Change(before, after, difference, low, high, _test(before, after))


def _test(before: Rate, after: Rate) -> float:
    n, k = before.n + after.n, before.k + after.k
    if k <= 0 or k >= n:
        return 1.0
    least = min(before.n, after.n) * min(k, n - k) / n
    if least < _EXPECTED_FOR_CHI2:
        return fisher(*(round(v) for r in (before, after) for v in (r.k, r.n - r.k)))
    pooled = k / n
    error = math.sqrt(pooled * (1 - pooled) * (1 / before.n + 1 / after.n))
    z = (after.k / after.n - before.k / before.n) / error
    return math.erfc(abs(z) / math.sqrt(2))


def fisher(a: int, b: int, c: int, d: int) -> float:
    """Fisher's exact test of the table (a, b), (c, d), both sides.

    Our own, because a page asks for hundreds and the library's takes a hundred times as long.
    """
    n, k, rest = a + b, a + c, d - a
    least, most = max(0, -rest), min(k, n)
    peak = min(max((n + 1) * (k + 1) // (n + c + d + 2), least), most)
    up, down = [1.0], [1.0]
    for at in range(peak, most):  # each from its neighbour, the likeliest first: none overflows
        up.append(up[-1] * (n - at) * (k - at) / ((at + 1) * (rest + at + 1)))
    for at in range(peak, least, -1):
        down.append(down[-1] * at * (rest + at) / ((n - at + 1) * (k - at + 1)))
    weights = [*down[:0:-1], *up]
    seen = weights[a - least] * (1 + 1e-7)
    return min(1.0, math.fsum(w for w in weights if w <= seen) / math.fsum(weights))


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed of a cohort's rate before its own items: a share worth `weight` items."""

    share: float
    weight: float

    def shrink(self, k: float, n: float) -> float:
        """The cohort's rate pulled towards the project's, less the more it has shown."""
        return (k + self.share * self.weight) / (n + self.weight)


def prior(cohorts: Iterable[tuple[float, float]], *, usual: float = 0.05) -> Prior:
    """A beta-binomial prior from (k, n) of every cohort, by the method of moments.

    Cohorts that differ no more than chance are believed to be alike (a heavy prior); without
    items at all the rate is `usual`, lightly held.
    """
    known = [(k, n) for k, n in cohorts if n > 0]
    total = sum(n for _, n in known)
    if total <= 0:
        return Prior(usual, _LIGHT)
    share = (sum(k for k, _ in known) + usual) / (total + 1)
    if len(known) < 2:
        return Prior(share, _LIGHT)
    return Prior(share, _weight(known, share, total))


_LIGHT, _HEAVY = 20.0, 500.0


def _weight(known: list[tuple[float, float]], share: float, total: float) -> float:
    noise = share * (1 - share)
    between = sum(n * (k / n - share) ** 2 for k, n in known)
    scale = total - sum(n * n for _, n in known) / total
    spread = (between - (len(known) - 1) * noise) / scale if scale > 0 else 0.0
    if spread <= 0 or noise <= 0:
        return _HEAVY
    return min(max(noise / spread - 1, _LIGHT), _HEAVY)


def design_effect(clusters: Iterable[tuple[float, float]]) -> float:
    """How much wider the variance is because items come in clusters of (k, n); 1 or more.

    The ratio estimator's variance by cluster over the binomial's.
    """
    known = [(k, n) for k, n in clusters if n > 0]
    total = sum(n for _, n in known)
    if len(known) < 2 or total <= len(known):
        return 1.0
    share = sum(k for k, _ in known) / total
    binomial = share * (1 - share) * total
    if binomial <= 0:
        return 1.0
    count = len(known)
    clustered = sum((k - share * n) ** 2 for k, n in known) * count / (count - 1)
    return max(1.0, clustered / binomial)


def false_discovery(p_values: Iterable[float]) -> list[float]:
    """Benjamini and Hochberg's adjusted values, in the order given."""
    values = list(p_values)
    if not values:
        return []
    return [float(v) for v in scipy("stats").false_discovery_control(values)]


MOST_ITEMS = 1_000_000


def first_enough(is_enough: Callable[[int], bool], least: int) -> int | None:
    """The smallest number from `least` on that is enough, as all after it are; None over a
    million."""
    below, above = least - 1, max(least, 1)
    while not is_enough(above):
        if above >= MOST_ITEMS:
            return None
        below, above = above, min(2 * above, MOST_ITEMS)
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (below, middle) if is_enough(middle) else (middle, above)
    return above
