"""The part of a span that was sent with the span before it, found as bytes and read once.

Clients that flatten a conversation into attributes send all of it with every call. What a trace
sent before is recognised in the raw span, taken out, and not parsed again.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

from waypost.records import Json, Message

_PREFIXES: Final = (b"llm.input_messages.", b"gen_ai.input.messages.", b"gen_ai.prompt.")
_SMALLEST: Final = 4_096
_DIGITS: Final = 4
_LIMIT: Final = 36 << 20
Chain: TypeAlias = tuple["Chain | None", dict[str, Json]]
_ATTRIBUTE: Final = 0x4A  # field 9 of a span, of bytes
_NAME: Final = 0x0A  # field 1 of an attribute, of bytes
_FIXED: Final = {1: 8, 5: 4}


class Run:
    """Consecutive attributes of one flattened list, as bytes, as values and as messages.

    The values are a chain of what each span brought: a conversation of n calls copies nothing.
    """

    __slots__ = ("chain", "count", "last", "messages", "prefix", "raw")

    def __init__(
        self, prefix: str, raw: bytes, last: int, fresh: dict[str, Json], base: "Run | None"
    ) -> None:
        self.prefix = prefix
        self.raw = raw
        self.last = last
        self.chain: Chain = (base.chain if base is not None else None, fresh)
        if base is not None and not fresh:
            self.chain = base.chain
        self.count: int = len(fresh) + (base.count if base is not None else 0)
        self.messages: tuple[Message, ...] | None = None

    @property
    def pairs(self) -> dict[str, Json]:
        """All values, in the order they were sent in."""
        parts: list[dict[str, Json]] = []
        chain: Chain | None = self.chain
        while chain is not None:
            chain, fresh = chain
            parts.append(fresh)
        return {k: v for part in reversed(parts) for k, v in part.items()}


class RunAttributes(dict[str, Json]):
    """The attributes of a span without those that `base` holds; `run` holds both."""

    __slots__ = ("base", "run")

    def __init__(self, values: dict[str, Json], base: Run | None, run: Run) -> None:
        super().__init__(values)
        self.base = base
        self.run = run


class Known(NamedTuple):
    """A run that lies in a span, and where."""

    run: Run
    at: int

    def without(self, raw: bytes) -> bytes:
        """The bytes of the span less those of the run."""
        return raw[: self.at] + raw[self.at + len(self.run.raw) :]


class Runs:
    """The latest run of each trace, bounded in bytes."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._size = 0
        self._known: OrderedDict[bytes, Run] = OrderedDict()

    def known_in(self, raw: bytes) -> Known | None:
        """The run of this span's trace, if it lies in this span."""
        if len(raw) < _SMALLEST or raw[:2] != b"\x0a\x10":
            return None
        run = self._known.get(raw[2:18])
        if run is None:
            return None
        at = _first(raw, run.prefix.encode())
        return Known(run, at) if at is not None and raw.startswith(run.raw, at) else None

    def learn(self, raw: bytes, known: Known | None, values: dict[str, Json]) -> Run | None:
        """The run in a span, longer than the one `known` in it; None if there is none."""
        base = known.run if known is not None else None
        if base is None or known is None:
            first = _prefix_in(raw)
            found = _first(raw, first) if first is not None else None
            if first is None or found is None:
                return None
            prefix, start, end = first, found, found
        else:
            prefix, start = base.prefix.encode(), known.at
            end = start + len(base.raw)
        end, count = _last(raw, end, prefix)
        name = prefix.decode()
        fresh = {k: v for k, v in values.items() if k.startswith(name)}
        if len(fresh) != count:  # some lie elsewhere in the span
            return None
        before = base.last if base is not None else -1
        last = before
        for index in {_index(k, len(name)) for k in fresh}:
            if (
                not (index.isascii() and index.isdigit())
                or len(index) > _DIGITS
                or int(index) <= before
            ):
                return None
            last = max(last, int(index))
        run = Run(name, raw[start:end], last, fresh, base)
        self._keep(raw[2:18], run)
        return run

    def _keep(self, trace: bytes, run: Run) -> None:
        known = self._known.pop(trace, None)
        self._size += 3 * (len(run.raw) - (len(known.raw) if known else 0))
        self._known[trace] = run
        while self._size > self._limit and self._known:
            _, gone = self._known.popitem(last=False)
            self._size -= 3 * len(gone.raw)


def holds_list(body: bytes) -> bool:
    """Whether a request or a span has a flattened list of messages at all."""
    return _prefix_in(body) is not None


def _prefix_in(body: bytes) -> bytes | None:
    # `gen_ai.prompt.version` begins like a list too.
    return next((p for p in _PREFIXES if p + b"0." in body), None)


def _index(key: str, start: int) -> str:
    return key[start : key.find(".", start)]


def _first(raw: bytes, prefix: bytes) -> int | None:
    """Where the first attribute begins whose key begins so."""
    if len(raw) < _SMALLEST or raw[:2] != b"\x0a\x10":
        return None
    at = 0
    for end, key in _fields(raw, 0):
        if key and raw.startswith(prefix, key):
            return at
        at = end
    return None


def _last(raw: bytes, at: int, prefix: bytes) -> tuple[int, int]:
    """Where the attributes that bear this name end, and how many they are."""
    count = 0
    for end, key in _fields(raw, at):
        if not key or not raw.startswith(prefix, key):
            break
        at, count = end, count + 1
    return at, count


def _fields(raw: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Where each field from here on ends, and where its key begins if it is an attribute, else 0.

    Ends at what is no field. Lengths of one or two bytes, as nearly all are, are read without a
    call.
    """
    last = len(raw)
    while at < last:
        tag = raw[at]
        if tag == _ATTRIBUTE and at + 5 < last:
            size, start = raw[at + 1], at + 2
            if size >= 0x80:
                size, start = (size & 0x7F) + (raw[at + 2] << 7), at + 3
                if raw[at + 2] >= 0x80:
                    size, start = _length(raw, at + 1)
        else:
            size, start = _size_of(raw, at)
        at = start + size
        if start <= 0 or at > last:
            return
        is_named = tag == _ATTRIBUTE and size > 2 and raw[start] == _NAME and raw[start + 1] < 0x80
        yield at, start + 2 if is_named else 0


def _size_of(raw: bytes, at: int) -> tuple[int, int]:
    """How long the content of a field is and where it begins; -1 for kinds spans do not have."""
    wire = raw[at] & 7
    if raw[at] & 0x80:
        return 0, -1
    if wire == 2:
        return _length(raw, at + 1)
    if wire == 0:
        return 0, _length(raw, at + 1)[1]
    return (_FIXED[wire], at + 1) if wire in _FIXED else (0, -1)


def _length(raw: bytes, at: int) -> tuple[int, int]:
    """A varint and where it ends; -1 for the place when it does not end."""
    value = shift = 0
    while at < len(raw) and shift < 64:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    return 0, -1
