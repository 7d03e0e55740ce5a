"""What steps came to when they were last judged: a run that grows is judged where it is new."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evaluators.judged import NOTHING_KNOWN, Judged
from evaluators.plan import Plan
from waypost.records import Score, Step, Trajectory

MOST_STEPS = 20_000
Stamp = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """The scores of a run's steps, by what the steps were, under one plan and cohort.

    `around` is what every step of the run is judged in the light of.
    """

    plan: Plan
    cohort_id: int
    around: Stamp
    steps: Mapping[str, tuple[Stamp, Sequence[Score]]]


@dataclass(slots=True)
class Memory:
    """The latest runs, bounded by their steps; what is forgotten is judged again, to no harm.

    Only what is committed may be kept: scores found here are not written again.
    """

    most: int = MOST_STEPS
    _kept: OrderedDict[str, Kept] = field(default_factory=OrderedDict)
    _size: int = 0

    def known(self, run: Trajectory, plan: Plan, cohort_id: int) -> Mapping[str, Sequence[Score]]:
        """The scores of the run's first steps as far as all are what they were, by step id.

        Judges look at what came before a step: behind one that changed all are judged again.
        """
        kept = self._kept.get(run.id)
        if kept is None or kept.plan is not plan or kept.cohort_id != cohort_id:
            return NOTHING_KNOWN
        found: dict[str, Sequence[Score]] = {}
        for step in run.steps if kept.around == stamp_around(run) else ():
            stamp, scores = kept.steps.get(step.id, ((), ()))
            if stamp != stamp_of(step):
                break
            found[step.id] = scores
        return found

    def keep(self, judged: Judged, plan: Plan, cohort_id: int) -> None:
        """Keep what a run came to, once it is committed."""
        scores: dict[str, list[Score]] = {step.id: [] for step in judged.run.steps}
        for score, step in judged.every:
            if step is not None:
                scores[step.id].append(score)
        steps = {s.id: (stamp_of(s), scores[s.id]) for s in judged.run.steps}
        self.forget(judged.run.id)
        self._kept[judged.run.id] = Kept(plan, cohort_id, stamp_around(judged.run), steps)
        self._size += len(steps)
        while self._size > self.most and self._kept:
            self.forget(next(iter(self._kept)))

    def forget(self, run_id: str) -> None:
        """Judge a run anew when it is seen again."""
        kept = self._kept.pop(run_id, None)
        self._size -= len(kept.steps) if kept else 0


def stamp_around(run: Trajectory) -> Stamp:
    """What the run was asked for, which often comes with its last span, and the tools it began
    with."""
    first = next((step.id for step in run.steps if step.tools), None)
    return first, hash(tuple(m.text for m in run.input))


def stamp_of(step: Step) -> Stamp:
    """What a step is as far as judges look: cheap to compare, different when it has changed."""
    return (
        step.number, step.kind, step.status, step.started_at, step.ended_at, step.name, step.tool,
        step.agent, step.model, step.call_id, step.attempt, step.input_complete, len(step.input),
        len(step.output), len(step.notes), step.tokens.output, step.error is None,
        hash(repr((step.arguments, step.result))), hash(tuple(d.content for d in step.documents)),
        hash(tuple(m.text for m in (*step.output, *step.input[-1:]))),
    )  # fmt: skip
