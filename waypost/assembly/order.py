"""The order of steps, their numbers, and what inherits from where."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from waypost.assembly.cohort import Cohorts
from waypost.assembly.tree import Node, Tree, is_model, is_step
from waypost.records import Kind

_INHERITED: Final = ("session", "user", "environment", "service", "trajectory_id")
_PROCESS: Final = (
    ("session", ("session.id", "gen_ai.conversation.id", "session_id", "thread_id")),
    ("user", ("user.id", "enduser.id", "user_id")),
)
_OWN_SESSIONS: Final = "pydantic_ai"  # it begins a conversation for each agent that a tool asks


def settle_times(tree: Tree) -> bool:
    """Give each span a start no earlier than its parent's, for ordering only; True on any skew.

    A span of the parent's own service is held back to the parent; a service with another clock is
    moved as a whole, so that its spans keep their order among themselves.
    """
    skewed = False
    for node in tree.down:
        step = node.step
        skewed = skewed or (step.ended_at < step.started_at and not step.marker)
        early = [c for c in node.children if c.step.started_at < node.effective]
        if not early:
            continue
        skewed = skewed or any(step.started_at - c.step.started_at > _ROUNDING for c in early)
        shifts = _shifts(node, early)
        for child in node.children:
            service = child.step.service
            shifted = child.step.started_at + shifts.get(service, 0)
            child.effective = max(shifted, node.effective)
    return skewed


_ROUNDING: Final = 2_000_000


def _shifts(node: Node, early: Iterable[Node]) -> dict[str | None, int]:
    shifts: dict[str | None, int] = {}
    for child in early:
        service = child.step.service
        if service != node.step.service:
            late = node.effective - child.step.started_at
            shifts[service] = max(late, shifts.get(service, 0))
    return shifts


def in_order(nodes: Iterable[Node]) -> list[Node]:
    """Steps in order: by our own numbers where all have one, else by time, parents first."""
    found = list(nodes)
    if all(n.step.number is not None for n in found):
        return sorted(found, key=lambda n: (n.step.number or 0, *_by_time(n)))
    return sorted(found, key=_by_time)


def _by_time(node: Node) -> tuple[int, int, int, int, str]:
    step = node.step
    return node.effective, node.depth, step.started_at, step.ended_at, step.span_id


class Numbers:
    """Numbers without gaps, and what the sender's own numbers became."""

    def __init__(self, ordered: Sequence[Node]) -> None:
        self._by_sent: dict[int, list[Node]] = {}
        for number, node in enumerate(ordered, 1):
            node.number = number
            if node.step.number is not None and not node.step.derived:
                self._by_sent.setdefault(node.step.number, []).append(node)
            if node.step.number != number:
                node.changes["number"] = number
        sent = self._by_sent
        self.has_gap = bool(sent) and len(sent) < max(sent)

    def node(self, sent: int | None, trace_id: str) -> Node | None:
        """The step a sender's number means; two may claim one, then the same trace's goes first."""
        found = self._by_sent.get(sent, []) if sent is not None else []
        same = next((n for n in found if n.step.trace_id == trace_id), None)
        return same or (found[0] if found else None)


def number(ordered: Sequence[Node]) -> Numbers:
    """Number the steps and say of each which step and which turn it belongs to."""
    numbers = Numbers(ordered)
    turns: dict[int, int] = {}
    for node in ordered:
        step = node.step
        above = node.enclosing or numbers.node(step.parent_step, step.trace_id)
        parent = above.number if above is not None and above is not node and above.number else None
        if parent != step.parent_step:
            node.changes["parent_step"] = parent
        scope = id(node.agent)
        if is_model(node):
            turns[scope] = turns.get(scope, 0) + 1
        if step.turn is None:
            node.changes["turn"] = max(1, turns.get(scope, 0))
        name = node.agent.get("agent") if node.agent is not None else None
        if name and name != step.agent:
            node.changes["agent"] = name
    return numbers


def inherit(tree: Tree, cohort_keys: Sequence[str]) -> None:
    """What a span does not say of itself, its scopes say."""
    cohorts = Cohorts(cohort_keys)
    for node in tree.down:
        above = node.parent.inherited if node.parent is not None else _of_resource(node)
        own = _own(node, cohorts if cohort_keys else None)
        if node.step.convention == _OWN_SESSIONS and "session" in above:
            own.pop("session", None)
        if node.step.operation == "create_agent":
            own = {}
        cohort = {**above.get("cohort", {}), **own.get("cohort", {})}
        node.inherited = {**above, **own}
        if cohort:
            node.inherited["cohort"] = cohort
        if node.kind is Kind.OTHER:
            continue
        for field, value in node.inherited.items():
            if value != node.step.cohort if field == "cohort" else field not in own:
                node.changes[field] = value


def _of_resource(node: Node) -> dict[str, Any]:
    """Who and where by the resource, for which no span has a word of its own."""
    resource = node.step.resource
    found = ((field, next(filter(None, map(resource.get, n)), None)) for field, n in _PROCESS)
    return {field: value for field, value in found if isinstance(value, str)}


def _own(node: Node, cohorts: Cohorts | None) -> dict[str, Any]:
    own = {f: v for f in _INHERITED if (v := node.get(f)) is not None}
    if cohorts is not None and (node.kind is not Kind.OTHER or node.parent is None):
        own["cohort"] = cohorts.of_step(node.step)
    elif node.step.cohort:
        own["cohort"] = dict(node.step.cohort)
    return own


def steps_of(tree: Tree) -> list[Node]:
    return in_order(node for node in tree.down if is_step(node))
