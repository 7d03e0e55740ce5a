"""Writes each message once: what of a model's input is new since an earlier step."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter, is_
from typing import Any, Final, NamedTuple

from tracer.payload import Piece

_CANDIDATES: Final = 4
_content: Final = attrgetter("content")


class Entry:
    """A message as it was written, kept with the object so that its id stays its own."""

    __slots__ = ("calls", "content", "message", "piece")

    def __init__(self, message: Any, piece: Piece) -> None:
        self.message = message
        self.content = message.content
        self.calls = getattr(message, "tool_calls", None)
        self.piece = piece

    def holds(self, message: Any) -> bool:
        """Whether the message is still what was written: the same object with the same parts."""
        return (
            self.message is message
            and self.content is message.content
            and self.calls is getattr(message, "tool_calls", None)
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entry) and self.piece.text == other.piece.text

    __hash__ = None  # type: ignore[assignment]  # entries are compared, never looked up


@dataclass(slots=True)
class Input:
    """The whole input of one earlier model step, by reference."""

    number: int
    raw: list[Any]
    contents: list[Any]
    calls: list[Any]
    entries: list[Entry]

    def continues_in(self, messages: Sequence[Any]) -> bool:
        """Whether these messages begin with the very same objects, unchanged."""
        size = len(self.raw)
        return (
            len(messages) >= size
            and all(map(is_, self.raw, messages))
            and all(map(is_, self.contents, map(_content, messages)))
            and all(e.calls is e.message.tool_calls for e in self.calls)
        )


class Delta(NamedTuple):
    """What to write for one model step; without a base it is the whole input."""

    entries: list[Entry]
    new: list[Entry]
    base: int | None
    keep: int


class History:
    """The messages of one trajectory that were already written."""

    __slots__ = ("_clean", "_entries", "_write")

    def __init__(self, write: Callable[[Any], Piece]) -> None:
        self._write = write
        self._entries: dict[int, Entry] = {}
        self._clean: dict[int, tuple[str, Piece]] = {}

    def entry(self, message: Any) -> Entry:
        """The message's JSON, made once for as long as the message does not change."""
        found = self._entries.get(id(message))
        if found is None or not found.holds(message):
            found = Entry(message, self._write(message))
            self._entries[id(message)] = found
        return found

    def cleaned(self, text: str, piece: Piece | None) -> None:
        """Remember what became of a tool's result; the same text comes again in a message."""
        if piece is not None and not piece.cut_from:
            self._clean[id(text)] = (text, piece)

    def clean(self, text: object) -> Piece | None:
        """What became of this very text before, if it was seen."""
        known = self._clean.pop(id(text), None)
        return known[1] if known is not None and known[0] is text else None

    def forget(self) -> None:
        self._entries.clear()
        self._clean.clear()


class Window:
    """The last inputs of one scope, against which the next one is written."""

    __slots__ = ("_every", "_history", "_inputs", "_limit", "_since_keyframe")

    def __init__(self, history: History, every: int, limit: int) -> None:
        self._history = history
        self._inputs: deque[Input] = deque(maxlen=_CANDIDATES)
        self._since_keyframe = 0
        self._every = every
        self._limit = limit

    def unseen(self, messages: Sequence[Any]) -> Sequence[Any]:
        """The messages behind the last input that these continue; all of them if none."""
        last = self._continued(messages)
        return messages[len(last.raw) :] if last else messages

    def add(self, number: int, messages: Sequence[Any]) -> Delta:
        """Take the next input and say how to write it."""
        last = self._continued(messages)
        base: int | None
        if last is not None:
            entries = last.entries + [self._history.entry(m) for m in messages[len(last.raw) :]]
            base, keep = last.number, len(last.raw)
        else:
            entries = [self._history.entry(m) for m in messages]
            base, keep = self._nearest(entries)
        delta = self._decide(entries, base, keep)
        self._remember(number, messages, entries)
        return delta

    def _decide(self, entries: list[Entry], base: int | None, keep: int) -> Delta:
        if base is None or (self._is_due() and self._fits(entries)):
            self._since_keyframe = 0
            return Delta(entries, entries, None, 0)
        self._since_keyframe += 1
        return Delta(entries, entries[keep:], base, keep)

    def _is_due(self) -> bool:
        return self._since_keyframe + 1 >= self._every

    def _fits(self, entries: list[Entry]) -> bool:
        """Whether the whole input may be one attribute: cut it would be lost, a delta is not.

        Who asks for whole inputs gets them, however long.
        """
        if self._every == 1:
            return True
        return sum(len(e.piece.text.encode("utf-8", "replace")) + 1 for e in entries) < self._limit

    def _continued(self, messages: Sequence[Any]) -> Input | None:
        longest: Input | None = None
        for earlier in reversed(self._inputs):
            longer = longest is None or len(earlier.raw) > len(longest.raw)
            if earlier.raw and longer and earlier.continues_in(messages):
                longest = earlier
        return longest

    def _nearest(self, entries: list[Entry]) -> tuple[int | None, int]:
        """The earlier input that shares the longest beginning, message by message."""
        best: tuple[int | None, int] = (None, 0)
        for earlier in reversed(self._inputs):
            keep = 0
            for one, other in zip(earlier.entries, entries, strict=False):
                if one is not other and one != other:
                    break
                keep += 1
            if keep > best[1]:
                best = (earlier.number, keep)
        return best

    def _remember(self, number: int, messages: Sequence[Any], entries: list[Entry]) -> None:
        contents = list(map(_content, messages))
        calls = [e for e in entries if e.calls is not None]
        self._inputs.append(Input(number, list(messages), contents, calls, entries))
