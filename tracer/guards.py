"""What LangChain's middleware decided: guardrail steps, and content it took back."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from tracer import extract
from tracer.payload import Piece
from tracer.recorder import Recorder
from tracer.run import Node, Scope, Withheld
from waypost import names

_HOOK: Final = re.compile(
    r"(?P<name>.+)\.(?P<hook>before_agent|before_model|after_model|after_agent)"
)
_PII: Final = "PIIMiddleware"


class Guards:
    """Reads the nodes that `create_agent` makes of middleware hooks."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._content = recorder.content

    def enters(self, node: Node) -> None:
        """A node begins; where a PII middleware is at work, content waits for it."""
        match = _HOOK.fullmatch(node.name)
        if match is None:
            return
        node.kind = "middleware"
        node.state = match.groups()
        if match["name"].startswith(_PII):
            node.scope.guarded = True

    def leaves(self, node: Node, outputs: object) -> None:
        """A hook has run: an empty answer allows, anything else is a decision."""
        if not isinstance(outputs, Mapping) or not outputs:
            return
        name, _ = node.state
        if outputs.get("jump_to"):
            self._decide(node, "block", _said(outputs))
        elif name.startswith(_PII) and outputs.get("messages"):
            self._decide(node, "rewrite", None)

    def fails(self, node: Node, error: BaseException) -> None:
        """A guard that blocks by raising."""
        if type(error).__name__ == "PIIDetectionError":
            self._decide(node, "block", self._recorder.error_of(error)[1])

    def _decide(self, node: Node, action: str, reason: str | None) -> None:
        name, hook = node.state
        attributes: dict[str, object] = {
            names.GUARD_NAME: name,
            names.GUARD_STAGE: "input" if hook.startswith("before") else "output",
            names.GUARD_ACTION: action,
        }
        pieces = {names.GUARD_REASON: self._content.text(reason) if reason else None}
        self._recorder.whole_step(
            node.parent or node, "guardrail", name, "apply_guardrail", attributes=attributes,
            pieces=pieces, status="blocked" if action == "block" else None,
        )  # fmt: skip

    # --- content that waits ---

    def release(self, scope: Scope, messages: Iterable[Any]) -> None:
        """Write what waits, as it stands in the messages the middleware has passed."""
        if not scope.withheld:
            return
        waiting, scope.withheld = scope.withheld, []
        known: dict[str, Any] = {}
        for message in messages:
            key = getattr(message, "tool_call_id", None) or getattr(message, "id", None)
            if key:
                known[key] = message
        for held in waiting:
            message = known.get(held.key) if held.key else None
            if message is None:
                scope.withheld.append(held)
            else:
                self._write(held, message)

    def release_rest(self, scope: Scope) -> None:
        """At the end of a scope: what no message vouches for leaves without its content."""
        waiting, scope.withheld = scope.withheld, []
        for held in waiting:
            draft = held.node.draft
            draft.counts["WITHHELD"] = draft.counts.get("WITHHELD", 0) + 1
            self._recorder.finish_step(held.node, error=held.error, ended=held.ended)

    def _write(self, held: Withheld, message: Any) -> None:
        draft = held.node.draft
        if held.node.kind == "tool":
            draft.put(names.TOOL_RESULT, self._content.result(extract.result_of(message)[0]))
        else:
            with held.node.scope.trajectory.lock:
                piece = held.node.scope.trajectory.history.entry(message).piece
            answer = Piece(f"[{piece.text}]", piece.counts, piece.cut_from)
            draft.put(names.OUTPUT, answer)
            if not getattr(message, "tool_calls", None) and held.node.number is not None:
                held.node.scope.answer(held.node.number, answer.text)
        self._recorder.finish_step(held.node, error=held.error, ended=held.ended)


def _said(outputs: Mapping[str, Any]) -> str | None:
    """What the guard answered instead."""
    messages = outputs.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    content = getattr(last, "content", None)
    return content if isinstance(content, str) else None
