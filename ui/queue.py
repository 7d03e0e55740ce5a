"""The order in which people look at verdicts: where judges disagree, and where most is at stake."""

from collections.abc import Iterable, Sequence

from waypost.records import Outcome
from waypost.store.reviews import Candidate

_RISKY = ("safety", "policy", "injection", "jailbreak", "scope", "leak", "pii", "side_effect")


def ordered(candidates: Iterable[Candidate], *, most: int = 200) -> list[Candidate]:
    """The most useful first; the same evaluator does not come more than three times in a row."""
    ranked = sorted(candidates, key=lambda c: (-priority(c), c.started_at, c.evaluator))
    return _mixed(ranked)[:most]


def priority(candidate: Candidate) -> float:
    """Between 0 and about 2: disagreement, doubt and risk."""
    return disagreement(candidate) + doubt(candidate) + risk(candidate)


def disagreement(candidate: Candidate) -> float:
    """How far the others at this step see it differently; a person's contradiction counts most."""
    if candidate.contradicted:
        return 1.0
    others = candidate.judged_there - 1
    if others <= 0:
        return 0.0
    failed = candidate.failed_there - (candidate.outcome is Outcome.FAILED)
    same = failed if candidate.outcome is Outcome.FAILED else others - failed
    return 0.5 * (1 - same / others)


def doubt(candidate: Candidate) -> float:
    """How near the judge's own score is to the middle."""
    if candidate.value is None:
        return 0.2
    return 0.6 * (1 - 2 * abs(candidate.value - 0.5))


def risk(candidate: Candidate) -> float:
    """A failure matters more than a pass, and some evaluators guard more than others."""
    name = candidate.evaluator.lower()
    guards = 0.25 if any(word in name for word in _RISKY) else 0.0
    return guards + (0.3 if candidate.outcome is Outcome.FAILED else 0.0)


def _mixed(ranked: Sequence[Candidate]) -> list[Candidate]:
    """The same order, but after three of one evaluator another comes first where there is one."""
    waiting, found = list(ranked), list[Candidate]()
    while waiting:
        last = [c.evaluator for c in found[-3:]]
        tired = len(last) == 3 and len(set(last)) == 1
        pick = next(
            (i for i, c in enumerate(waiting[:50]) if not tired or c.evaluator != last[0]), 0
        )
        found.append(waiting.pop(pick))
    return found
