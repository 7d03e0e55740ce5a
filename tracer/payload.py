"""Arguments, results and messages as JSON text: safe, bounded, and clean before they leave."""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from datetime import date, time
from enum import Enum
from pathlib import PurePath
from typing import Any, Final, NamedTuple, Protocol, TypeVar
from uuid import UUID

from tracer.options import Redact
from tracer.shield import attempt
from waypost import names
from waypost.records import Json
from waypost.redact import Counts, Redactor, merge_counts

T = TypeVar("T")

_DEPTH: Final = 32
_REPR: Final = 1024
_ERROR_MESSAGE: Final = 4096
_SEPARATORS: Final = (",", ":")


class Cleaner(Protocol):
    """Takes secrets out of a text and counts them."""

    def text(self, text: str) -> tuple[str, Counts]: ...


class Custom:
    """The user's own redaction, applied to each text; where it raises, the text is withheld."""

    def __init__(self, clean: Callable[[str], str]) -> None:
        self._clean = clean

    def text(self, text: str) -> tuple[str, Counts]:
        """The text the user's function makes of a plain text or of every text in a JSON one."""
        counts: Counts = {}
        value = _parsed(text)
        if value is None:
            return self._one(text, counts), counts
        clean = self._walk(value, counts)
        return (_dump(clean), counts) if counts else (text, counts)

    def _walk(self, value: Json, counts: Counts) -> Json:
        if isinstance(value, str):
            return self._one(value, counts)
        if isinstance(value, list):
            return [self._walk(item, counts) for item in value]
        if isinstance(value, dict):
            return {name: self._walk(item, counts) for name, item in value.items()}
        return value

    def _one(self, text: str, counts: Counts) -> str:
        clean = str(attempt(self._clean, text, otherwise="[WITHHELD]"))
        if clean != text:
            counts["CUSTOM"] = counts.get("CUSTOM", 0) + 1
        return clean


class Piece(NamedTuple):
    """A text ready to leave: how much was taken out of it, and its size if it was cut."""

    text: str
    counts: Counts
    cut_from: int = 0


_UNREADABLE: Final = Piece('{"unreadable":true}', {})


class Draft:
    """Attributes of one span in the making, with what was cut and redacted in them."""

    __slots__ = ("attributes", "counts", "cut")

    def __init__(self, attributes: dict[str, object] | None = None) -> None:
        self.attributes: dict[str, object] = attributes if attributes is not None else {}
        self.counts: Counts = {}
        self.cut: list[str] = []

    def put(self, name: str, piece: Piece | None) -> None:
        """Write one piece of content and note what happened to it."""
        if piece is None:
            return
        self.attributes[name] = piece.text
        merge_counts(self.counts, piece.counts)
        if piece.cut_from:
            self.cut.append(f"{name}={piece.cut_from}")

    def seal(self) -> dict[str, object]:
        """All attributes, the notes about cuts and redactions among them."""
        if self.counts:
            self.attributes[names.REDACTED] = [f"{k}={n}" for k, n in sorted(self.counts.items())]
        if self.cut:
            self.attributes[names.TRUNCATED] = list(self.cut)
        return self.attributes


class Content:
    """Makes pieces of values: what may leave this process, and in which size."""

    __slots__ = ("_cleaner", "enabled", "limit")

    def __init__(
        self, redact: Redact = "standard", *, key: bytes | None = None, limit: int = 262_144,
        enabled: bool = True,
    ) -> None:  # fmt: skip
        self._cleaner: Cleaner | None = None
        if callable(redact):
            self._cleaner = Custom(redact)
        elif redact != "off":
            self._cleaner = Redactor(redact, key=key)
        self.limit = limit
        self.enabled = enabled

    def text(self, text: str) -> Piece | None:
        """A text as it is, cut at a character where it is too long."""
        if not self.enabled:
            return None
        return attempt(self._text, text, otherwise=_UNREADABLE)

    def _text(self, text: str) -> Piece:
        size = 0
        if len(text) * 4 > self.limit:
            text, size = _cut(text, self.limit + 256)
        return self._clean(text, size)

    def json(self, value: object) -> Piece | None:
        """Any value as compact JSON; what is too long is cut inside its longest texts."""
        if not self.enabled:
            return None
        return attempt(self._json, value, otherwise=_UNREADABLE)

    def _json(self, value: object) -> Piece:
        text, size = self._dump(value)
        return self._clean(text, size)

    def answer(self, shape: dict[str, Any], known: Piece) -> Piece:
        """A tool's message whose text is clean already: only dumped, not looked through again."""
        shape["parts"][0]["response"] = known.text
        return Piece(_dump(shape), known.counts)

    def result(self, value: object) -> Piece | None:
        """A text as it is, anything else as JSON."""
        return self.text(value) if isinstance(value, str) else self.json(value)

    def message(self, text: str) -> str:
        """An error's message: short, clean, and there even when content is not recorded."""
        clean = _encodable(text[:_ERROR_MESSAGE])
        return self._cleaner.text(clean)[0] if self._cleaner else clean

    def _dump(self, value: object) -> tuple[str, int]:
        if _has_giant(value, self.limit):
            return self._shrunk(value)
        try:
            text = json.dumps(
                value, ensure_ascii=False, separators=_SEPARATORS, allow_nan=False, default=_plain
            )
        except (TypeError, ValueError, RecursionError):
            text = _dump(safe(value))
        if len(text) * 4 > self.limit and _bytes(text) > self.limit:
            return self._shrunk(value)
        return text, 0

    def _shrunk(self, value: object) -> tuple[str, int]:
        """JSON that fits, by cutting the longest texts shorter and shorter."""
        size = 0
        for share, items in ((4, 10_000), (16, 2_000), (128, 500), (1024, 100)):
            walk = _Safe(self.limit // share, items)
            text = _dump(walk.json(value, _DEPTH, ()))
            now = _bytes(text)
            size = size or now + walk.left_out
            if now <= self.limit:
                return text, size
        return _dump({"cut": text[: self.limit // 8]}), size

    def _clean(self, text: str, size: int) -> Piece:
        if self._cleaner is None:
            counts: Counts = {}
        else:
            text, counts = self._cleaner.text(text)
        if len(text) * 4 > self.limit and _bytes(text) > self.limit:
            text, whole = _cut(text, self.limit)
            size = size or whole
        return Piece(_encodable(text), counts, size)


def safe(value: object) -> Json:
    """Any value as JSON: loops, depth, strange keys, huge texts and hostile objects included."""
    return _Safe(65_536, 10_000).json(value, _DEPTH, ())


class _Safe:
    """Walks a value that may be anything, cutting what is too long."""

    __slots__ = ("items", "left_out", "longest")

    def __init__(self, longest: int, items: int) -> None:
        self.longest = longest
        self.items = items
        self.left_out = 0

    def json(self, value: object, depth: int, above: tuple[int, ...]) -> Json:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if id(value) in above:
            return "<circular>"
        if depth <= 0:
            return f"<{type(value).__name__} too deep>"
        return self._inside(value, depth - 1, (*above, id(value)))

    def _inside(self, value: object, depth: int, above: tuple[int, ...]) -> Json:
        if isinstance(value, Mapping):
            pairs = self._few(list(value.items()))
            return {_key(name): self.json(item, depth, above) for name, item in pairs}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.json(item, depth, above) for item in self._few(list(value))]
        return self.json(_plain(value), depth, above)

    def _few(self, found: list[T]) -> list[T]:
        if len(found) <= self.items:
            return found
        self.left_out += sum(len(i) if isinstance(i, str) else 8 for i in found[self.items :])
        return found[: self.items]

    def _text(self, text: str) -> str:
        if len(text) <= self.longest:
            return _encodable(text)
        self.left_out += len(text) - self.longest
        return _encodable(text[: self.longest]) + "…"


def _plain(value: object) -> object:
    """What stands for an object that JSON does not know."""
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date | time | UUID | PurePath):
        return str(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name, None) for f in dataclasses.fields(value)}
    dump = getattr(type(value), "model_dump", None)
    if callable(dump):
        return attempt(dump, value, otherwise=None) or represent(value)
    return represent(value)


def represent(value: object) -> str:
    """A short `repr`, also of an object whose `repr` raises."""
    return attempt(repr, value, otherwise=f"<{type(value).__name__}>")[:_REPR]


def _key(name: object) -> str:
    """A name as JSON writes it."""
    if isinstance(name, str):
        return _encodable(name)
    if name is None or isinstance(name, bool | int):
        return json.dumps(name)
    return represent(name)


def _encodable(text: str) -> str:
    """Lone surrogates cannot be sent."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _dump(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=_SEPARATORS)


def _parsed(text: str) -> Json:
    if text[:1] not in ("{", "["):
        return None
    try:
        value: Json = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def _has_giant(value: object, limit: int) -> bool:
    """Whether one of the nearest texts alone is too long, so that dumping it would be waste."""
    if isinstance(value, str):
        return len(value) > limit
    if isinstance(value, Mapping):
        return any(isinstance(item, str) and len(item) > limit for item in value.values())
    if isinstance(value, list | tuple):
        return any(_has_giant(item, limit) for item in value if not isinstance(item, list | tuple))
    return False


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _cut(text: str, limit: int) -> tuple[str, int]:
    """The text in at most `limit` bytes, ended at a character, and its size if it was cut."""
    if text.isascii():
        return (text[:limit], len(text)) if len(text) > limit else (text, 0)
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return text, 0
    return data[:limit].decode("utf-8", "ignore"), len(data)
