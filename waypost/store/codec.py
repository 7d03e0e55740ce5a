"""Steps and messages as bytes: what a row holds, and the way back."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from itertools import compress
from operator import attrgetter, is_not
from typing import Any, cast

import orjson
import zstandard

from waypost.canon import canonical_message, digest
from waypost.records import (
    Document,
    Fault,
    Guard,
    Human,
    Json,
    Kind,
    Link,
    Memory,
    Message,
    Status,
    Step,
    Tokens,
)

RAW, ZSTD = 0, 1
_SMALL = 200
_QUICK = 4_096
_LARGE = 65_536
INLINE = 512
COLUMN_TEXT = 512
HASH_BYTES = 16
KINDS = tuple(Kind)
STATUSES = tuple(Status)
KIND_CODE = {kind: code for code, kind in enumerate(KINDS)}
STATUS_CODE = {status: code for code, status in enumerate(STATUSES)}

_COLUMNS = frozenset(
    {
        "trace_id", "span_id", "parent_id", "started_at", "ended_at", "kind", "status", "marker",
        "name", "tool", "model", "prompt_version", "cost_usd", "input", "output", "tokens",
    }
)  # fmt: skip
_LONG = ("system", "tools", "arguments", "result", "documents", "resource")
NESTED: Mapping[str, Callable[[Any], object]] = {
    "error": lambda v: Fault(**v),
    "guard": lambda v: Guard(**v),
    "human": lambda v: Human(**v),
    "memory": lambda v: Memory(**{**v, "records": tuple(v.get("records", ()))}),
    "documents": lambda v: tuple(Document(**d) for d in v),
    "links": lambda v: tuple(Link(**one) for one in v),
    "fallbacks": tuple,
    "notes": tuple,
    "system": tuple,
    "tools": tuple,
}
_DEFAULTS = {
    f.name: f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default
    for f in dataclasses.fields(Step)
    if f.name not in _COLUMNS
}

_NAMES, _VALUES = tuple(_DEFAULTS), tuple(_DEFAULTS.values())
_SIMPLE = frozenset({str, int, float, bool, dict})
_fields = attrgetter(*_NAMES)


class Codec:
    """Compresses and restores bodies; not for use by two threads at once."""

    def __init__(self) -> None:
        self._quick = zstandard.ZstdCompressor(level=1, write_content_size=True)
        self._press = zstandard.ZstdCompressor(level=3, write_content_size=True)
        self._restore = zstandard.ZstdDecompressor()

    def press(self, body: bytes) -> tuple[int, bytes]:
        """The encoding and the bytes to store."""
        if len(body) < _SMALL:
            return RAW, body
        # A small body comes out as small at twice the speed.
        return ZSTD, (self._quick if len(body) < _QUICK else self._press).compress(body)

    def press_all(self, bodies: Sequence[bytes]) -> list[tuple[int, bytes]]:
        """As `press`, of all in one go.

        Each compression gives the interpreter away, and beside a busy thread it takes 5 ms to get
        it back: one by one, a thousand bodies would take seconds.
        """
        sizes = list(map(len, bodies))
        quick = [at for at, size in enumerate(sizes) if _SMALL <= size < _QUICK]
        others = [at for at, size in enumerate(sizes) if _QUICK <= size < _LARGE]
        found = [self.press(b) if len(b) >= _LARGE else (RAW, b) for b in bodies]
        for compressor, places in ((self._quick, quick), (self._press, others)):
            if places:
                made = compressor.multi_compress_to_buffer([bodies[at] for at in places])
                for n, at in enumerate(places):
                    found[at] = (ZSTD, made[n].tobytes())
        return found

    def restore(self, enc: int, body: bytes) -> bytes:
        return body if enc == RAW else self._restore.decompress(body)

    def restore_all(self, given: Sequence[tuple[int, bytes]]) -> list[bytes]:
        """As `restore`, of all in one go and for the same reason."""
        found = [body for _, body in given]
        places = [at for at, (enc, _) in enumerate(given) if enc != RAW]
        if places:
            made = self._restore.multi_decompress_to_buffer([found[at] for at in places])
            for n, at in enumerate(places):
                found[at] = made[n].tobytes()
        return found


class Bodies:
    """The bodies a step refers to, each once: hash → canonical bytes."""

    def __init__(self) -> None:
        self.by_hash: dict[bytes, bytes] = {}

    def put(self, body: bytes) -> bytes:
        name = digest(body)
        self.by_hash[name] = body
        return name

    def without(self, known: Set[bytes]) -> dict[bytes, bytes]:
        """The bodies whose hashes are not among the known ones."""
        return {name: body for name, body in self.by_hash.items() if name not in known}

    def put_messages(self, messages: Iterable[Message]) -> bytes:
        """The hashes of these messages, end to end."""
        return b"".join([self.put(canonical_message(m)) for m in messages])

    def put_named(
        self, messages: Iterable[Message], names: Iterable[bytes], fresh: "Bodies"
    ) -> None:
        """Messages whose hashes are known; some of their bodies may be among the fresh ones."""
        for message, name in zip(messages, names, strict=True):
            body = fresh.by_hash.get(name)
            self.by_hash[name] = canonical_message(message) if body is None else body


class Names:
    """The hashes of messages seen lately, by identity.

    A history of n messages comes with each of n steps, mostly as the same objects. A strong
    reference is kept, so an identity cannot be reused.
    """

    def __init__(self, limit: int = 16 << 20) -> None:
        self._limit = limit
        self._size = 0
        self._known: dict[int, bytes] = {}
        self._held: list[Message] = []

    def of(self, messages: Sequence[Message], bodies: Bodies) -> list[bytes]:
        """The hash of each message; those seen for the first time become bodies at once."""
        if self._size > self._limit:
            self._known.clear()
            self._held.clear()
            self._size = 0
        known = self._known
        names = list(map(known.get, map(id, messages)))
        first = names.index(None) if None in names else len(names)
        for at, message in enumerate(messages[first:], first):  # what is new comes last
            if id(message) not in known:
                body = canonical_message(message)
                known[id(message)] = bodies.put(body)
                self._held.append(message)
                self._size += 500 + len(body)
            names[at] = known[id(message)]
        return cast("list[bytes]", names)


def pack_detail(step: Step, bodies: Bodies) -> bytes:
    """What the columns do not hold, as canonical JSON; long payloads go to `bodies` by hash."""
    held: dict[str, Json] = {}
    refs: dict[str, Json] = {}
    values: tuple[Any, ...] = _fields(step)
    given = zip(_NAMES, values, _VALUES, strict=True)
    for name, value, default in compress(given, map(is_not, values, _VALUES)):
        if value == default:
            continue
        plain: Json = value if type(value) in _SIMPLE else _plain(value)
        if name in _LONG:
            body = orjson.dumps(plain, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
            if len(body) > INLINE or name == "resource":
                refs[name] = bodies.put(body).hex()
                continue
        held[name] = plain
    for name in ("name", "tool", "prompt_version"):
        text = getattr(step, name)
        if text and len(text) > COLUMN_TEXT:
            held[name] = text
    if (step.model is None and step.model_requested) or len(step.model or "") > COLUMN_TEXT:
        held["model"] = step.model
    tokens = step.tokens
    extra = [tokens.cache_read, tokens.cache_write, tokens.reasoning]
    if any(v is not None for v in extra):
        held["tokens"] = cast("Json", extra)
    if refs:
        held["refs"] = refs
    return orjson.dumps(held, option=orjson.OPT_NON_STR_KEYS)


def _plain(value: object) -> Json:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {f.name: _plain(getattr(value, f.name)) for f in fields if _set(value, f)}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, Mapping):
        return dict(value)
    return cast("Json", value)


def _set(value: object, item: "dataclasses.Field[Any]") -> bool:
    """Whether a field must be kept: it has no default, or is not at it."""
    given = getattr(value, item.name)
    if item.default is not dataclasses.MISSING:
        return bool(given != item.default)
    return item.default_factory is dataclasses.MISSING or bool(given)


def refs_of(detail: Mapping[str, Json]) -> Mapping[str, str]:
    """The payloads of a detail that lie in the message table: field → hash in hex."""
    refs = detail.get("refs")
    return cast("Mapping[str, str]", refs) if isinstance(refs, dict) else {}


def unpack_detail(detail: dict[str, Json], value_of: Callable[[bytes], Json]) -> Any:
    """The keyword arguments of Step in a detail; a payload whose body is gone is noted."""
    fields: dict[str, Any] = {}
    missing = []
    for name, ref in refs_of(detail).items():
        value = value_of(bytes.fromhex(ref))
        if value is None:
            missing.append(f"missing={name}")
        else:
            detail[name] = value
    for name, value in detail.items():
        if name in _DEFAULTS:
            build = NESTED.get(name)
            fields[name] = value if build is None or value is None else build(value)
    if missing:
        fields["notes"] = (*fields.get("notes", ()), *missing)
    return fields


def unpack_tokens(
    tokens_in: int | None, tokens_out: int | None, detail: Mapping[str, Json]
) -> Tokens:
    extra = detail.get("tokens")
    read, write, reasoning = (
        cast("list[int | None]", extra) if isinstance(extra, list) else [None] * 3
    )
    return Tokens(tokens_in, tokens_out, read, write, reasoning)


def split_hashes(joined: bytes | None) -> list[bytes]:
    """The hashes in a column that holds them end to end."""
    if not joined:
        return []
    return [joined[i : i + HASH_BYTES] for i in range(0, len(joined), HASH_BYTES)]
