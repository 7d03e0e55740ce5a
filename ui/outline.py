"""The list of a run's steps as the replay draws it: one short row a step."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from waypost.records import Json, Kind, Outcome, Status, Step, Trajectory
from waypost.store.scores import StoredScore

HUMAN = "human"
BLAME = "first_bad_step"
_LABEL = 120
_BAD = frozenset({Status.ERROR})


@dataclass(frozen=True, slots=True)
class Judged:
    """A run with what was said about it, arranged by step."""

    run: Trajectory
    by_step: Mapping[str, Sequence[StoredScore]]
    on_run: Sequence[StoredScore]

    @property
    def failing(self) -> list[int]:
        """The numbers of the steps an evaluator or a person failed."""
        return [s.number or 0 for s in self.run.steps if verdict_of(self.scores(s)) == "f"]

    @property
    def first_bad(self) -> int | None:
        """The first step that failed; without one, the first error of a run that ended in one."""
        failing = self.failing
        if failing:
            return failing[0]
        return self.first_error if self.run.status in _BAD else None

    @property
    def blamed(self) -> int | None:
        """The step that the judge of first bad steps thinks broke the run, if it failed it."""
        guess = next((one for one in self.on_run if one.score.evaluator == BLAME), None)
        if guess is None or not guess.score.is_failed:
            return None
        numbers = {s.span_id: s.number for s in self.run.steps}
        return next((n for e in guess.score.evidence if (n := numbers.get(e.step or ""))), None)

    @property
    def first_error(self) -> int | None:
        """The first step that ended in an error, whether the agent got over it or not."""
        return next((s.number for s in self.run.steps if s.status in _BAD), None)

    def scores(self, step: Step) -> Sequence[StoredScore]:
        return self.by_step.get(step.span_id, ())


def judged(run: Trajectory, scores: Iterable[StoredScore]) -> Judged:
    """The run and its scores put together; other runs' scores are left out.

    What failed a whole run stands at the step it points to, so that a page can lead there; a guess
    which step broke the run stands there only if nothing else failed.
    """
    by_step: dict[str, list[StoredScore]] = defaultdict(list)
    on_run = []
    known = {step.span_id for step in run.steps}
    for one in scores:
        if one.score.step in known:
            by_step[one.score.step or ""].append(one)
        else:
            on_run.append(one)
    failed = [one for one in on_run if one.score.is_failed and not one.noted]
    for one in failed:
        if one.score.evaluator != BLAME:
            _stand(by_step, one, run, known)
    if not any(verdict_of(said) == "f" for said in by_step.values()):
        for one in failed:
            _stand(by_step, one, run, known)
    return Judged(run, by_step, on_run)


def _stand(
    by_step: dict[str, list[StoredScore]], one: StoredScore, run: Trajectory, known: Set[str]
) -> None:
    pointed = [e.step for e in one.score.evidence if e.step in known]
    where = pointed[0] if pointed else run.steps[-1].span_id if run.steps else None
    if where is not None:
        by_step[where].append(one)


def verdict_of(scores: Iterable[StoredScore]) -> str:
    """`f` when anything failed, `p` when something passed, else nothing."""
    outcomes = {one.score.outcome for one in scores if not one.noted}
    if Outcome.FAILED in outcomes:
        return "f"
    return "p" if Outcome.PASSED in outcomes else ""


def label_of(step: Step) -> str:
    """What the step is called in one line."""
    if step.kind is Kind.TOOL:
        return step.tool or step.name
    if step.kind is Kind.LLM:
        return step.model or step.model_requested or step.name
    if step.kind is Kind.HANDOFF and step.handoff_to:
        return f"{step.handoff_from or step.agent or 'agent'} → {step.handoff_to}"
    if step.kind is Kind.GUARDRAIL and step.guard:
        return f"{step.guard.name}: {step.guard.action}"
    if step.kind is Kind.MEMORY and step.memory:
        return f"{step.memory.operation} {step.memory.store or ''}".strip()
    if step.kind is Kind.RETRIEVAL:
        return step.data_source or step.name
    return step.name


def depths(run: Trajectory) -> list[int]:
    """How deep each step lies in sub-agents; the outermost agent is 0."""
    parents = {s.span_id: s.parent_id for s in everything_of(run)}
    agents = {s.span_id for s in run.scopes if s.kind is Kind.AGENT}
    known: dict[str, int] = {}
    return [max(0, _agents_above(s.parent_id, parents, agents, known) - 1) for s in run.steps]


def _agents_above(
    span: str | None,
    parents: Mapping[str, str | None],
    agents: set[str],
    known: dict[str, int],
) -> int:
    chain: list[str] = []
    seen: set[str] = set()
    while span is not None and span not in known and span not in seen:
        seen.add(span)
        chain.append(span)
        span = parents.get(span)
    count = known.get(span, 0) if span is not None else 0
    for one in reversed(chain):
        count += one in agents
        known[one] = count
    return count


def outline(judged_run: Judged) -> list[Json]:
    """Rows of number, kind, label, status, verdict, start and duration in µs, depth, agent."""
    run = judged_run.run
    began = run.started_at
    rows: list[Json] = []
    for step, depth in zip(run.steps, depths(run), strict=True):
        rows.append(
            [
                step.number,
                str(step.kind),
                label_of(step)[:_LABEL],
                str(step.status),
                verdict_of(judged_run.scores(step)),
                max(0, (step.started_at - began) // 1000),
                step.duration // 1000,
                depth,
                (step.agent or "")[:_LABEL],
            ]
        )
    return rows


def span_rows(judged_run: Judged) -> list[Json]:
    """Rows like those of the outline for every span of the run; only steps have a number."""
    run = judged_run.run
    parents = {s.span_id: s.parent_id for s in everything_of(run)}
    known: dict[str, int] = {}
    everything = set(parents)
    spans = sorted(everything_of(run), key=lambda s: (s.started_at, s.number or 0))
    return [
        [
            span.number if span.kind.is_step else None,
            str(span.kind),
            (label_of(span) if span.kind.is_step else span.name)[:_LABEL],
            str(span.status),
            verdict_of(judged_run.scores(span)),
            max(0, (span.started_at - run.started_at) // 1000),
            span.duration // 1000,
            _agents_above(span.parent_id, parents, everything, known),
            (span.agent or "")[:_LABEL],
        ]
        for span in spans
    ]


def everything_of(run: Trajectory) -> tuple[Step, ...]:
    """Scopes, steps and other spans."""
    return (*run.scopes, *run.steps, *run.others)
