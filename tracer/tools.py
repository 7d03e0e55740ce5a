"""Tool steps: calls that ran, calls that ran again, and calls that nobody ran."""

from collections.abc import Mapping, Sequence
from typing import Any

from tracer import extract
from tracer.recorder import Recorder
from tracer.run import Call, Node, Scope, Withheld
from waypost import names

_INVALID = "invalid_tool"


class Tools:
    """Records tool runs of any scope and finds the calls that were answered without one."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._content = recorder.content

    def start(
        self, parent: Node, name: str, *, description: str | None, inputs: object, text: str,
        call_id: str | None,
    ) -> Node:  # fmt: skip
        """A tool begins to run."""
        scope = parent.scope
        arguments = extract.arguments_of(inputs, text)
        with scope.trajectory.lock:
            call = self._call(scope, name, arguments, call_id)
            node = self._recorder.start_step(parent, "tool", name, "execute_tool")
            attributes = node.draft.attributes
            attributes[names.TOOL_NAME] = name
            attributes[names.TOOL_TYPE] = "function"
            if call is not None:
                call.runs += 1
                if call.runs > 1:
                    attributes[names.ATTEMPT] = call.runs
                if not isinstance(inputs, Mapping) and isinstance(call.arguments, Mapping):
                    arguments = call.arguments
            attributes[names.TURN] = call.turn if call else max(1, scope.turn)
            if call_id or call:
                attributes[names.TOOL_CALL_ID] = call_id or (call.id if call else "")
            if description and scope.tools is None:
                attributes[names.TOOL_DESCRIPTION] = description[:1024]
            node.draft.put(names.TOOL_ARGUMENTS, self._content.json(arguments))
            node.state = call
        return self._recorder.open_step(node)

    def invalid(self, parent: Node, inputs: object) -> Node | None:
        """The classic executor's stand-in for a tool that does not exist."""
        wanted = inputs.get("requested_tool_name") if isinstance(inputs, Mapping) else None
        if not isinstance(wanted, str):
            return None
        with parent.scope.trajectory.lock:
            calls = parent.scope.calls.values()
            call = next((c for c in calls if c.name == wanted and not c.runs), None)
            if call is None:
                call = Call("", wanted, {}, max(1, parent.scope.turn))
            call.answered = True
            node = self._unexecuted(parent, call)
        node.state = call
        return self._recorder.open_step(node)

    def end(self, node: Node, output: Any) -> None:
        """The tool has returned; a message that says of itself that it is an error is one."""
        result, failed = extract.result_of(output)
        error = None
        if failed:
            shown = result if isinstance(result, str) else str(result)
            error = ("ToolError", self._content.message(shown))
        unexecuted = node.draft.attributes.get(names.EXECUTED) is False
        if node.scope.guarded and self._content.enabled and not unexecuted:
            self._withhold(node, result, error)
            return
        piece = self._content.result(result)
        node.draft.put(names.TOOL_RESULT, piece)
        if isinstance(result, str):
            node.scope.trajectory.history.cleaned(result, piece)
        status = "not_executed" if unexecuted else None
        self._recorder.finish_step(node, status=status, error=error)

    def _withhold(self, node: Node, result: object, error: tuple[str, str] | None) -> None:
        node.scope.trajectory.open.pop(id(node), None)
        key = node.draft.attributes.get(names.TOOL_CALL_ID)
        node.scope.withheld.append(Withheld(node, self._recorder.clock(), key, result, error))

    def sweep(self, parent: Node, messages: Sequence[Any]) -> None:
        """Answers to calls of this scope that no tool gave: the call was not executed."""
        calls = parent.scope.calls
        for message in messages:
            if message.type != "tool":
                continue
            call = calls.get(message.tool_call_id)
            if call is None or call.runs or call.answered:
                continue
            call.answered = True
            if call.arguments is None:
                call.arguments = _asked(messages, call.id)
            node = self._unexecuted(parent, call)
            node.draft.put(names.TOOL_RESULT, self._content.result(message.content))
            self._recorder.open_step(node)
            self._recorder.finish_step(node, status="not_executed")

    def sweep_rest(self, scope: Scope) -> None:
        """At the end of a scope: calls that nobody answered at all."""
        if scope.node is None:
            return
        for call in list(scope.calls.values()):
            if call.runs or call.answered:
                continue
            call.answered = True
            node = self._unexecuted(scope.node, call)
            self._recorder.open_step(node)
            self._recorder.finish_step(node, status="not_executed")

    def _unexecuted(self, parent: Node, call: Call) -> Node:
        node = self._recorder.start_step(parent, "tool", call.name, "execute_tool")
        attributes = node.draft.attributes
        attributes[names.TOOL_NAME] = call.name
        attributes[names.TOOL_TYPE] = "function"
        attributes[names.EXECUTED] = False
        attributes[names.TURN] = call.turn
        if call.id:
            attributes[names.TOOL_CALL_ID] = call.id
        given = call.arguments
        shape = (
            given if isinstance(given, Mapping) else extract.arguments_of(None, str(given or "{}"))
        )
        node.draft.put(names.TOOL_ARGUMENTS, self._content.json(shape))
        return node

    def _call(self, scope: Scope, name: str, arguments: object, call_id: str | None) -> Call | None:
        """The call this run belongs to: by its id, else the oldest open one that equals it."""
        if call_id is not None:
            return scope.calls.get(call_id)
        waiting = [c for c in scope.calls.values() if c.name == name and not c.runs]
        if isinstance(arguments, Mapping) and set(arguments) == {"input"}:
            single = arguments["input"]
            equal = [c for c in waiting if c.arguments == arguments or _only(c.arguments) == single]
        else:
            equal = [c for c in waiting if c.arguments == arguments]
        return next(iter(equal or waiting), None)


def is_invalid(name: str) -> bool:
    return name == _INVALID


def _only(arguments: object) -> object:
    """The value of a call's only argument, as a classic tool receives it."""
    if isinstance(arguments, Mapping) and len(arguments) == 1:
        return next(iter(arguments.values()))
    return None


def _asked(messages: Sequence[Any], call_id: str) -> Any:
    """The arguments of a call another process saw, found in the message that asked for it."""
    for message in messages:
        for call in getattr(message, "tool_calls", None) or ():
            if call.get("id") == call_id:
                return call.get("args")
    return {}
