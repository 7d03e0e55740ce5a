"""What differs from one step of an agent to the next, and how its plain values are read.

A mover reads one attribute into the fields of a step, exactly as the long way would; it says False
to a value that is not plain, and then the long way is taken.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from collector.reading.arguments import arguments_of
from collector.reading.messages import messages_of
from collector.reading.recall import Recall
from collector.reading.results import unwrap
from collector.reading.values import as_text, parsed
from waypost.records import Json, Message, RawSpan

_TOKENS_LIMIT = 2**31


class Moved:
    """The fields of one step that its pattern does not give."""

    __slots__ = ("fields", "recall", "span", "tokens")

    def __init__(self, span: RawSpan, recall: Recall) -> None:
        self.span = span
        self.recall = recall
        self.fields: dict[str, Any] = {}
        self.tokens: dict[str, int] = {}


Mover: TypeAlias = Callable[[Moved, Json], bool]


def number(field: str, least: int = 1) -> Mover:
    def move(moved: Moved, value: Json) -> bool:
        if type(value) is not int or not least <= value < _TOKENS_LIMIT:
            return False
        moved.fields[field] = value
        return True

    return move


def tokens(field: str) -> Mover:
    def move(moved: Moved, value: Json) -> bool:
        if type(value) is not int or not 0 <= value < _TOKENS_LIMIT:
            return False
        moved.tokens[field] = value
        return True

    return move


def text(field: str, *, gap: bool = False, unless: str = "") -> Mover:
    """A text; with `gap` only where no other attribute gives the field."""

    def move(moved: Moved, value: Json) -> bool:
        found = as_text(value) if type(value) is str else None
        if found is None or found == unless:
            return False
        if not gap:
            moved.fields[field] = found
        else:
            moved.fields.setdefault(field, found)
        return True

    return move


def messages(field: str, name: str, role: str) -> Mover:
    """A JSON list of messages, which may begin with the one that was sent before."""

    def build(value: str) -> tuple[Message, ...]:
        return messages_of(parsed(value), role)

    def move(moved: Moved, value: Json) -> bool:
        if type(value) is not str or not value.startswith("["):
            return False
        key = (moved.span.trace_id, f"{moved.span.parent_id}{name}")
        found = moved.recall.grown(key, value, build)
        moved.fields[field] = found
        return bool(found)

    return move


def arguments(moved: Moved, value: Json) -> bool:
    found = arguments_of(value) if type(value) is str else None
    moved.fields["arguments"] = found
    return isinstance(found, dict) and bool(found)


def result(moved: Moved, value: Json) -> bool:
    found = unwrap(value)
    moved.fields["result"] = found.value
    plain = type(value) is str and not found.failed and found.call_id is None
    return plain and bool(found.value)
