"""Complete inputs: a model step that sent only what is new gets the rest from its base."""

from collections.abc import Sequence
from typing import Final

from waypost.assembly.order import Numbers
from waypost.assembly.tree import Node, is_model
from waypost.records import Message

_BUDGET: Final = 4_000_000


def complete(ordered: Sequence[Node], numbers: Numbers) -> bool:
    """Complete every delta; False when a base is missing.

    A trajectory whose complete inputs would not fit into memory keeps its last deltas as they
    are: `input_base` stays set on those steps.
    """
    whole = True
    spent = 0
    for node in ordered:
        if not is_model(node) or node.step.input_base is None:
            continue
        base = numbers.node(node.step.input_base, node.step.trace_id)
        if base is None or base.number >= node.number:
            whole = False
            node.changes["input_complete"] = False
            _forget_base(node)
            continue
        if spent > _BUDGET or base.get("input_base") is not None:
            continue
        spent += _complete(node, base)
        whole = whole and node.get("input_complete")
    return whole


def give_tools(ordered: Sequence[Node]) -> None:
    """A model step that names no tools had those which its agent's run says it has."""
    for node in ordered:
        if is_model(node) and node.get("tools") is None and node.agent is not None:
            node.fill("tools", node.agent.get("tools"))


def _complete(node: Node, base: Node) -> int:
    keep = node.step.input_keep or 0
    known: tuple[Message, ...] = base.get("input")
    if keep > len(known) or not base.get("input_complete"):
        node.changes["input_complete"] = False
    found = known[:keep] + node.get("input")
    node.changes["input"] = found
    for field in ("system", "tools"):
        if node.get(field) is None:
            node.changes[field] = base.get(field)
    _forget_base(node)
    return len(found)


def _forget_base(node: Node) -> None:
    node.changes["input_base"] = None
    node.changes["input_keep"] = None
