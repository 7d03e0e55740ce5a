"""Who hands over to whom, where a client names only one of the two."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from waypost.assembly.tree import Node, Tree
from waypost.records import Kind

_NEAR: Final = 64


def name_both(ordered: Sequence[Node], tree: Tree) -> None:
    """Fill who handed over from the run around a handoff, and to whom from the run that follows."""
    handoffs = [node for node in ordered if node.kind is Kind.HANDOFF]
    if not handoffs:
        return
    runs = [n for n in tree.down if n.kind is Kind.AGENT and n.folded is None and n.get("agent")]
    runs.sort(key=lambda n: (n.effective, n.depth, n.step.span_id))
    for node in handoffs:
        if node.agent is not None:
            node.fill("handoff_from", node.agent.get("agent"))
        if node.get("handoff_to") is None:
            node.fill("handoff_to", _next_agent(node, runs))


def _next_agent(node: Node, runs: Sequence[Node]) -> str | None:
    """The agent that begins to run after the handoff, in its trace and not within its own run."""
    at = bisect_left(runs, node.effective, key=_begin)
    for run in runs[at : at + _NEAR]:
        other = run.step.trace_id != node.step.trace_id or run.agent is node.agent
        if not other and run.get("agent") != node.get("handoff_from"):
            found = run.get("agent")
            return found if isinstance(found, str) else None
    return None


def _begin(run: Node) -> int:
    return run.effective
