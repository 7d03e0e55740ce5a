"""How far evaluators can be trusted: against people's verdicts, against themselves, and the fail
rate that remains when their errors are taken into account."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from waypost.records import Outcome, Score

Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its interval at 95 % (Wilson), and what it was counted from."""

    value: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, hits: int, n: int) -> "Share | None":
        """Hits of n; None when there is nothing to divide by."""
        if n <= 0:
            return None
        rate = hits / n
        centre = (rate + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
        half = Z95 * math.sqrt(rate * (1 - rate) / n + Z95**2 / (4 * n * n)) / (1 + Z95**2 / n)
        return cls(rate, max(0.0, centre - half), min(1.0, centre + half), n)


@dataclass(frozen=True, slots=True)
class Agreement:
    """An evaluator set against people: counts, and what they come to."""

    both_failed: int
    only_evaluator: int
    only_people: int
    both_passed: int

    @property
    def n(self) -> int:
        return self.both_failed + self.only_evaluator + self.only_people + self.both_passed

    @property
    def precision(self) -> Share | None:
        """Of what the evaluator failed, the share people failed too."""
        return Share.of(self.both_failed, self.both_failed + self.only_evaluator)

    @property
    def recall(self) -> Share | None:
        """Of what people failed, the share the evaluator failed too."""
        return Share.of(self.both_failed, self.both_failed + self.only_people)

    @property
    def specificity(self) -> Share | None:
        """Of what people passed, the share the evaluator passed too."""
        return Share.of(self.both_passed, self.both_passed + self.only_evaluator)

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa: agreement beyond chance; None when chance leaves no room."""
        if not self.n:
            return None
        same = (self.both_failed + self.both_passed) / self.n
        ours = (self.both_failed + self.only_evaluator) / self.n
        theirs = (self.both_failed + self.only_people) / self.n
        chance = ours * theirs + (1 - ours) * (1 - theirs)
        return None if chance >= 1 else (same - chance) / (1 - chance)


def compare(pairs: Iterable[tuple[Score, Score]]) -> Agreement:
    """An evaluator's verdicts beside people's on the same targets; abstentions do not count."""
    counts = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    for ours, theirs in pairs:
        if Outcome.ABSTAINED not in (ours.outcome, theirs.outcome):
            counts[ours.is_failed, theirs.is_failed] += 1
    return Agreement(
        counts[True, True], counts[True, False], counts[False, True], counts[False, False]
    )


def pair_with_people(
    scores: Iterable[tuple[str, Score]],
) -> Mapping[str, list[tuple[Score, Score]]]:
    """Each evaluator's verdicts paired with people's on the same target (`trace`, score).

    A person's verdict meant for one evaluator carries its name; one of any other name is a word
    on the target as such and meets every evaluator there.
    """
    placed = [((trace, score.step or ""), score) for trace, score in scores]
    people: dict[tuple[str, str], list[Score]] = {}
    for place, score in placed:
        if score.source == "human":
            people.setdefault(place, []).append(score)
    machines = {score.evaluator for _, score in placed if score.source != "human"}
    pairs: dict[str, list[tuple[Score, Score]]] = {}
    for place, score in placed:
        if score.source != "human":
            theirs = _meant_for(score.evaluator, people.get(place, []), machines)
            if theirs is not None:
                pairs.setdefault(score.evaluator, []).append((score, theirs))
    return pairs


def _meant_for(name: str, said: Sequence[Score], machines: set[str]) -> Score | None:
    named = [s for s in said if s.evaluator == name]
    free = [s for s in said if s.evaluator not in machines]
    chosen = named or free
    return chosen[-1] if chosen else None


@dataclass(frozen=True, slots=True)
class Corrected:
    """A fail rate with the evaluator's own errors taken out, and its interval at 95 %."""

    value: float
    low: float
    high: float


def corrected_rate(failed: int, judged: int, agreement: Agreement) -> Corrected | None:
    """The true fail rate behind an observed one (Rogan and Gladen), its interval by the delta
    method; None when people's verdicts do not show the evaluator to be better than chance."""
    if judged <= 0 or agreement.recall is None or agreement.specificity is None:
        return None
    seen, recall = failed / judged, agreement.recall.value
    specificity = agreement.specificity.value
    power = recall + specificity - 1
    if power <= 0.05:
        return None
    value = (seen + specificity - 1) / power
    spread = (
        seen * (1 - seen) / judged
        + (1 - value) ** 2 * specificity * (1 - specificity) / agreement.specificity.n
        + value**2 * recall * (1 - recall) / agreement.recall.n
    )
    half = Z95 * math.sqrt(max(0.0, spread)) / power
    return Corrected(_share(value), _share(value - half), _share(value + half))


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))


def self_agreement(verdicts: Iterable[Sequence[Outcome]]) -> Share | None:
    """Of pairs of askings about the same target, the share with the same verdict."""
    same = pairs = 0
    for group in verdicts:
        for n, one in enumerate(group):
            for other in group[n + 1 :]:
                pairs += 1
                same += one is other
    return Share.of(same, pairs)
