"""Spans that tell of the same thing become one, and every span learns where it stands."""

from collections.abc import Hashable, Iterable
from operator import eq
from typing import Final

from waypost.assembly.totals import first_user
from waypost.assembly.tree import Node, Tree, is_step
from waypost.records import Fault, Json, Kind, Message, Status, Step, Tokens

_INNER_RETRIEVALS: Final = frozenset({"embedding", "embeddings", "reranker", "rerank"})
_MCP: Final = "mcp.method.name"
_NEAR: Final = 64
_LOOKED_AT: Final = 4_096
# A shorter message of an error may stand in any text.
_TELLING: Final = 12
_COMPARED: Final = 1_024
_FILLED: Final = (
    "input", "output", "system", "tools", "provider", "model_requested", "model", "params",
    "ttft", "finish_reason", "response_id", "cost_usd", "cost_source", "prompt_name",
    "prompt_version", "session", "user", "arguments", "arguments_from", "result", "call_id",
    "tool_type", "cohort",
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
    _fold_beside(tree)
    _fold_carriers(tree)
    _fold_streams_ends(tree)


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
        told_twice = node.step.tool == outer.step.tool and _scope(node) != _scope(outer)
        if told_twice or _carries(node, outer):
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
    if inner.kind is Kind.LLM and not outer.get("input") and inner.get("input"):
        outer.changes["output"] = inner.get("output") or outer.get("output")
    for field in _FILLED:
        outer.fill(field, inner.get(field))
    if outer.get("status") is Status.ERROR:
        outer.fill("error", inner.get("error"))  # else it was tried again, and went well
    elif inner.kind is Kind.TOOL and _tells_fault(outer.get("result"), inner.get("error")):
        outer.changes.update(status=Status.ERROR, error=inner.get("error"))
    if isinstance(inner.get("arguments"), dict) and not isinstance(outer.get("arguments"), dict):
        outer.changes["arguments"] = inner.get("arguments")  # a bare value names nothing
    outer.changes["tokens"] = _merged(outer.get("tokens"), inner.get("tokens"))


def _tells_fault(result: Json, error: Fault | None) -> bool:
    """Whether a tool gave back what went wrong in it, and not what a second try brought."""
    told = error.message if error is not None else ""
    if not told or not isinstance(result, str):
        return False
    text = result.strip()
    return text.startswith(told) or text.endswith(told) or (len(told) >= _TELLING and told in text)


def _merged(first: Tokens, second: Tokens) -> Tokens:
    def pick(one: int | None, other: int | None) -> int | None:
        return one or (other if other is not None else one)  # one that did not count says 0

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


def _fold_beside(tree: Tree) -> None:
    """A call that two instrumentations saw as neighbours, and one of them without its answer.

    It may have failed, or been streamed; then only the times tell that one span lies in the other.
    """
    beside: dict[int, list[Node]] = {}
    for node in tree.down:
        if node.kind is Kind.LLM and node.folded is None and node.parent is not None:
            beside.setdefault(id(node.parent), []).append(node)
    taken = {(id(n.folded), str(_scope(n))) for n in tree.down if n.folded is not None}
    for nodes in beside.values():
        if len({str(_scope(node)) for node in nodes}) > 1:
            nodes.sort(key=lambda n: (n.step.started_at, -n.step.ended_at))
            _fold_within(nodes, taken)


def _fold_within(nodes: list[Node], taken: set[tuple[int, str]]) -> None:
    """Fold each span into the last to begin of those around it, which may take one of a scope."""
    for at, inner in enumerate(nodes):
        for outer in reversed(nodes[max(0, at - _NEAR) : at]):
            key = (id(outer), str(_scope(inner)))
            if outer.folded is None and key not in taken and _is_same_call(inner, outer):
                taken.add(key)
                fold(inner, outer)
                break


def _is_same_call(inner: Node, outer: Node) -> bool:
    one, other = inner.step, outer.step
    if _scope(inner) == _scope(outer) or (one.response_id and other.response_id):
        return False
    names = {one.model, one.model_requested} & {other.model, other.model_requested} - {None}
    within = other.started_at <= one.started_at and one.ended_at <= other.ended_at
    return bool(names) and within and not _differ(inner, outer)


def _differ(inner: Node, outer: Node) -> bool:
    """Whether two spans tell of different calls; what one does not tell speaks for nothing.

    A try that failed is not the call that went well around it.
    """
    if inner.get("status") is Status.ERROR and outer.get("status") is not Status.ERROR:
        return True
    one, other = _asked(inner), _asked(outer)
    if one and other and one.isdisjoint(other):
        return True
    said = [_words(n.get("output")) for n in (inner, outer)]
    if not all(said):
        said = [str(n.get("tokens").output or "") for n in (inner, outer)]
    return all(said) and said[0] != said[1]


def _asked(node: Node) -> set[str]:
    """What the user said first and last, for some instrumentations tell only of the latest."""
    messages: tuple[Message, ...] = node.get("input")
    return {_words(first_user(messages)), _words(first_user(messages[::-1]))} - {""}


def _words(messages: Iterable[Message]) -> str:
    """What messages say, without the spaces, which every instrumentation sets in its own way."""
    return "".join("".join(m.text[:_LOOKED_AT].split()) for m in messages)[:_COMPARED]


def _carries(node: Node, outer: Node) -> bool:
    """Whether a span is of the message by which MCP asked a server for another span's tool.

    An agent may call the tool by the server's name as well.
    """
    name, whole = node.step.tool, outer.step.tool
    sent, given = node.get("arguments"), outer.get("arguments")
    if isinstance(sent, dict) and isinstance(given, dict) and sent != given:
        return False
    if _MCP not in node.step.attributes or not name or not whole:
        return False
    return whole.endswith(name) and (whole == name or not whole[-len(name) - 1].isalnum())


def _fold_carriers(tree: Tree) -> None:
    """A call to an MCP server that does not lie below its tool's span but beside it."""
    beside: dict[int, list[Node]] = {}
    for node in tree.down:
        if node.kind is Kind.TOOL and node.folded is None and node.parent is not None:
            beside.setdefault(id(node.parent), []).append(node)
    for nodes in beside.values():
        if any(_MCP in node.step.attributes for node in nodes):
            _fold_carried(sorted(nodes, key=lambda n: n.step.started_at))


def _fold_carried(nodes: list[Node]) -> None:
    taken: set[int] = set()
    for at, node in enumerate(nodes):
        near = (n for n in nodes[max(0, at - _NEAR) : at] if id(n) not in taken)
        outer = next((n for n in near if _is_around(n, node) and _carries(node, n)), None)
        if outer is not None:
            taken.add(id(outer))
            fold(node, outer)


def _is_around(outer: Node, node: Node) -> bool:
    return _MCP not in outer.step.attributes and node.step.ended_at <= outer.step.ended_at


def _fold_streams_ends(tree: Tree) -> None:
    """A client may tell of a stream twice: when it begins, and in a mere moment what came of it."""
    waiting: dict[Hashable, list[Node]] = {}
    for node in sorted(tree.down, key=lambda n: n.step.started_at):
        step = node.step
        if node.kind is not Kind.LLM or node.folded is not None or not step.input:
            continue
        if step.status is Status.ERROR:
            continue  # it ended there, and what follows is another try
        key = (step.trace_id, step.parent_id, str(_scope(node)))
        if step.ended_at > step.started_at and not node.get("output"):
            waiting.setdefault(key, []).append(node)
        elif step.ended_at == step.started_at and step.output:
            near = waiting.get(key, [])[-_NEAR:]
            begun = next((n for n in near if _may_end_with(n.step, step)), None)
            if begun is not None:
                waiting[key].remove(begun)
                if step.model is not None:
                    begun.changes.update(model=step.model, name=step.name)
                fold(node, begun)


def _may_end_with(begun: Step, end: Step) -> bool:
    """Whether a call that was over, and counted nothing, may have been the begin of this stream."""
    if begun.ended_at > end.started_at or begun.tokens.output:
        return False
    # From the end: of long histories that differ, only the last message does.
    one, other = begun.input, end.input
    return len(one) == len(other) and all(map(eq, reversed(one), reversed(other)))
