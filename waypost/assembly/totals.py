"""What a trajectory comes to: its status, its end, its sums."""

from collections.abc import Iterable, Sequence
from typing import Final

from waypost.assembly.closing import Closing
from waypost.assembly.order import Numbers
from waypost.assembly.tree import Node, Tree, is_model, is_scope
from waypost.records import Kind, Message, Status, Tokens

STALE: Final = 15 * 60 * 1_000_000_000
_SHAPES: Final = ("text", "reasoning", "tool_call", "tool_call_response")
_CONTENT: Final = ("content", "arguments", "response")
_NOTES: Final = {"truncated": "truncated", "dropped_attributes": "dropped_attributes"}


def final_of(ordered: Sequence[Node], tops: Sequence[Node], numbers: Numbers) -> int | None:
    """The root's word; else the last model step of the root run with text and without calls."""
    for top in reversed(tops):
        named = numbers.node(top.step.final_step, top.step.trace_id)
        if named is not None:
            return named.number
    models = [n for n in ordered if is_model(n)]
    if not models:
        return None
    least = min(n.level for n in models)
    roots = [n for n in models if n.level == least]
    last = next((n for n in reversed(roots) if n.get("output")), None)
    return last.number if last is not None and answers(last.get("output")) else None


def answers(output: Sequence[Message]) -> bool:
    """Whether a model's output is an answer: text, and nothing more to be done."""
    return any(m.text for m in output) and not any(m.tool_calls for m in output)


def tops_of(tree: Tree) -> list[Node]:
    """The outermost scopes, in order of start."""
    tops = [n for n in tree.down if is_scope(n) and not _has_scope_above(n)]
    return sorted(tops, key=lambda n: (n.step.started_at, n.step.span_id))


def _has_scope_above(node: Node) -> bool:
    above = node.parent
    while above is not None:
        if is_scope(above):
            return True
        above = above.parent
    return False


def has_ended(tree: Tree, trace_id: str) -> bool:
    """Whether the root of the last trace has come, and not only its start marker."""
    return any(
        n.step.parent_id is None and not n.step.marker
        for n in tree.roots
        if n.step.trace_id == trace_id
    )


def status_of(
    ordered: Sequence[Node], tree: Tree, tops: Sequence[Node], *, ended: bool, now: int | None
) -> Status:
    """How the trajectory stands, told by its last trace."""
    if not tree.down:
        return Status.OK
    last_trace = max(tree.roots, key=lambda n: (n.step.started_at, n.step.span_id)).step.trace_id
    outer = [n for n in tops if n.step.trace_id == last_trace]
    said = {n.get("status") for n in outer}
    if not ended and now is not None:
        last = max(max(n.step.ended_at, n.step.started_at) for n in tree.down)
        return Status.RUNNING if now - last < STALE else _given_up(said)
    for status in (Status.RUNNING, Status.INTERRUPTED, Status.ABANDONED, Status.ERROR):
        if status in said:
            return status
    if _waits(ordered, tree, last_trace, ended=ended):
        return Status.INTERRUPTED
    if not outer and ordered and ordered[-1].get("status") is Status.ERROR:
        return Status.ERROR
    return Status.OK


def _given_up(said: Iterable[Status]) -> Status:
    found = set(said)
    return next((s for s in (Status.INTERRUPTED, Status.ERROR) if s in found), Status.ABANDONED)


def _waits(ordered: Sequence[Node], tree: Tree, trace_id: str, *, ended: bool) -> bool:
    """An interrupt nothing came after, or calls of the last model step that nobody answered."""
    if not ordered:
        return False
    last = ordered[-1]
    for node in tree.down:
        if node.get("status") is Status.INTERRUPTED and node.step.trace_id == trace_id:
            later = last.step.started_at > node.step.started_at and last is not node
            if not later or last.get("status") is Status.INTERRUPTED:
                return True
    if ended and is_model(last) and last.step.trace_id == trace_id:
        taken = {node.get("call_id") for node in ordered if node is not last}
        calls = [part for message in last.get("output") for part in message.tool_calls]
        closing = Closing(last)
        return any(p.get("id") not in taken and closing.of(p) is None for p in calls)
    return ended and last.step.derived and last.get("status") is Status.INTERRUPTED


def abandon(nodes: Iterable[Node], *, ended: bool, now: int | None) -> None:
    """A start marker whose end never came: after a while, or once the whole run has ended."""
    for node in nodes:
        if node.step.marker:
            old = now is not None and now - node.step.started_at > STALE
            node.changes["status"] = Status.ABANDONED if ended or old else Status.RUNNING


class Sums:
    """Tokens and cost over model steps; one unknown part makes a sum a lower bound."""

    def __init__(self, ordered: Iterable[Node]) -> None:
        self.tokens = Tokens()
        self.cost: float | None = None
        self.tokens_partial = self.cost_partial = False
        for node in ordered:
            if is_model(node):
                self._add(node)

    def _add(self, node: Node) -> None:
        found: Tokens = node.get("tokens")
        mine = self.tokens
        self.tokens = Tokens(
            _sum(mine.input, found.input), _sum(mine.output, found.output),
            _sum(mine.cache_read, found.cache_read), _sum(mine.cache_write, found.cache_write),
            _sum(mine.reasoning, found.reasoning),
        )  # fmt: skip
        cost = node.get("cost_usd")
        if cost is not None:
            self.cost = (self.cost or 0.0) + cost
        if node.get("status") is Status.ERROR:
            return  # a call that failed has no usage, and nothing is unknown
        self.tokens_partial = self.tokens_partial or found.input is None or found.output is None
        self.cost_partial = self.cost_partial or cost is None


def _sum(one: int | None, other: int | None) -> int | None:
    return one if other is None else (one or 0) + other


def missing_of(ordered: Sequence[Node], tree: Tree) -> set[str]:
    """What the trajectory's spans themselves say is not there."""
    found = {"missing_parent"} if tree.orphans else set()
    for node in tree.down:
        for note in node.get("notes"):
            what = note.partition("=")[0].partition(":")[0]
            if what in _NOTES:
                found.add(_NOTES[what])
    models = [n for n in ordered if is_model(n)]
    if models and not any(_holds(n.get("input")) or _holds(n.get("output")) for n in models):
        found.add("no_content")
    return found


def _holds(messages: Sequence[Message]) -> bool:
    """Whether there is more than the mere shape of messages, which some send without content."""
    return any(
        part.get("type") not in _SHAPES or any(part.get(name) for name in _CONTENT)
        for message in messages
        for part in message.parts
    )


def first_user(messages: Sequence[Message]) -> tuple[Message, ...]:
    return next(((m,) for m in messages if m.role == "user"), ())


def asked(ordered: Sequence[Node], tops: Sequence[Node]) -> tuple[Message, ...]:
    """What the user wanted: the run's input, else that of its first model step."""
    for node in (*tops, *(n for n in ordered if n.kind is Kind.LLM)):
        found = first_user(node.get("input"))
        if found:
            return found
    return ()
