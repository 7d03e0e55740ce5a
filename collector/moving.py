"""What differs from one step of an agent to the next, and how its plain values are read.

A mover reads one attribute into the fields of a step, exactly as the long way would; it says False
to a value that is not plain, and then the long way is taken.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeGuard

from collector.reading.arguments import arguments_of
from collector.reading.draft import Draft
from collector.reading.genai import NO_CALL
from collector.reading.indexed import read_messages
from collector.reading.messages import messages_of
from collector.reading.results import unwrap
from collector.reading.values import as_text, parsed
from waypost import names
from waypost.records import Json, Message

_TOKENS_LIMIT = 2**31


# Reads one attribute into a draft, which has the kind of the pattern and nothing else of it.
Mover: TypeAlias = Callable[[Draft, Json], bool]


def number(field: str, least: int = 1) -> Mover:
    def move(draft: Draft, value: Json) -> bool:
        if type(value) is not int or not least <= value < _TOKENS_LIMIT:
            return False
        draft.fields[field] = value
        return True

    return move


def tokens(field: str) -> Mover:
    def move(draft: Draft, value: Json) -> bool:
        if not _is_count(value):
            return False
        draft.tokens[field] = value
        return True

    return move


def cached(field: str) -> Mover:
    """A part of the input, unless the parts are more than it and were counted beside it."""
    move = tokens(field)

    def within(draft: Draft, value: Json) -> bool:
        told = map(draft.attributes.get, (names.TOKENS_CACHE_READ, names.TOKENS_CACHE_WRITE))
        whole = draft.attributes.get(names.TOKENS_IN)
        parts = sum(part for part in told if _is_count(part))
        return (not _is_count(whole) or parts <= whole) and move(draft, value)

    return within


def kept(_: Draft, value: Json) -> bool:
    """A count that is kept as it came, and nothing is read from it."""
    return _is_count(value)


def total(draft: Draft, value: Json) -> bool:
    """A sum that is kept as it came, unless it tells of a cache counted beside the input."""
    parts = draft.attributes.get(names.TOKENS_IN), draft.attributes.get(names.TOKENS_OUT)
    told = [part for part in parts if _is_count(part)]
    return _is_count(value) and value <= sum(told)


def _is_count(value: Json) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < _TOKENS_LIMIT


@dataclass(frozen=True, slots=True)
class Name:
    """A text that becomes a field of its own; with `gap` only where no other attribute gives it.

    Where a `shape` is given, the whole text has it.
    """

    field: str
    gap: bool = False
    unless: str = ""
    shape: re.Pattern[str] | None = None

    def __call__(self, draft: Draft, value: Json) -> bool:
        found = as_text(value) if type(value) is str else None
        if found is None or found == self.unless:
            return False
        if self.shape is not None and self.shape.fullmatch(str(value)) is None:
            return False
        if not self.gap:
            draft.fields[self.field] = found
        else:
            draft.fields.setdefault(self.field, found)
        return True


def messages(field: str, role: str, *, grows: str = "") -> Mover:
    """A JSON list of messages; the attribute named by `grows` begins with what it said before."""

    def build(value: str) -> tuple[Message, ...]:
        return messages_of(parsed(value), role)

    def move(draft: Draft, value: Json) -> bool:
        if type(value) is not str or not value.startswith("["):
            return False
        if grows:
            key = (draft.span.trace_id, f"{draft.span.parent_id}{grows}")
            found = draft.recall.grown(key, value, build)
        else:
            found = build(value)
        draft.fields[field] = found
        return bool(found)

    return move


def flattened(draft: Draft, lists: Mapping[str, str]) -> int:
    """Read flattened messages, each list into its field; how many attributes they lay in.

    -1 if one of the lists holds no message.
    """
    for prefix, field in lists.items():
        read_messages(draft, field, prefix)
    return len(draft.taken) if draft.fields.keys() >= set(lists.values()) else -1


def arguments(draft: Draft, value: Json) -> bool:
    found = arguments_of(value) if type(value) is str else None
    draft.fields["arguments"] = found
    return isinstance(found, dict) and bool(found)


def result(draft: Draft, value: Json) -> bool:
    found = unwrap(value)
    draft.fields["result"] = found.value
    plain = type(value) is str and not found.failed and found.call_id is None
    return plain and bool(found.value)


# By the names of the GenAI conventions and those they borrow.
GENAI: Final[Mapping[str, Mover]] = {
    names.SESSION: Name("session"),
    names.CONVERSATION: Name("session", gap=True),
    names.USER: Name("user"),
    names.TOKENS_IN: tokens("input"),
    names.TOKENS_OUT: tokens("output"),
    names.TOKENS_CACHE_READ: cached("cache_read"),
    names.TOKENS_CACHE_WRITE: cached("cache_write"),
    names.TOKENS_REASONING: tokens("reasoning"),
    names.RESPONSE_ID: Name("response_id"),
    names.INPUT: messages("input", "user", grows=names.INPUT),
    names.OUTPUT: messages("output", "assistant", grows=names.OUTPUT),
    names.TOOL_CALL_ID: Name("call_id", unless=NO_CALL),
    names.TOOL_ARGUMENTS: arguments,
    names.TOOL_RESULT: result,
    "gen_ai.usage.total_tokens": total,
}
