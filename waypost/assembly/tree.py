"""The spans of a trajectory as a tree: each once, children below their parents."""

from collections.abc import Iterable, Iterator
from typing import Any

from waypost.records import Kind, Step

Key = tuple[str, str]


class Node:
    """One span and what assembly found out about it; the step is rebuilt once, at the end."""

    __slots__ = (
        "agent", "changes", "children", "depth", "effective", "enclosing", "folded", "inherited",
        "kind", "level", "number", "parent", "step",
    )  # fmt: skip

    def __init__(self, step: Step) -> None:
        self.step = step
        self.kind = step.kind
        self.changes: dict[str, Any] = {}
        self.parent: Node | None = None
        self.children: list[Node] = []
        self.depth = 0
        self.effective = step.started_at
        self.enclosing: Node | None = None
        self.agent: Node | None = None
        self.folded: Node | None = None
        self.number = 0
        self.level = 0
        self.inherited: dict[str, Any] = {}

    def get(self, field: str) -> Any:
        """A field as it stands now."""
        return self.changes[field] if field in self.changes else getattr(self.step, field)

    def fill(self, field: str, value: Any) -> None:
        """Set a field that is empty."""
        if value not in (None, "", (), {}) and self.get(field) in (None, "", (), {}):
            self.changes[field] = value

    def finished(self) -> Step:
        """The step with everything that was found out."""
        if self.kind is not self.step.kind:
            self.changes["kind"] = self.kind
        return self.step.replace(**self.changes) if self.changes else self.step

    @property
    def key(self) -> Key:
        return self.step.trace_id, self.step.span_id


class Tree:
    """All nodes of a trajectory, top down."""

    def __init__(self, steps: Iterable[Step]) -> None:
        self.nodes = {key: Node(step) for key, step in _each_once(steps).items()}
        self.orphans: list[Node] = []
        self.roots: list[Node] = []
        self._link()
        self.down = self._walk()

    def _link(self) -> None:
        for node in sorted(self.nodes.values(), key=_order):
            step = node.step
            parent = self.nodes.get((step.trace_id, step.parent_id)) if step.parent_id else None
            if parent is node:
                parent = None
            node.parent = parent
            if parent is not None:
                parent.children.append(node)
            else:
                self.roots.append(node)
                if step.parent_id:
                    self.orphans.append(node)

    def _walk(self) -> list[Node]:
        """Parents before their children; spans that are one another's parents are cut apart."""
        found = list(self._below(sorted(self.roots, key=_order), set()))
        if len(found) == len(self.nodes):
            return found
        seen = {node.key for node in found}
        for node in sorted(self.nodes.values(), key=_order):
            if node.key not in seen:
                if node.parent is not None:
                    node.parent.children.remove(node)
                    node.parent = None
                self.roots.append(node)
                self.orphans.append(node)
                more = list(self._below([node], seen))
                seen.update(n.key for n in more)
                found += more
        return found

    @staticmethod
    def _below(tops: list[Node], seen: set[Key]) -> Iterator[Node]:
        level = tops
        depth = 0
        while level:
            following: list[Node] = []
            for node in level:
                if node.key in seen:
                    continue
                node.depth = depth
                yield node
                following.extend(node.children)
            level, depth = following, depth + 1


def _order(node: Node) -> tuple[int, str, str]:
    return node.step.started_at, node.step.trace_id, node.step.span_id


def _each_once(steps: Iterable[Step]) -> dict[Key, Step]:
    """Each span once: a finished one before a mere start marker, else what ended last."""
    found: dict[Key, Step] = {}
    for step in steps:
        key = (step.trace_id, step.span_id)
        known = found.get(key)
        if known is None or _better(step, known):
            found[key] = step
    return found


def _better(step: Step, known: Step) -> bool:
    if step.marker != known.marker:
        return known.marker
    return _weight(step) > _weight(known)


def _weight(step: Step) -> tuple[int, int, int]:
    return step.ended_at, len(step.attributes), len(step.input) + len(step.output)


def is_step(node: Node) -> bool:
    return node.kind.is_step and node.folded is None


def is_scope(node: Node) -> bool:
    return node.kind.is_scope and node.folded is None


def is_model(node: Node) -> bool:
    return node.kind is Kind.LLM and node.folded is None
