"""The same cases judged twice: how many turned, whether that is chance, and the difference."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from waypost.rates import CONFIDENCE, wilson


@dataclass(frozen=True, slots=True)
class Pairs:
    """Cases that failed both times, only now, only before, and never."""

    both: float
    now: float
    before: float
    neither: float

    @classmethod
    def of(cls, judged: Iterable[tuple[bool, bool]]) -> "Pairs":
        """From whether each case failed before and fails now."""
        counts = {(True, True): 0, (False, True): 0, (True, False): 0, (False, False): 0}
        for pair in judged:
            counts[pair] += 1
        return cls(*counts.values())

    @property
    def n(self) -> float:
        return self.both + self.now + self.before + self.neither

    @property
    def difference(self) -> float:
        """The fail rate now less that before."""
        return (self.now - self.before) / self.n if self.n else 0.0

    @property
    def p(self) -> float:
        """McNemar's exact test: how odd it is that so many of those that turned turned one way."""
        turned, fewer = round(self.now + self.before), round(min(self.now, self.before))
        if not turned:
            return 1.0
        tail = sum(math.comb(turned, i) for i in range(fewer + 1))
        return min(1.0, float(2 * tail / (1 << turned)))

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Newcombe's interval of the difference of two rates over the same cases."""
        if not self.n:
            return -1.0, 1.0
        now, was = (self.both + self.now) / self.n, (self.both + self.before) / self.n
        low, high = wilson(self.both + self.now, self.n, confidence=confidence)
        least, most = wilson(self.both + self.before, self.n, confidence=confidence)
        alike = self._alike()
        down = _distance(now - low, most - was, alike)
        up = _distance(high - now, was - least, alike)
        return max(-1.0, now - was - down), min(1.0, now - was + up)

    def _alike(self) -> float:
        """The correlation of the two verdicts, with Newcombe's correction towards none."""
        fails, passes = self.both + self.now, self.before + self.neither
        failed, passed = self.both + self.before, self.now + self.neither
        under = math.sqrt(fails * passes * failed * passed)
        over = self.both * self.neither - self.now * self.before
        if over > 0:
            over = max(0.0, over - self.n / 2)
        return over / under if under else 0.0

    def scaled(self, n: float) -> "Pairs":
        """The same shares over `n` cases."""
        by = n / self.n
        return Pairs(self.both * by, self.now * by, self.before * by, self.neither * by)


def _distance(one: float, other: float, alike: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * alike * one * other + other * other))
