"""A recorded run as what can be answered from it, and where in the run each call was."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from waypost.errors import WrongUse
from waypost.records import Trajectory

# From the root inwards: an agent that is a node of its parent's graph, or a tool with its call id.
Place: TypeAlias = tuple[tuple[str, str, str], ...]

_ASKED: Final = frozenset({"llm", "tool", "retrieval"})
_LOST: Final = frozenset({"not_executed", "interrupted", "running", "abandoned"})


@dataclass(slots=True, eq=False)
class Answer:
    """One recorded call; `inner` where models or tools were called below it."""

    step: Any
    number: int
    kind: str
    name: str
    place: Place
    call_id: str
    above: "Answer | None" = None
    inner: bool = False
    used: bool = False
    whole: bool = False
    digest: bytes | None = None

    def say(self, name: str) -> Any:
        """A field of the recorded step."""
        return said(self.step, name)

    @property
    def is_cut(self) -> bool:
        """Whether some of what was asked or answered was too long to be recorded whole."""
        notes = self.say("notes") or ()
        return self.say("input_complete") is False or any("truncated:" in note for note in notes)

    @property
    def inside(self) -> Place:
        """The place of what is called below this tool."""
        return (*self.place, ("tool", self.name, self.call_id))

    @property
    def error(self) -> tuple[str, str] | None:
        """Class and message of what was raised."""
        fault = self.say("error")
        if not fault and self.say("status") != "error":
            return None
        return str(said(fault, "type") or "Exception"), str(said(fault, "message") or "")


@dataclass(slots=True)
class Recording:
    """The calls of one run in the order of their numbers."""

    run_id: str
    agent: str
    models: list[Answer]
    tools: list[Answer]
    retrievals: list[Answer]
    decisions: list[Any]
    conversation: list[Any]
    output: list[Any]
    responses: dict[tuple[Place, str], str] = field(default_factory=dict)

    @property
    def all(self) -> list[Answer]:
        found = [*self.models, *self.tools, *self.retrievals]
        return sorted(found, key=lambda answer: answer.number)

    @property
    def question(self) -> str:
        """What the user said last before the agent began."""
        said_by_user = [m for m in self.conversation if said(m, "role") == "user"]
        return text_of(said_by_user[-1]) if said_by_user else ""


def said(record: Any, name: str) -> Any:
    """A field of a record, or of the JSON object it was exported as."""
    return record.get(name) if isinstance(record, Mapping) else getattr(record, name, None)


def loose(place: Place) -> Place:
    """The place by tools alone, for recordings that name agents otherwise."""
    return tuple(entry for entry in place if entry[0] == "tool")


def text_of(message: Any) -> str:
    """The text of a recorded message."""
    parts = (p.get("content") for p in said(message, "parts") or () if p.get("type") == "text")
    return "\n".join(p for p in parts if isinstance(p, str))


def read(recorded: Trajectory | Mapping[str, Any]) -> Recording:
    """What can be answered from a run, or from a case that holds one; WrongUse if nothing can."""
    run = recorded.get("run", recorded) if isinstance(recorded, Mapping) else recorded
    steps = said(run, "steps")
    if not isinstance(steps, Sequence) or isinstance(steps, str) or not said(run, "id"):
        raise WrongUse(
            "That is no recorded run. Give one line of `waypost export` or of "
            "`waypost dataset export NAME --runs`, read with json.loads."
        )
    answers = list(_answers(run, steps))
    models = [a for a in answers if a.kind == "llm"]
    if models and not any(a.say("output") or a.error for a in models):
        raise WrongUse(
            f"Run {said(run, 'id')} was recorded without its content, so nothing can be answered "
            "from it. Record with content='delta' or 'full'."
        )
    read_run = Recording(
        str(said(run, "id")),
        str(said(run, "agent") or ""),
        models=[a for a in models if a.say("output") or a.error],
        tools=[a for a in answers if a.kind == "tool"],
        retrievals=[a for a in answers if a.kind == "retrieval"],
        decisions=[_decision(s) for s in steps if said(s, "human")],
        conversation=_conversation(run, models),
        output=list(said(run, "output") or ()),
    )
    _gather_responses(read_run)
    return read_run


def _decision(step: Any) -> dict[str, Any]:
    """What a person decided; edited arguments stand on the step."""
    human = said(step, "human")
    found = {name: said(human, name) for name in ("decision", "comment")}
    return {**found, "arguments": said(step, "arguments")}


def _answers(run: Any, steps: Iterable[Any]) -> Iterator[Answer]:
    """The steps that were asked something, each knowing the one it ran in."""
    spans = {said(s, "span_id"): s for s in said(run, "scopes") or ()}
    spans.update((said(s, "span_id"), s) for s in steps)
    numbers = {said(s, "number"): s for s in steps}
    made: dict[int, Answer] = {}
    for step in steps:
        kind, number = said(step, "kind"), said(step, "number") or 0
        if kind not in _ASKED or said(step, "status") in _LOST or said(step, "executed") is False:
            continue
        above = _tool_above(step, numbers, made)
        answer = Answer(
            step, number, str(kind), _name(step, str(kind)), _place(step, spans, numbers),
            str(said(step, "call_id") or ""), above,
        )  # fmt: skip
        made[number] = answer
        if above is not None and kind != "retrieval":
            above.inner = True
        yield answer


def _name(step: Any, kind: str) -> str:
    found = {"llm": "model_requested", "tool": "tool", "retrieval": "data_source"}[kind]
    return str(said(step, found) or said(step, "name") or "")


def _tool_above(step: Any, numbers: Mapping[Any, Any], made: Mapping[int, Answer]) -> Answer | None:
    """The nearest call this step ran in."""
    above = said(step, "parent_step")
    while above in numbers and above not in made:
        above = said(numbers[above], "parent_step")
    return made.get(above)


def _place(step: Any, spans: Mapping[Any, Any], numbers: Mapping[Any, Any]) -> Place:
    """From the root to here; below a tool only tools count."""
    path = _path(step, spans, numbers)
    agent = said(path[0], "agent") if path else None
    place: list[tuple[str, str, str]] = []
    in_tool = False
    for one in path:
        if said(one, "kind") == "tool":
            in_tool = True
            place.append(("tool", _name(one, "tool"), str(said(one, "call_id") or "")))
        elif said(one, "kind") == "agent" and not in_tool:
            name = said(one, "agent")
            if name and name != agent:
                place.append(("agent", str(name), ""))
            agent = name or agent
    return tuple(place)


def _path(step: Any, spans: Mapping[Any, Any], numbers: Mapping[Any, Any]) -> list[Any]:
    """What is above a step, outermost first."""
    path: list[Any] = []
    here = step
    while len(path) < len(spans):
        above = spans.get(said(here, "parent_id"))
        if above is None or above is here:
            above = numbers.get(said(here, "parent_step"))
        if above is None:
            break
        path.append(above)
        here = above
    return path[::-1]


def _conversation(run: Any, models: Sequence[Answer]) -> list[Any]:
    """What the agent was given: the input of its first model, else what the root says."""
    first = next((a for a in models if not loose(a.place)), None)
    given = list(first.say("input") or ()) if first is not None else []
    return given or list(said(run, "input") or ())


def _gather_responses(recording: Recording) -> None:
    """Tools' answers as the models read them: exact texts, where a step holds parsed JSON.

    Inputs only grow, so looking from the end can stop at the first answer that is known.
    """
    known = recording.responses
    for model in recording.models:
        place = loose(model.place)
        for message in reversed(model.say("input") or ()):
            found = [p for p in said(message, "parts") or () if "response" in p]
            if any((place, str(p.get("id"))) in known for p in found):
                break
            for part in found:
                if isinstance(part["response"], str):
                    known[place, str(part.get("id"))] = part["response"]
