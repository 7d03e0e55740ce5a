"""What a run exported, as a tree that reads well in a test."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from waypost import names


class Memory(SpanExporter):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans.extend(spans)
        return SpanExportResult.SUCCESS


class Clock:
    """A clock that goes one millisecond with every look."""

    def __init__(self) -> None:
        self.now = 1_800_000_000_000_000_000

    def __call__(self) -> int:
        self.now += 1_000_000
        return self.now


def value(span: ReadableSpan, name: str) -> Any:
    return (span.attributes or {}).get(name)


def steps(spans: Iterable[ReadableSpan]) -> list[ReadableSpan]:
    """The steps among the spans in order of their numbers."""
    found = [s for s in spans if value(s, names.STEP) is not None]
    return sorted(found, key=lambda s: int(value(s, names.STEP)))


def roots(spans: Iterable[ReadableSpan]) -> list[ReadableSpan]:
    return [s for s in spans if s.name == names.SPAN_TRAJECTORY and not _has_parent(s, spans)]


def _has_parent(span: ReadableSpan, spans: Iterable[ReadableSpan]) -> bool:
    ids = {s.context.span_id for s in spans if s.context}
    return span.parent is not None and span.parent.span_id in ids


def line(span: ReadableSpan) -> str:
    """One span in one line: number, kind, name, and what is special about it."""
    number = value(span, names.STEP)
    if number is None:
        title = f"{span.name}({value(span, names.AGENT_NAME) or ''})".replace(
            "agent.trajectory(", "run("
        )
    else:
        title = f"{number} {value(span, names.KIND)} {_name(span)}"
    return " ".join([title, *_marks(span)]).strip()


def _name(span: ReadableSpan) -> str:
    for name in (names.TOOL_NAME, names.REQUEST_MODEL, names.DATA_SOURCE, names.GUARD_NAME,
                 names.MEMORY_STORE, names.HUMAN_DECISION, names.HANDOFF_TO):  # fmt: skip
        if found := value(span, name):
            return str(found)
    return ""


def _marks(span: ReadableSpan) -> Iterator[str]:
    shown = {
        names.TURN: "t", names.ATTEMPT: "attempt=", names.PARENT_STEP: "in=", names.STATUS: "!",
        names.ERROR_TYPE: "error=", names.BASE_STEP: "base=", names.KEEP: "keep=",
        names.FALLBACKS: "after=", names.FINAL_STEP: "final=", names.STEPS: "steps=",
    }  # fmt: skip
    for name, sign in shown.items():
        found = value(span, name)
        if found is not None:
            yield sign + (",".join(found) if isinstance(found, tuple) else str(found))


def tree(spans: Sequence[ReadableSpan]) -> str:
    """The whole tree, children in order of their start, one span a line."""
    below: dict[int, list[ReadableSpan]] = {}
    ids = {s.context.span_id for s in spans if s.context}
    for span in sorted(spans, key=lambda s: (s.start_time or 0, value(s, names.STEP) or 0)):
        parent = span.parent.span_id if span.parent and span.parent.span_id in ids else 0
        below.setdefault(parent, []).append(span)

    def walk(parent: int, depth: int) -> Iterator[str]:
        for span in below.get(parent, []):
            yield "  " * depth + line(span)
            if span.context:
                yield from walk(span.context.span_id, depth + 1)

    return "\n".join(walk(0, 0))


def arguments(span: ReadableSpan) -> Any:
    return json.loads(value(span, names.TOOL_ARGUMENTS))


def result(span: ReadableSpan) -> Any:
    return value(span, names.TOOL_RESULT)


def truth(spans: Iterable[ReadableSpan]) -> list[tuple[str, Any, Any]]:
    """Name, arguments and result of each tool step."""
    return [
        (value(s, names.TOOL_NAME), arguments(s), result(s))
        for s in steps(spans)
        if value(s, names.KIND) == "tool"
    ]


def full_input(spans: Iterable[ReadableSpan], number: int) -> list[Mapping[str, Any]]:
    """The complete input of a model step, put together from its deltas."""
    by_number = {value(s, names.STEP): s for s in steps(spans)}
    span = by_number[number]
    new: list[Mapping[str, Any]] = json.loads(value(span, names.INPUT))
    base = value(span, names.BASE_STEP)
    if base is None:
        return new
    return [*full_input(spans, base)[: value(span, names.KEEP)], *new]
