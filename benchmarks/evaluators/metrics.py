"""Figures of a judge against labels: AUROC, precision and recall, each with its interval."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and where it may lie, at 95 %; `n` is what it was computed from."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f}–{self.high:.2f}, n={self.n})"


def wilson(hits: int, n: int) -> Interval | None:
    """A rate with Wilson's interval; None when there is nothing to divide by."""
    if n == 0:
        return None
    rate = hits / n
    centre = (rate + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 * math.sqrt(rate * (1 - rate) / n + Z95**2 / (4 * n**2)) / (1 + Z95**2 / n)
    return Interval(rate, max(0.0, centre - half), min(1.0, centre + half), n)


def auroc(badness: Sequence[float], flags: Sequence[int]) -> float | None:
    """How often a flagged item ranks worse than an unflagged one; ties count half."""
    order = sorted(range(len(badness)), key=badness.__getitem__)
    positives = sum(flags)
    negatives = len(flags) - positives
    if not positives or not negatives:
        return None
    rank_sum = 0.0
    place = 0
    while place < len(order):
        end = place
        while end < len(order) and badness[order[end]] == badness[order[place]]:
            end += 1
        rank_sum += (place + 1 + end) / 2 * sum(flags[i] for i in order[place:end])
        place = end
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def auroc_interval(
    badness: Sequence[float], flags: Sequence[int], groups: Sequence[str], *, rounds: int = 200
) -> Interval | None:
    """AUROC with a bootstrap interval over groups, so that related items count as one."""
    value = auroc(badness, flags)
    if value is None:
        return None
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    chance = random.Random(7)
    names = list(members)
    drawn = []
    for _ in range(rounds):
        picked = [i for name in chance.choices(names, k=len(names)) for i in members[name]]
        again = auroc([badness[i] for i in picked], [flags[i] for i in picked])
        drawn += [] if again is None else [again]
    drawn.sort()
    if not drawn:
        return Interval(value, 0.0, 1.0, len(flags))
    low, high = drawn[int(0.025 * len(drawn))], drawn[min(len(drawn) - 1, int(0.975 * len(drawn)))]
    return Interval(value, low, high, len(flags))
