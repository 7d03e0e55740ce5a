"""Spans that tell of the same thing become one, and every span learns where it stands."""

from typing import Final

from waypost.assembly.tree import Node, Tree, is_step
from waypost.records import Json, Kind, Tokens

_INNER_RETRIEVALS: Final = frozenset({"embedding", "embeddings", "reranker", "rerank"})
_FILLED: Final = (
    "input", "output", "system", "tools", "provider", "model_requested", "model", "params",
    "ttft", "finish_reason", "response_id", "cost_usd", "cost_source", "prompt_name",
    "prompt_version", "session", "user", "arguments", "arguments_from", "result", "call_id",
    "tool_type", "cohort", "error",
)  # fmt: skip


def place(tree: Tree) -> None:
    """Top down: enclosing step and agent run of each span, with doubles folded into one."""
    for node in tree.down:
        parent = node.parent
        if parent is not None:
            above = parent.folded or parent
            node.agent = above if above.kind is Kind.AGENT else above.agent
            node.enclosing = above if is_step(above) else above.enclosing
            node.level = node.agent.level + 1 if node.agent is not None else 0
        _fold_into_outer(node)
    _fold_equal_answers(tree)


def _fold_into_outer(node: Node) -> None:
    outer = node.enclosing
    if node.kind is Kind.AGENT:
        agent = node.agent
        if agent is not None and _is_directly_below(node, agent) and _same_agent(node, agent):
            fold(node, agent)
    elif outer is None:
        return
    elif node.kind is Kind.LLM and outer.kind is Kind.LLM and node.agent is outer.agent:
        fold(node, outer)
    elif node.kind is Kind.TOOL and outer.kind is Kind.TOOL and node.agent is outer.agent:
        if node.step.tool == outer.step.tool and _scope(node) != _scope(outer):
            fold(node, outer)
    elif outer.kind is Kind.RETRIEVAL and _is_inner_retrieval(node):
        node.kind = Kind.OTHER


def _is_inner_retrieval(node: Node) -> bool:
    word = (node.step.operation or "").lower()
    return node.kind is Kind.RETRIEVAL and word in _INNER_RETRIEVALS


def _is_directly_below(node: Node, agent: Node) -> bool:
    parent = node.parent
    return parent is not None and (parent is agent or parent.folded is agent)


def _same_agent(node: Node, other: Node) -> bool:
    name = node.step.agent
    return name is not None and name == other.step.agent


def _scope(node: Node) -> Json:
    return node.step.origin.get("scope", node.step.convention)


def fold(inner: Node, outer: Node) -> None:
    """The outer span stays; the inner one fills what it lacks."""
    inner.folded = outer
    for field in _FILLED:
        outer.fill(field, inner.get(field))
    outer.changes["tokens"] = _merged(outer.get("tokens"), inner.get("tokens"))


def _merged(first: Tokens, second: Tokens) -> Tokens:
    def pick(one: int | None, other: int | None) -> int | None:
        return other if one is None else one

    return Tokens(
        pick(first.input, second.input),
        pick(first.output, second.output),
        pick(first.cache_read, second.cache_read),
        pick(first.cache_write, second.cache_write),
        pick(first.reasoning, second.reasoning),
    )


def _fold_equal_answers(tree: Tree) -> None:
    """Two instrumentations that saw one call name the same answer."""
    seen: dict[tuple[str, str], Node] = {}
    for node in tree.down:
        answer = node.step.response_id
        if node.kind is not Kind.LLM or node.folded is not None or not answer:
            continue
        key = (node.step.trace_id, answer)
        first = seen.setdefault(key, node)
        if first is not node and _scope(first) != _scope(node):
            fold(node, first)
