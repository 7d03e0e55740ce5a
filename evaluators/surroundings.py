"""What a judge may know besides the step itself: the run, what was seen before, baselines."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar, cast

from evaluators.ledger import Ledger
from evaluators.text import as_text
from waypost.records import Json, Kind, Message, Score, Step, Trajectory

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Baseline:
    """How a measure is distributed in a cohort: logarithm's median and spread, over n values."""

    n: int
    median: float
    spread: float


@dataclass(frozen=True)
class Surroundings:
    """A run around the item under judgement; views over it are made once and shared by judges.

    `baselines` are by measure and key (`tokens:llm:gpt-5`), `verdicts` the step scores reached
    so far, for judges that weigh them.
    """

    run: Trajectory | None = None
    baselines: Mapping[str, Baseline] = field(default_factory=dict)
    verdicts: tuple[Score, ...] = ()
    _made: dict[object, object] = field(default_factory=dict, repr=False, compare=False)

    def once(self, make: Callable[..., T], text: str, *more: str) -> T:
        """What `make` gives for a text, made once a run: prompts and requests come again."""
        if self.run is None:
            return make(text, *more)
        key = make, text, more
        if key not in self._made:
            self._made[key] = make(text, *more)
        return cast(T, self._made[key])

    def judged(self, verdicts: tuple[Score, ...]) -> "Surroundings":
        """The same surroundings with verdicts; views that were made already are kept."""
        other = replace(self, verdicts=verdicts)
        views = {k: v for k, v in vars(self).items() if k not in self.__dataclass_fields__}
        vars(other).update(views)
        return other

    @cached_property
    def ledger(self) -> Ledger:
        """Every text of the run with the step at which it was first known."""
        return Ledger.of(self.run)

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The place of each step in the run, by id."""
        return {step.id: place for place, step in enumerate(self.run.steps if self.run else ())}

    def place(self, step: Step) -> int:
        """How many steps came before this one."""
        return self.places.get(step.id, 0)

    def before(self, step: Step) -> tuple[Step, ...]:
        """The run's steps before this one, in order."""
        return self.run.steps[: self.place(step)] if self.run else ()

    @cached_property
    def _latest_models(self) -> tuple[Step | None, ...]:
        latest: list[Step | None] = []
        found: Step | None = None
        for step in self.run.steps if self.run else ():
            found = step if step.kind is Kind.LLM else found
            latest.append(found)
        return tuple(latest)

    def model_step(self, step: Step) -> Step | None:
        """The model call this step belongs to: itself, or the nearest before it."""
        if step.kind is Kind.LLM:
            return step
        place = self.places.get(step.id)
        return self._latest_models[place] if place is not None else None

    def heard(self, step: Step) -> tuple[str, ...]:
        """What users had said by a step; a tool's answer in a user's message is none of it."""
        model = self.model_step(step)
        if model is None and self.run is not None:
            model = next(iter(self.run.model_steps), None)
        return self._heard.get(model.id, ()) if model else ()

    @cached_property
    def _heard(self) -> Mapping[str, tuple[str, ...]]:
        run = self.run
        results = {as_text(s.result) for s in run.tool_steps if s.result} if run else set()
        said: dict[str, bool] = {}
        heard = {}
        for model in run.model_steps if run else ():
            texts = [m.text for m in model.input if m.role in ("user", "human")]
            for text in texts:
                if text not in said:
                    said[text] = not any(r in text and 2 * len(r) > len(text) for r in results)
            heard[model.id] = tuple(text for text in texts if said[text])
        return heard

    def tools(self, step: Step) -> tuple[Mapping[str, Json], ...]:
        """The tool definitions in force at a step; empty when none were recorded."""
        for model in (self.model_step(step), self._first_with_tools):
            if model is not None and model.tools:
                return tuple(t for t in model.tools if isinstance(t, dict))
        return ()

    @cached_property
    def _first_with_tools(self) -> Step | None:
        return next((s for s in self.run.steps if s.tools), None) if self.run else None

    def system_text(self, step: Step) -> str:
        """The system prompt in force at a step."""
        model = self.model_step(step)
        return system_text(model) if model else ""

    @cached_property
    def goal(self) -> str:
        """What the run was asked for: the first words of the user."""
        if self.run is None:
            return ""
        inputs = [self.run.input, *(s.input for s in self.run.model_steps[:1])]
        texts = (m.text for messages in inputs for m in messages if m.role in ("user", "human"))
        return next((t for t in texts if t.strip()), "")


ALONE = Surroundings()


def system_text(step: Step) -> str:
    """The system prompt of one model step, from its own field or its messages."""
    parts = [_instruction(part) for part in step.system or ()]
    parts += [m.text for m in step.input if m.role in ("system", "developer")]
    return "\n".join(p for p in parts if p)


def _instruction(part: Json) -> str:
    if isinstance(part, str):
        return part
    content = part.get("content") if isinstance(part, dict) else None
    return content if isinstance(content, str) else ""


def last_request(step: Step) -> str:
    """The last thing a user said to the model before this step answered."""
    said = (m.text for m in reversed(step.input) if m.role in ("user", "human"))
    return next((text for text in said if text.strip()), "")


def answer_text(step: Step) -> str:
    """What a model step said, without its tool calls and reasoning."""
    return "\n".join(m.text for m in step.output if m.text)


def messages_text(messages: tuple[Message, ...]) -> str:
    return "\n".join(m.text for m in messages if m.text)
