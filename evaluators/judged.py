"""Judging one run with every evaluator that is asked for: scores, and faults of evaluators."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from evaluators.plan import Binding, Plan
from evaluators.surroundings import Baseline, Surroundings
from waypost.records import Feedback, Outcome, Score, Status, Step, Trajectory

Attempt = Callable[[Binding, Callable[[], list[Score]]], list[Score]]
MARKS = {Outcome.FAILED: "✕", Outcome.PASSED: "✓"}
NOT_JUDGED = "·"
BROKEN = "!"
LAST = "first_bad_step"
NOTHING_KNOWN: Mapping[str, Sequence[Score]] = {}


@dataclass(slots=True)
class Judged:
    """What came of one run: scores by binding. `ranked` scores may not count in a fail rate.

    `earlier` are the scores of steps that were judged and stored before, and are as they were.
    """

    run: Trajectory
    scores: list[tuple[Score, Step | None]] = field(default_factory=list)
    ranked: list[tuple[Score, Step | None]] = field(default_factory=list)
    earlier: list[tuple[Score, Step | None]] = field(default_factory=list)
    cpu: Counter[str] = field(default_factory=Counter)

    @property
    def every(self) -> list[tuple[Score, Step | None]]:
        """All scores that count, new ones and earlier ones."""
        return [*self.earlier, *self.scores]

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Count the block's CPU, in nanoseconds, for an evaluator."""
        began = time.thread_time_ns()
        try:
            yield
        finally:
            self.cpu[name] += time.thread_time_ns() - began

    def add(self, binding: Binding, scores: Iterable[Score], step: Step | None) -> None:
        kept = self.ranked if binding.evaluator.ranks_only else self.scores
        kept += [(score, step) for score in scores]

    def only(self, names: frozenset[str]) -> "Judged":
        """The scores of these evaluators alone."""
        return Judged(
            self.run,
            [(s, step) for s, step in self.scores if s.evaluator.split(".")[0] in names],
            [(s, step) for s, step in self.ranked if s.evaluator.split(".")[0] in names],
        )


def judge_run(
    plan: Plan,
    project: str,
    run: Trajectory,
    *,
    baselines: Mapping[str, Baseline],
    whole: bool,
    attempt: Attempt,
    only: frozenset[str] | None = None,
    known: Mapping[str, Sequence[Score]] = NOTHING_KNOWN,
) -> Judged:
    """Judge the steps, and with `whole` the run; `attempt` decides what a crash becomes.

    Steps in `known` have the scores given there and are not judged again.
    """
    if only is not None and LAST in only:
        every = judge_run(
            plan, project, run, baselines=baselines, whole=whole, attempt=attempt, only=None
        )
        return every.only(only)
    judged = Judged(run)
    judged.earlier += [(score, s) for s in run.steps for score in known.get(s.id, ())]
    around = Surroundings(run, baselines)
    new = [s for s in run.steps if s.id not in known]
    for binding, steps in plan.of_steps(project, run, new):
        if only is None or binding.name in only:
            with judged.timed(binding.name):
                for step in steps:
                    found = attempt(binding, _judge(binding, step, around))
                    judged.add(binding, found, step)
    if whole:
        verdicts = tuple(score for score, step in judged.every if step is not None)
        after = around.judged(verdicts)
        for binding in _blamed_last(plan.of_run(project, run)):
            if only is None or binding.name in only:
                with judged.timed(binding.name):
                    judged.add(binding, attempt(binding, _judge(binding, run, after)), None)
    return judged


def _judge(
    binding: Binding, item: Step | Trajectory, around: Surroundings
) -> Callable[[], list[Score]]:
    return lambda: binding.evaluator.judge(
        item, around, parameters=binding.parameters, version=binding.version
    )


def _blamed_last(bindings: Iterable[Binding]) -> Sequence[Binding]:
    return sorted(bindings, key=lambda b: b.name == LAST)


def said_outside(run: Trajectory) -> list[tuple[Score, bool]]:
    """Verdicts that came with the run as scores; True where nobody said what is good."""
    return [(_score(f), f.passed is None) for f in run.feedback if f.target != "session"]


def _score(feedback: Feedback) -> Score:
    value = feedback.value
    if value is None and feedback.passed is not None:
        value = 1.0 if feedback.passed else 0.0
    outcome = Outcome.ABSTAINED
    if feedback.passed is not None:
        outcome = Outcome.PASSED if feedback.passed else Outcome.FAILED
    return Score(
        outcome,
        value,
        label=feedback.label,
        explanation=feedback.explanation,
        step=feedback.span_id if feedback.target == "step" else None,
        evaluator=feedback.name,
        version=feedback.version,
        source=feedback.source,
        by=feedback.by,
    )


def shape_of(judged: Judged) -> str:
    """One mark a step: failed, in error or blocked, passed, or not judged."""
    marks: dict[str, str] = {}
    for score, step in judged.every:
        where = _place(score, step)
        if where is not None and score.outcome in MARKS and marks.get(where) != "✕":
            marks[where] = MARKS[score.outcome]
    return "".join(_mark(s, marks.get(s.id, NOT_JUDGED)) for s in judged.run.steps)


def _mark(step: Step, judged_as: str) -> str:
    is_broken = step.status in (Status.ERROR, Status.BLOCKED) and judged_as != MARKS[Outcome.FAILED]
    return BROKEN if is_broken else judged_as


def _place(score: Score, step: Step | None) -> str | None:
    """The step a verdict is on, or the one that a failed verdict on the run points to."""
    if step is not None:
        return step.id
    if not score.is_failed or score.evaluator == LAST:
        return None
    return next((e.step for e in score.evidence if e.step), None)


def first_bad_number(judged: Judged) -> int | None:
    """The number of the step that went wrong first: the first a judge failed, else as blamed.

    What fails a whole run points to a step too; the blame of a whole run is a guess.
    """
    numbers = {s.id: s.number for s in judged.run.steps}
    failed = [
        numbers.get(_place(score, step) or "") for score, step in judged.every if score.is_failed
    ]
    first = min((n for n in failed if n is not None), default=None)
    if first is not None:
        return first
    for score, _ in judged.scores:
        if score.evaluator == LAST and score.is_failed and score.evidence:
            return numbers.get(score.evidence[0].step or "")
    return None


def worst_value(judged: Judged) -> float | None:
    values = (score.value for score, _ in judged.every if score.value is not None)
    return min(values, default=None)


def count_fails(judged: Judged) -> int:
    """How many verdicts failed, of steps and of the run."""
    return sum(score.is_failed for score, _ in judged.every)
