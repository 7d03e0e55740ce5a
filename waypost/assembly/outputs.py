"""What a model said that only the history of its next call tells."""

from collections.abc import Sequence, Set

from waypost.assembly.tree import Node, is_model
from waypost.records import Message, Status


def complete(ordered: Sequence[Node]) -> None:
    """Give answers the calls they made, where a client sends them only with what follows."""
    last: dict[int, Node] = {}
    told = {
        str(call.get("id"))
        for node in ordered
        if is_model(node)
        for message in node.get("output")
        for call in message.tool_calls
        if call.get("id") is not None
    }
    for node in ordered:
        if is_model(node):
            before = last.get(id(node.agent))
            if before is not None:
                _complete(before, node.get("input"), told)
            last[id(node.agent)] = node


def _complete(owner: Node, history: Sequence[Message], told: Set[str]) -> None:
    asked: Sequence[Message] = owner.get("input")
    output: tuple[Message, ...] = owner.get("output")
    said = history[len(asked)] if asked and len(history) > len(asked) else None
    if said is None or said.role != "assistant" or not said.tool_calls:
        return
    if any(str(call.get("id")) in told for call in said.tool_calls):
        return  # another answer's
    if any(m.tool_calls for m in output) or owner.get("status") is not Status.OK:
        return
    text = "".join(m.text for m in output)
    if (text and text.strip() != said.text.strip()) or tuple(history[: len(asked)]) != tuple(asked):
        return
    thoughts = tuple(p for m in output for p in m.parts if p.get("type") == "reasoning")
    known = any(p.get("type") == "reasoning" for p in said.parts)
    owner.changes["output"] = (
        Message("assistant", said.parts if known else thoughts + said.parts),
    )
