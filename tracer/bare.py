"""Models and tools called without any chain around them: a loop somebody wrote by hand."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Final

from opentelemetry import context as otel

from tracer.recorder import Recorder
from tracer.run import Node
from tracer.tools import Tools

# Set inside the private copy of a context in which a stream is driven: there, and only there,
# the start of a model may attach its context, because the copy is thrown away.
PRIVATE: Final[ContextVar[bool]] = ContextVar("waypost-private", default=False)
_WAITING: Final = 256
_IDLE_NS: Final = 120 * 1_000_000_000


def enter(node: Node) -> None:
    """In a stream's private context the step becomes the current span."""
    if PRIVATE.get():
        PRIVATE.set(False)
        otel.attach(node.context)


class Loops:
    """Keeps the root of a bare model call open as long as its tool calls wait for answers.

    The next call belongs to it if it answers one of them: a tool by id or by arguments, a model
    because its input holds the message that asked.
    """

    def __init__(self, recorder: Recorder, tools: Tools) -> None:
        self._recorder = recorder
        self._tools = tools
        self._lock = threading.RLock()
        self._waiting: OrderedDict[int, Node] = OrderedDict()

    def begun(self, node: Node) -> None:
        """A model, tool or retriever run that is its own root."""
        root = node.parent
        if root is not None:
            root.kind = "loop"

    def of_messages(self, messages: Sequence[Any]) -> Node | None:
        """The open loop whose calls these messages hold."""
        if not self._waiting:
            return None
        asked = {c.get("id") for m in messages for c in getattr(m, "tool_calls", None) or ()}
        answered = {getattr(m, "tool_call_id", None) for m in messages}
        return self._find(lambda root: any(i in asked or i in answered for i in root.scope.calls))

    def of_call(self, name: str, inputs: object, text: str, call_id: str | None) -> Node | None:
        """The open loop that asked for this tool run."""
        if not self._waiting:
            return None
        if call_id is not None:
            return self._find(lambda root: call_id in root.scope.calls)
        given = inputs if isinstance(inputs, Mapping) else None
        return self._find(
            lambda root: any(
                c.name == name and not c.runs and (given is None or c.arguments == given)
                for c in root.scope.calls.values()
            )
        )

    def answered(self, node: Node) -> None:
        """A model of a loop has answered: with calls the loop goes on, without it is over."""
        root = node.parent
        if root is None or root.kind != "loop":
            return
        root.state = self._recorder.clock()
        calls = [c for c in root.scope.calls.values() if not c.runs and not c.answered]
        if calls and not root.scope.trajectory.ended:
            with self._lock:
                self._waiting[id(root)] = root
                self._waiting.move_to_end(id(root))
            self.sweep()
        else:
            self._close(root, None, None)

    def ended(self, node: Node, error: tuple[str, str] | None, status: str | None) -> None:
        """Another run of a loop has ended; one that waits for nothing is over."""
        root = node.parent
        if root is None or root.kind != "loop":
            return
        root.state = self._recorder.clock()
        if id(root) not in self._waiting:
            self._close(root, error, status)

    def close_all(self) -> None:
        """At the end of the process, or before a flush that must be complete."""
        for root in list(self._waiting.values()):
            self._close(root, None, None)

    def forget_open(self) -> None:
        """In a forked child: what waits belongs to the parent."""
        self._lock = threading.RLock()
        self._waiting.clear()

    def _find(self, fits: Any) -> Node | None:
        with self._lock:
            for root in reversed(self._waiting.values()):
                if fits(root):
                    return root
        return None

    def _close(self, root: Node, error: tuple[str, str] | None, status: str | None) -> None:
        with self._lock:
            self._waiting.pop(id(root), None)
        if root.scope.trajectory.ended:
            return
        if error is None and status is None:
            self._tools.sweep_rest(root.scope)
        self._recorder.finish_root(root, status=status, error=error, ended=root.state)

    def sweep(self) -> None:
        """Loops nobody continues are closed after a while, and the oldest when there are many."""
        now = self._recorder.clock()
        for root in list(self._waiting.values()):
            idle = now - (root.state or root.started) > _IDLE_NS
            if (idle and not root.scope.trajectory.open) or len(self._waiting) > _WAITING:
                self._close(root, None, None)
