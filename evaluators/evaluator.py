"""The socket for judges: `@evaluator` marks a function as a versioned judge of steps or runs."""

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, is_dataclass
from enum import StrEnum
from typing import TypeAlias, get_type_hints

from evaluators.linear import load_model
from evaluators.surroundings import ALONE, Surroundings
from waypost.errors import WrongUse
from waypost.records import Evidence, Kind, Outcome, Score, Step, Trajectory

Result: TypeAlias = "Score | list[Score] | None"
DIGEST_LENGTH = 8


class Target(StrEnum):
    """What an evaluator judges."""

    STEP = "step"
    TRAJECTORY = "trajectory"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One keyword an evaluator accepts: its type as written, and what it is without a setting."""

    name: str
    type: object
    default: object


@dataclass(frozen=True, slots=True)
class Evaluator:
    """A judge. Calling it calls the function; `judge` gives stamped, clean scores.

    `fitted` names the fitted models the function reads; their digests enter the version, so a
    refit is a new version.
    `ranks_only` says that the verdict may order items but must not be read as a fail rate.
    """

    function: Callable[..., Result]
    name: str
    code_version: int
    target: Target
    wants: type | None
    kinds: frozenset[Kind]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    fitted: tuple[str, ...] = ()
    ranks_only: bool = False

    def __call__(self, *args: object, **parameters: object) -> Result:
        return self.function(*args, **parameters)

    @property
    def sentence(self) -> str:
        """What the judge claims, in the first line of its docstring."""
        return (inspect.getdoc(self.function) or "").split("\n", maxsplit=1)[0]

    def version(self, parameters: Mapping[str, object] | None = None) -> str:
        """The effective version: code, fitted file and every parameter, defaults included."""
        given = {name: p.default for name, p in self.parameters.items()} | dict(parameters or {})
        return f"{self.code_version}-{digest([[load_model(m).digest for m in self.fitted], given])}"

    def accepts(self, step: Step) -> bool:
        """Whether steps of this kind are judged at all."""
        return self.target is Target.STEP and step.kind in self.kinds

    def judge(
        self,
        item: Step | Trajectory,
        around: Surroundings = ALONE,
        *,
        parameters: Mapping[str, object] | None = None,
        version: str | None = None,
    ) -> list[Score]:
        """The item's scores, stamped with name, version and step; empty when not applicable.

        Whoever judges many items works the effective version out once and hands it in.
        """
        result = self._call(item, around, parameters or {})
        scores = result if isinstance(result, list) else [result] if result else []
        version = self.version(parameters) if version is None else version
        return [self._stamped(score, item, version) for score in scores]

    def _call(
        self, item: Step | Trajectory, around: Surroundings, parameters: Mapping[str, object]
    ) -> Result:
        if self.wants is None:
            return self.function(item, **parameters)
        second = around if self.wants is Surroundings else around.run or _run_of(item)
        return self.function(item, second, **parameters)

    def _stamped(self, score: Score, item: Step | Trajectory, version: str) -> Score:
        """The score with its place; built anew, as this is done for every score there is."""
        blame = None if isinstance(item, Step) else score.step
        return Score(
            outcome=score.outcome,
            value=None if score.value is None else min(1.0, max(0.0, score.value)),
            label=score.label,
            explanation=score.explanation,
            evidence=_with_blame(score, blame) if blame else score.evidence,
            step=item.id if isinstance(item, Step) else None,
            evaluator=f"{self.name}.{score.evaluator}" if score.evaluator else self.name,
            version=version,
            source=score.source,
            by=score.by,
            cost_usd=score.cost_usd,
        )


def _with_blame(score: Score, blame: str) -> tuple[Evidence, ...]:
    """A run has one score by evaluator, so the step it blames is kept as its first evidence."""
    if any(e.step == blame for e in score.evidence):
        return score.evidence
    return (Evidence(step=blame, note=score.explanation), *score.evidence)


def _run_of(item: Step | Trajectory) -> Trajectory:
    if isinstance(item, Trajectory):
        return item
    return Trajectory(item.trajectory_id or item.trace_id, (item.trace_id,), (item,))


def evaluator(
    *,
    version: int,
    name: str | None = None,
    kinds: tuple[Kind, ...] = (),
    fitted: tuple[str, ...] = (),
    ranks_only: bool = False,
) -> Callable[[Callable[..., Result]], Evaluator]:
    """Mark a function as an evaluator. WrongUse when its signature says not what it judges."""

    def mark(function: Callable[..., Result]) -> Evaluator:
        target, wants, parameters = _read_signature(function)
        return Evaluator(
            function=function,
            name=name or function.__name__,
            code_version=version,
            target=target,
            wants=wants,
            kinds=frozenset(kinds) or frozenset(k for k in Kind if k.is_step),
            parameters=parameters,
            fitted=fitted,
            ranks_only=ranks_only,
        )

    return mark


def _read_signature(
    function: Callable[..., Result],
) -> tuple[Target, type | None, Mapping[str, Parameter]]:
    hints = get_type_hints(function)
    signature = inspect.signature(function).parameters.values()
    places = [p for p in signature if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    target = {Step: Target.STEP, Trajectory: Target.TRAJECTORY}.get(
        hints.get(places[0].name, object) if places else object
    )
    wants = hints.get(places[1].name, object) if len(places) > 1 else None
    if target is None or wants not in (None, Trajectory, Surroundings) or len(places) > 2:
        raise WrongUse(
            f"Evaluator {function.__name__} must take a Step or a Trajectory, then optionally the"
            " run or its Surroundings; everything else is keyword-only with a default."
        )
    return target, wants, _read_parameters(function, hints)


def _read_parameters(
    function: Callable[..., Result], hints: Mapping[str, object]
) -> Mapping[str, Parameter]:
    found = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        if parameter.default is inspect.Parameter.empty:
            raise WrongUse(
                f"Parameter {parameter.name!r} of evaluator {function.__name__} needs a default."
            )
        found[parameter.name] = Parameter(
            parameter.name, hints.get(parameter.name, object), parameter.default
        )
    return found


def digest(value: object) -> str:
    """A short hash of plain values and records, the same in every process."""
    text = json.dumps(value, sort_keys=True, default=_plain)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()[:DIGEST_LENGTH]


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def is_verdict(score: Score) -> bool:
    """Whether a score counts in a fail rate."""
    return score.outcome is not Outcome.ABSTAINED
