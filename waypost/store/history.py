"""Which earlier step an input continues and which bodies a trace has, so that only news is sent."""

import datetime as dt
from collections import OrderedDict
from collections.abc import Iterable, Set
from dataclasses import dataclass

from waypost.store.codec import HASH_BYTES

KEYFRAME_EVERY = 64
_CONTEXTS = 6
_ROW_BYTES = 200
_MOST_NAMES = 100_000
_NONE: frozenset[bytes] = frozenset()
TraceKey = tuple[int, str]
DayKey = tuple[TraceKey, dt.date]


@dataclass(frozen=True, slots=True)
class Context:
    """The input of one stored step: its hashes end to end, and how long its chain is."""

    span_id: str
    day: dt.date
    hashes: bytes
    depth: int


@dataclass(frozen=True, slots=True)
class Delta:
    """An input as the first `keep` messages of `base` and the hashes that follow."""

    base: str | None
    keep: int
    add: bytes
    depth: int


class History:
    """The latest inputs and bodies by trace, bounded; losing them costs bytes, nothing else.

    What a batch adds counts only after `confirm`, because a base must be a committed row.
    """

    def __init__(self, limit: int = 32 << 20) -> None:
        self._limit = limit
        self._size = 0
        self._kept: OrderedDict[TraceKey, list[Context]] = OrderedDict()
        self._staged: dict[TraceKey, list[Context]] = {}
        self._stored: OrderedDict[DayKey, set[bytes]] = OrderedDict()
        self._sent: dict[DayKey, set[bytes]] = {}
        self._names = 0

    def stored(self, trace: TraceKey, day: dt.date) -> Set[bytes]:
        """The bodies that this trace is known to have on that day."""
        return self._stored.get((trace, day), _NONE)

    def send(self, trace: TraceKey, day: dt.date, names: Iterable[bytes]) -> None:
        """These bodies are among what the batch in hand writes."""
        self._sent.setdefault((trace, day), set()).update(names)

    def delta(self, trace: TraceKey, day: dt.date, hashes: bytes) -> Delta:
        """The shortest way to write an input, given what is already known of its trace."""
        best, keep = None, 0
        for context in (*self._staged.get(trace, ()), *self._kept.get(trace, ())):
            if context.day != day or len(context.hashes) <= keep * HASH_BYTES:
                continue
            common = common_hashes(context.hashes, hashes)
            if common > keep:
                best, keep = context, common
        if best is None or best.depth + 1 >= KEYFRAME_EVERY:
            return Delta(None, 0, hashes, 0)
        return Delta(best.span_id, keep, hashes[keep * HASH_BYTES :], best.depth + 1)

    def stage(self, trace: TraceKey, context: Context) -> None:
        """Offer a step of the batch in hand as a base for the steps after it."""
        self._staged.setdefault(trace, []).insert(0, context)

    def confirm(self) -> None:
        """The batch is committed: its steps may serve as bases from now on."""
        for trace, contexts in self._staged.items():
            known = self._kept.pop(trace, [])
            merged = (contexts + known)[:_CONTEXTS]
            self._kept[trace] = merged
            self._size += _bytes(merged) - _bytes(known)
        self._staged = {}
        while self._size > self._limit and self._kept:
            _, gone = self._kept.popitem(last=False)
            self._size -= _bytes(gone)
        self._confirm_sent()

    def _confirm_sent(self) -> None:
        for key, names in self._sent.items():
            known = self._stored.pop(key, set())
            self._names -= len(known)
            known |= names
            self._stored[key] = known
            self._names += len(known)
        self._sent = {}
        while self._names > _MOST_NAMES and self._stored:
            self._names -= len(self._stored.popitem(last=False)[1])

    def forget(self) -> None:
        """The batch failed: nothing of it may serve as a base.

        Nor may anything before it: a Postgres that failed may have come back without it.
        """
        self._staged, self._sent = {}, {}
        self._kept.clear()
        self._stored.clear()
        self._size = self._names = 0


def common_hashes(one: bytes, other: bytes) -> int:
    """How many whole hashes two lists have in common from the start."""
    if other.startswith(one):
        return len(one) // HASH_BYTES
    low, high = 0, min(len(one), len(other)) // HASH_BYTES
    while low < high:
        middle = (low + high + 1) // 2
        if one[: middle * HASH_BYTES] == other[: middle * HASH_BYTES]:
            low = middle
        else:
            high = middle - 1
    return low


def _bytes(contexts: list[Context]) -> int:
    return sum(len(c.hashes) + _ROW_BYTES for c in contexts)
