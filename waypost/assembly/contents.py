"""Messages that came as log records, given to the spans they belong to."""

from collections.abc import Iterable, Mapping, Sequence

from waypost.assembly.tree import Key, Node
from waypost.records import Content, Fault, Kind, Message, Status

_INTERRUPT = "GraphInterrupt"
_TOOLS = (Kind.TOOL, Kind.PLAN, Kind.HANDOFF)


def merge(nodes: Mapping[Key, Node], contents: Iterable[Content]) -> None:
    """Fill what a span does not say itself; records may come before it, after it, or twice."""
    sides: dict[Key, dict[str, list[Content]]] = {}
    for content in sorted(contents, key=lambda c: c.at):
        key = (content.trace_id, content.span_id)
        if key in nodes:
            sides.setdefault(key, {}).setdefault(content.direction, []).append(content)
    for key, found in sides.items():
        _give(nodes[key], {side: _each_once(some) for side, some in found.items()})


def _each_once(contents: Sequence[Content]) -> tuple[Message, ...]:
    seen = set()
    found = []
    for content in contents:
        mark = (content.at, repr(content.message))
        if mark not in seen:
            seen.add(mark)
            found.append(content.message)
    return tuple(found)


def _give(node: Node, found: Mapping[str, tuple[Message, ...]]) -> None:
    if node.kind in _TOOLS:
        _give_tool(node, found)
    elif node.kind in (Kind.LLM, Kind.AGENT):
        _give_model(node, found)
    if "error" in found and not (node.get("output") or node.get("result")):
        _fail(node, found["error"][-1])  # one that still answered failed on the way, and recovered


def _give_model(node: Node, found: Mapping[str, tuple[Message, ...]]) -> None:
    for side in ("input", "output"):
        node.fill(side, found.get(side, ()))
    for field in ("system", "tools"):
        if node.get(field) is None and field in found:
            node.changes[field] = tuple(dict(p) for m in found[field] for p in m.parts)


def _give_tool(node: Node, found: Mapping[str, tuple[Message, ...]]) -> None:
    for message in found.get("input", ()):
        for part in (*message.tool_calls, *message.tool_responses):
            if node.get("arguments") is None and part.get("arguments") is not None:
                node.changes["arguments"] = part["arguments"]
                node.changes["arguments_from"] = "span"
    for message in found.get("output", ()):
        for part in message.tool_responses:
            node.fill("result", part.get("response"))


def _fail(node: Node, message: Message) -> None:
    about = message.parts[0] if message.parts else {}
    if str(about.get("exception.type")).rpartition(".")[2] == _INTERRUPT:
        node.changes["status"] = Status.INTERRUPTED
        return
    if node.get("error") is None:
        node.changes["error"] = Fault(
            str(about.get("exception.type") or "error"),
            str(about.get("exception.message") or ""),
            str(about.get("exception.stacktrace") or ""),
        )
    if node.get("status") is Status.OK:
        node.changes["status"] = Status.ERROR
