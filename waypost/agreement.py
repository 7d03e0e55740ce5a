"""How far evaluators can be trusted: counted against people's verdicts, and the fail rate that
remains when their errors are taken into account."""

import math
from dataclasses import dataclass

from waypost.rates import Rate

Z95 = 1.959964
LEAST_POWER = 0.05


@dataclass(frozen=True, slots=True)
class Agreement:
    """How an evaluator and people went together: counts of (judge, person) verdicts."""

    evaluator: str
    both_failed: int = 0
    judge_failed: int = 0
    person_failed: int = 0
    both_passed: int = 0

    @property
    def n(self) -> int:
        return self.both_failed + self.judge_failed + self.person_failed + self.both_passed

    @property
    def share(self) -> float | None:
        """How often both said the same."""
        return (self.both_failed + self.both_passed) / self.n if self.n else None

    @property
    def precision(self) -> Rate | None:
        """Of what the evaluator failed, the share people failed too."""
        return _rate(self.both_failed, self.both_failed + self.judge_failed)

    @property
    def recall(self) -> Rate | None:
        """Of what people failed, the share the evaluator failed too."""
        return _rate(self.both_failed, self.both_failed + self.person_failed)

    @property
    def specificity(self) -> Rate | None:
        """Of what people passed, the share the evaluator passed too."""
        return _rate(self.both_passed, self.both_passed + self.judge_failed)

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa: agreement beyond chance; None when chance alone explains all."""
        if self.share is None:
            return None
        judge = (self.both_failed + self.judge_failed) / self.n
        person = (self.both_failed + self.person_failed) / self.n
        by_chance = judge * person + (1 - judge) * (1 - person)
        return None if by_chance >= 1 else (self.share - by_chance) / (1 - by_chance)

    def __add__(self, other: "Agreement") -> "Agreement":
        return Agreement(
            self.evaluator,
            self.both_failed + other.both_failed,
            self.judge_failed + other.judge_failed,
            self.person_failed + other.person_failed,
            self.both_passed + other.both_passed,
        )


def _rate(hits: int, n: int) -> Rate | None:
    return Rate.of(hits, n) if n else None


@dataclass(frozen=True, slots=True)
class Corrected:
    """A fail rate with the evaluator's own errors taken out, and its interval at 95 %."""

    value: float
    low: float
    high: float


def corrected_rate(failed: int, judged: int, agreed: Agreement) -> Corrected | None:
    """The true fail rate behind an observed one (Rogan and Gladen), its interval by the delta
    method; None when people's verdicts do not show the evaluator to be better than chance."""
    recall, specificity = agreed.recall, agreed.specificity
    if judged <= 0 or recall is None or specificity is None:
        return None
    seen, hits, quiet = failed / judged, recall.share or 0.0, specificity.share or 0.0
    power = hits + quiet - 1
    if power <= LEAST_POWER:
        return None
    value = (seen + quiet - 1) / power
    spread = (
        seen * (1 - seen) / judged
        + (1 - value) ** 2 * quiet * (1 - quiet) / specificity.n
        + value**2 * hits * (1 - hits) / recall.n
    )
    half = Z95 * math.sqrt(max(0.0, spread)) / power
    return Corrected(_share(value), _share(value - half), _share(value + half))


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))
