"""Runs that wait for a person, and the steps in which the person answers."""

from collections.abc import Iterator, Mapping
from typing import Final

from tracer.pauses import Pauses
from tracer.payload import represent
from tracer.recorder import Recorder
from tracer.run import Call, Node, Pause, Trajectory
from waypost import names

_DECISIONS: Final = ("approve", "edit", "reject", "respond")
_WORDS: Final = ("type", "decision", "action")
_COMMENTS: Final = ("message", "comment", "feedback", "reason")


class Humans:
    """Joins the run that waits and the run that goes on."""

    def __init__(self, recorder: Recorder, pauses: Pauses) -> None:
        self._recorder = recorder
        self._pauses = pauses

    def waits(self, node: Node, interrupts: object) -> None:
        """Something below this trajectory asked a person."""
        trajectory = node.scope.trajectory
        trajectory.interrupted = True
        call = node.state if isinstance(node.state, Call) else None
        found = [call.id] if call else list(_pending(node, interrupts))
        trajectory.pending.extend(c for c in found if c not in trajectory.pending)

    def paused(self, trajectory: Trajectory, checkpoint: str) -> None:
        trajectory.interrupted = True
        trajectory.checkpoint = checkpoint

    def save(self, root: Node) -> None:
        """At the end of a root that waits: what the one that goes on needs to know."""
        trajectory = root.scope.trajectory
        if trajectory.checkpoint is None or root.span is None:
            return
        first = trajectory.resumed
        context = root.span.get_span_context()
        pause = Pause(
            trajectory.id,
            first.trace if first else f"{context.trace_id:032x}",
            first.span if first else f"{context.span_id:016x}",
            trajectory.number,
            {s.agent or "": s.turn for s in trajectory.scopes},
            {s.agent or "": list(s.calls.values()) for s in reversed(trajectory.scopes)},
            list(trajectory.pending),
        )
        self._pauses.save(trajectory.checkpoint, pause)

    def resumed(self, root: Node, checkpoint: str) -> None:
        """A run goes on from a checkpoint; if somebody waited there, it is the same trajectory."""
        pause = self._pauses.find(checkpoint)
        if pause is not None and root.scope.trajectory.resumed is None:
            self._recorder.resume(root, pause)
        self.answer(root)

    def answer(self, root: Node) -> None:
        """The person's answer as steps, one for each decision."""
        trajectory = root.scope.trajectory
        value, trajectory.resume = trajectory.resume, None
        if value is None:
            return
        pending = list(trajectory.resumed.pending) if trajectory.resumed else []
        for at, decision in enumerate(_decisions(value)):
            call = pending[at] if at < len(pending) else None
            self._step(root, decision, call)

    def _step(self, root: Node, decision: object, call: str | None) -> None:
        word, comment, edited = _read(decision)
        attributes: dict[str, object] = {names.HUMAN_DECISION: word}
        if call:
            attributes[names.TOOL_CALL_ID] = call
        reviewer = root.scope.trajectory.who.reviewer
        if isinstance(decision, Mapping) and isinstance(decision.get("reviewer"), str):
            reviewer = decision["reviewer"]
        if reviewer:
            attributes[names.HUMAN_REVIEWER] = reviewer
        content = self._recorder.content
        pieces = {
            names.HUMAN_COMMENT: content.text(comment) if comment else None,
            names.TOOL_ARGUMENTS: content.json(edited) if edited is not None else None,
        }
        self._recorder.whole_step(
            root, "human", word, "human_review", attributes=attributes, pieces=pieces
        )


def is_pause(error: BaseException) -> bool:
    """Whether an error is LangGraph's way to wait; known by name, LangGraph is not imported."""
    return any(c.__name__ in ("GraphInterrupt", "NodeInterrupt") for c in type(error).__mro__)


def is_control(error: BaseException) -> bool:
    """Whether an error only moves control inside a graph, such as a command to its parent."""
    return any(c.__name__ == "GraphBubbleUp" for c in type(error).__mro__)


def _values(interrupts: object) -> Iterator[object]:
    for item in interrupts if isinstance(interrupts, list | tuple) else (interrupts,):
        yield getattr(item, "value", item)


def _pending(node: Node, interrupts: object) -> Iterator[str]:
    """Which open calls a review asks about."""
    taken: set[str] = set()
    calls = [c for c in node.scope.calls.values() if not c.runs]
    for value in _values(interrupts):
        if not isinstance(value, Mapping):
            continue
        requests = value.get("action_requests") or [value.get("action_request") or value]
        for request in requests if isinstance(requests, list) else ():
            found = _asked(request, calls, taken)
            if found is not None:
                taken.add(found.id)
                yield found.id


def _asked(request: object, calls: list[Call], taken: set[str]) -> Call | None:
    if not isinstance(request, Mapping):
        return None
    wanted = request.get("tool_call_id") or request.get("id")
    name, arguments = request.get("name"), request.get("args")
    free = [c for c in calls if c.id not in taken]
    by_id = [c for c in free if wanted is not None and c.id == wanted]
    equal = [c for c in free if c.name == name and c.arguments == arguments]
    return next(iter(by_id or equal), None)


def _decisions(value: object) -> list[object]:
    """The decisions in what a run was resumed with."""
    if not isinstance(value, Mapping):
        return [value]
    decisions = value.get("decisions")
    if isinstance(decisions, list):
        return decisions
    if value and all(isinstance(k, str) and len(k) == 32 and _is_hex(k) for k in value):
        return [d for answer in value.values() for d in _decisions(answer)]
    return [value]


def _is_hex(text: str) -> bool:
    return all(char in "0123456789abcdef" for char in text)


def _read(decision: object) -> tuple[str, str | None, object]:
    """Decision, comment and edited arguments, whatever shape the answer has."""
    if isinstance(decision, bool):
        return ("approve" if decision else "reject"), None, None
    if isinstance(decision, str):
        said = decision.lower().removesuffix("d").removesuffix("e")
        known = next((d for d in _DECISIONS if d.removesuffix("e") == said), None)
        return (known, None, None) if known else ("respond", decision, None)
    if not isinstance(decision, Mapping):
        return "respond", represent(decision), None
    word = next((w for k in _WORDS if (w := decision.get(k)) in _DECISIONS), None)
    comment = next((c for k in _COMMENTS if isinstance(c := decision.get(k), str)), None)
    edited = decision.get("edited_action") or decision.get("args")
    if isinstance(edited, Mapping) and isinstance(edited.get("args"), Mapping):
        edited = edited["args"]
    if word is None:
        return "respond", comment or represent(dict(decision)), None
    return word, comment, edited if word == "edit" else None
