"""Which evaluators judge which steps of a project's run, with which parameters and version."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from evaluators.config import Assignment, Config
from evaluators.evaluator import Evaluator, Target
from waypost.rates import percent
from waypost.records import Kind, Step, Trajectory


@dataclass(frozen=True, slots=True)
class Binding:
    """An evaluator with the parameters that hold in one place, and its effective version."""

    evaluator: Evaluator
    parameters: Mapping[str, object]
    version: str

    @property
    def name(self) -> str:
        return self.evaluator.name


@dataclass(slots=True)
class Plan:
    """The configuration applied: built once at the door, asked for every run."""

    evaluators: Mapping[str, Evaluator]
    config: Config
    _bindings: dict[tuple[str, tuple[int, ...]], Binding] = field(default_factory=dict)

    def of_steps(
        self, project: str, run: Trajectory, among: Sequence[Step] | None = None
    ) -> Iterator[tuple[Binding, list[Step]]]:
        """The step evaluators, each with the steps it judges of the run, or of some of them."""
        every = run.steps if among is None else among
        for evaluator, assignment in self._asked(Target.STEP):
            if not _wants_run(assignment, project, run):
                continue
            steps = [s for s in every if s.kind in evaluator.kinds and wants_step(assignment, s)]
            if not steps:
                continue
            if not assignment.overrides:
                yield self._bind(evaluator, assignment, project, run, None), steps
                continue
            groups: dict[int, tuple[Binding, list[Step]]] = {}
            for step in steps:
                binding = self._bind(evaluator, assignment, project, run, step)
                groups.setdefault(id(binding), (binding, []))[1].append(step)
            yield from groups.values()

    def of_run(self, project: str, run: Trajectory) -> Iterator[Binding]:
        """The evaluators that judge the run as a whole."""
        for evaluator, assignment in self._asked(Target.TRAJECTORY):
            if _wants_run(assignment, project, run):
                yield self._bind(evaluator, assignment, project, run, None)

    def _asked(self, target: Target) -> Iterator[tuple[Evaluator, Assignment]]:
        for name, evaluator in self.evaluators.items():
            assignment = self.config.assignment(name)
            if assignment.enabled and evaluator.target is target:
                yield evaluator, assignment

    def _bind(
        self,
        evaluator: Evaluator,
        assignment: Assignment,
        project: str,
        run: Trajectory,
        step: Step | None,
    ) -> Binding:
        """The binding where the overrides that hold here are laid over the base, wider first."""
        holds = [
            n
            for n, o in enumerate(assignment.overrides)
            if _holds(assignment, n, project, run, step)
        ]
        holds.sort(key=lambda n: assignment.overrides[n].conditions)
        key = evaluator.name, tuple(holds)
        if key not in self._bindings:
            parameters = dict(assignment.parameters)
            for n in holds:
                parameters |= assignment.overrides[n].parameters
            version = evaluator.version(parameters)
            self._bindings[key] = Binding(evaluator, parameters, version)
        return self._bindings[key]


def _holds(
    assignment: Assignment, n: int, project: str, run: Trajectory, step: Step | None
) -> bool:
    override = assignment.overrides[n]
    cohort = step.cohort if step is not None and step.cohort else run.cohort
    return (
        override.project in (None, project)
        and override.agent in (None, step.agent if step else run.agent)
        and (override.route is None or (step is not None and step.route == override.route))
        and all(cohort.get(k) == v for k, v in override.cohort.items())
    )


def _wants_run(assignment: Assignment, project: str, run: Trajectory) -> bool:
    return why_not_run(assignment, project, run) is None


def why_not_run(assignment: Assignment, project: str, run: Trajectory) -> str | None:
    """Why an assignment leaves a run alone; None when it does not."""
    why = why_not_cohort(assignment, project, run.cohort)
    if why is None and not is_sampled(run.id, assignment.evaluator, assignment.sampling):
        return f"only {percent(assignment.sampling)} of runs are sampled"
    return why


def why_not_cohort(assignment: Assignment, project: str, cohort: Mapping[str, str]) -> str | None:
    """Why an assignment leaves the runs of a cohort alone; None when it does not."""
    if assignment.projects is not None and project not in assignment.projects:
        return f"it is only asked for in {', '.join(sorted(assignment.projects))}"
    for key, value in assignment.cohort.items():
        if cohort.get(key) != value:
            return f"cohort {key} is {value}"
    return None


def wants_step(assignment: Assignment, step: Step) -> bool:
    return why_not_step(assignment, step) is None


class Stepped(Protocol):
    """What an assignment looks at in a step, or in many that are alike."""

    @property
    def kind(self) -> Kind | None: ...
    @property
    def agent(self) -> str | None: ...
    @property
    def tool(self) -> str | None: ...


def why_not_step(assignment: Assignment, step: Stepped) -> str | None:
    """Why an assignment leaves a step alone; None when it does not."""
    if assignment.kinds is not None and step.kind not in assignment.kinds:
        return f"kind is {' or '.join(sorted(assignment.kinds))}"
    if assignment.agents is not None and step.agent not in assignment.agents:
        return f"agent is {' or '.join(sorted(assignment.agents))}"
    if assignment.tools is not None and step.tool not in assignment.tools:
        return f"tool is {' or '.join(sorted(assignment.tools))}"
    return None


def is_sampled(run_id: str, evaluator: str, rate: float) -> bool:
    """Whether a run belongs to the sample: the same answer on every machine, every time."""
    if rate >= 1:
        return True
    drawn = hashlib.blake2b(f"{evaluator}:{run_id}".encode(), digest_size=8).digest()
    return int.from_bytes(drawn) < rate * 2**64
