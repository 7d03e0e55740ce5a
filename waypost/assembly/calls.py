"""What a model asked for and what tools did: each learns from the other."""

import re
from collections import deque
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import takewhile
from typing import Final, TypeAlias

from waypost.assembly.closing import Closing
from waypost.assembly.totals import first_user
from waypost.assembly.tree import Node, is_model
from waypost.records import Json, Kind, Message, Status, Step

TOOLS: Final = (Kind.TOOL, Kind.PLAN, Kind.HANDOFF)
_NEAR: Final = 64
_START: Final = 64
_LONGEST_ERROR: Final = 2_048
_RAISED: Final = re.compile(r"[A-Z][\w.]*(?:Error|Exception): ")
_ONLY_ERROR: Final = re.compile(r'\s*\{\s*"error"\s*:\s*"(?!")[^"\\]*(?:\\.[^"\\]*)*"\s*\}\s*')
_Part: TypeAlias = Mapping[str, Json]
_ERROR_STARTS: Final = ("error", "tool error", "traceback (most recent call last)", "exception:")


@dataclass(slots=True)
class Call:
    """One call in a model's output."""

    owner: Node
    part: Mapping[str, Json]
    answered: bool = False

    @property
    def id(self) -> str | None:
        found = self.part.get("id")
        return found if isinstance(found, str) else None

    @property
    def name(self) -> str:
        return str(self.part.get("name") or "")

    @property
    def arguments(self) -> Json:
        return self.part.get("arguments")


class Calls:
    """The calls seen so far: by id and by name, in an agent run and in the whole trajectory.

    `answered` are the runs and ids of those that a tool step names itself.
    """

    def __init__(self, answered: Container[tuple[int, str]]) -> None:
        self._answered = answered
        self._by_id: dict[tuple[int, str], list[Call]] = {}
        self._by_name: dict[tuple[int, str], deque[Call]] = {}

    def add(self, node: Node) -> None:
        for message in node.get("output"):
            for part in message.tool_calls:
                call = Call(node, part)
                for scope in (id(node.agent), 0):
                    if call.id:
                        self._by_id.setdefault((scope, call.id), []).append(call)
                    self._by_name.setdefault((scope, call.name), deque()).append(call)

    def find(self, node: Node) -> Call | None:
        """The call a tool step answers: by its id, else the oldest open one of its name."""
        call_id = node.get("call_id")
        for scope in (id(node.agent), 0):
            found = self._by_id.get((scope, call_id)) if call_id else None
            if found:
                return next((c for c in found if not c.answered), found[-1])
        if call_id:
            return None
        for scope in (id(node.agent), 0):
            found_open = self._oldest_open((scope, node.get("tool") or ""), node.get("arguments"))
            if found_open is not None:
                return found_open
        return None

    def _oldest_open(self, key: tuple[int, str], arguments: Json) -> Call | None:
        calls = self._by_name.get(key)
        while calls and calls[0].answered:
            calls.popleft()
        if not calls:
            return None
        near = [c for c, _ in zip(calls, range(_NEAR), strict=False) if not c.answered]
        # One that failed may lack its id while those beside it have theirs.
        near = [c for c in near if (id(c.owner.agent), c.id) not in self._answered] or near
        return next((c for c in near if _holds(c, arguments)), near[0] if near else None)


def _holds(call: Call, arguments: Json) -> bool:
    """Whether these are the call's arguments, or the bare value of one of them."""
    told = call.arguments
    if told == arguments:
        return True
    return isinstance(arguments, str) and isinstance(told, dict) and arguments in told.values()


def match(ordered: Sequence[Node]) -> None:
    """Fill arguments and call ids of tool steps from the messages of the models before them."""
    tools = (node for node in ordered if node.kind in TOOLS)
    calls = Calls({(id(n.agent), call_id) for n in tools if (call_id := n.get("call_id"))})
    for node in ordered:
        if is_model(node):
            calls.add(node)
        elif node.kind in TOOLS and node.get("tool"):
            call = calls.find(node)
            if call is not None:
                call.answered = True
                node.fill("call_id", call.id)
            if node.kind is not Kind.HANDOFF:
                _fill_arguments(node, call)


def _fill_arguments(node: Node, call: Call | None) -> None:
    own = node.get("arguments")
    told = call is not None and bool(call.arguments)
    # An empty object may also be a client's word for what it does not tell.
    if isinstance(own, dict) and not (_are_nameless(own) or (told and not own)):
        return
    if call is not None and isinstance(call.arguments, dict):
        node.changes["arguments"] = dict(call.arguments)
        node.changes["arguments_from"] = "model_message"
    elif own is not None and not isinstance(own, dict):
        node.changes["arguments"] = {"input": own}
        node.changes["notes"] = (*node.get("notes"), "arguments_wrapped=1")


def _are_nameless(arguments: Mapping[str, Json]) -> bool:
    """A Python call's positional arguments, whose names only the model's message tells."""
    return arguments.keys() == {"args"} and isinstance(arguments["args"], list)


def fill_results(ordered: Sequence[Node]) -> None:
    """Give a successful tool step without a result what the model was told it returned."""
    waiting = {
        call_id: node
        for node in ordered
        if node.kind in TOOLS and node.get("result") is None and node.get("status") is Status.OK
        if (call_id := node.get("call_id"))
    }
    if not waiting:
        return
    for node in ordered:
        if is_model(node):
            for call_id, part in fresh_responses(node.get("input")):
                tool = waiting.get(call_id)
                if tool is not None and tool.number < node.number:
                    tool.fill("result", part.get("response"))


def fresh_responses(messages: Sequence[Message]) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """The tool responses after the last thing the model itself said."""
    for message in reversed(messages):
        if message.role == "assistant":
            return
        for part in message.tool_responses:
            call_id = part.get("id")
            if isinstance(call_id, str):
                yield call_id, part


def answers_to(calls: Sequence[Call], messages: Sequence[Message]) -> list[_Part | None]:
    """The fresh response to each call: by its id, the rest in their order.

    Gemini knows no call ids, some clients drop them, and some give a call another id than its
    response has.
    """
    given = list(_fresh(messages))
    known = {call.id for call in calls if call.id}
    by_id = {part["id"]: part for _, part in given if part.get("id") in known}
    rest = [(name, part) for name, part in given if part.get("id") not in known]
    missing = sum(1 for call in calls if call.id not in by_id)
    # A response with an unknown id may belong to anybody, unless just as many calls wait for one.
    left = _by_name((n, p) for n, p in rest if not p.get("id") or len(rest) == missing)
    return [by_id.get(call.id) or _next_of(call.name, left) for call in calls]


def _by_name(responses: Iterable[tuple[Json, _Part]]) -> dict[str, deque[tuple[int, _Part]]]:
    found: dict[str, deque[tuple[int, _Part]]] = {}
    for at, (name, part) in enumerate(responses):
        found.setdefault(str(name or ""), deque()).append((at, part))
    return found


def _next_of(name: str, left: Mapping[str, deque[tuple[int, _Part]]]) -> _Part | None:
    """The first response left that does not name another tool, taken out of what is left."""
    fitting = [queue for who in {name, ""} if (queue := left.get(who))]
    return min(fitting, key=lambda queue: queue[0][0]).popleft()[1] if fitting else None


def _fresh(messages: Sequence[Message]) -> Iterator[tuple[Json, _Part]]:
    """What tools said after the last thing the model itself said, with their names, in order."""
    fresh = list(takewhile(lambda message: message.role != "assistant", reversed(messages)))
    for message in reversed(fresh):
        for part in message.tool_responses:
            yield part.get("name") or message.extra.get("name"), part


def derive(ordered: Sequence[Node], *, ended: bool) -> list[Node]:
    """The steps with tool steps read out of messages, where no span tells of any tool."""
    if any(node.kind in TOOLS for node in ordered):
        return list(ordered)
    found: list[Node] = []
    models = [node for node in ordered if is_model(node)]
    following = _following(models)
    for node in ordered:
        found.append(node)
        if is_model(node):
            found += _derived_of(node, following.get(id(node)), ended=ended)
    return found


def _following(models: Iterable[Node]) -> dict[int, Node]:
    """The next model step of the same agent run."""
    last: dict[int, Node] = {}
    found: dict[int, Node] = {}
    for node in models:
        before = last.get(id(node.agent))
        if before is not None:
            found[id(before)] = node
        last[id(node.agent)] = node
    return found


def _derived_of(owner: Node, following: Node | None, *, ended: bool) -> Iterator[Node]:
    parts = [part for message in owner.get("output") for part in message.tool_calls]
    calls = [Call(owner, part) for part in parts]
    answers = answers_to(calls, following.get("input") if following is not None else ())
    waits = any(answers) or following is None or not _goes_on(owner, following)
    closing = Closing(owner) if parts and following is None else None
    for index, (part, call, told) in enumerate(zip(parts, calls, answers, strict=True)):
        answer = closing.of(part) if told is None and closing is not None else told
        mark = call.id or f"{call.name}:{index}"
        response = None if answer is None else answer.get("response")
        status = _status(answer, ended=ended) if answer or waits else Status.OK
        yield _derived(call, mark, following, response=response, status=status)


def _goes_on(owner: Node, following: Node) -> bool:
    """Whether a call is followed by the next one of its conversation.

    Then somebody answered the tool calls in between, though the client does not show it; unless
    it was the user who spoke, instead of the tools.
    """
    before, after = owner.get("input"), following.get("input")
    asked = first_user(before)
    return (
        bool(asked)
        and asked == first_user(after)
        and _last_said(before) == _last_said(after)
        and owner.step.ended_at <= following.step.started_at
    )


def _last_said(messages: Sequence[Message]) -> str:
    return next((text for m in reversed(messages) if m.role == "user" and (text := m.text)), "")


def _status(answer: Mapping[str, Json] | None, *, ended: bool) -> Status:
    if answer is not None:
        failed = answer.get("status") == "error" or says_error(answer.get("response"))
        return Status.ERROR if failed else Status.OK
    return Status.INTERRUPTED if ended else Status.RUNNING


def _derived(
    call: Call, mark: str, following: Node | None, *, response: Json, status: Status
) -> Node:
    owner, arguments = call.owner, call.arguments
    step = owner.step
    started = max(step.ended_at, step.started_at)
    node = Node(
        Step(
            trace_id=step.trace_id,
            span_id=blake2b(bytes.fromhex(step.span_id) + mark.encode(), digest_size=8).hexdigest(),
            parent_id=step.parent_id,
            kind=Kind.TOOL,
            name=call.name,
            started_at=started,
            ended_at=max(started, following.step.started_at) if following else started,
            status=status,
            convention=step.convention,
            tool=call.name,
            call_id=call.id,
            arguments=arguments if isinstance(arguments, dict) or arguments is None
            else {"input": arguments},
            arguments_from="model_message",
            result=response,
            derived=True,
            cohort=owner.get("cohort"),
            session=owner.get("session"),
            user=owner.get("user"),
            service=owner.get("service"),
            environment=owner.get("environment"),
        )
    )  # fmt: skip
    node.agent, node.enclosing, node.depth = owner.agent, owner.enclosing, owner.depth
    node.effective = owner.effective
    return node


def says_error(response: Json) -> bool:
    """Whether a tool's answer, as the model saw it, tells of a failure."""
    if isinstance(response, str):
        text = response.lstrip()
        return text[:_START].lower().startswith(_ERROR_STARTS) or _is_error(text)
    if isinstance(response, dict):
        told = response.get("is_error") is True or response.get("status") == "error"
        return told or (response.keys() == {"error"} and _is_fault(response["error"]))
    return False


def _is_fault(value: Json) -> bool:
    """Whether it is no measure: a number is how far off something is."""
    return value is True or (isinstance(value, str | dict | list) and bool(value))


def _is_error(response: str) -> bool:
    """Whether it begins as a raised error, or is JSON with nothing but one, as Gemini gives it.

    A long text that begins so is something a tool was to read, such as a log.
    """
    raised = len(response) <= _LONGEST_ERROR and _RAISED.match(response)
    return bool(raised or _ONLY_ERROR.fullmatch(response))
