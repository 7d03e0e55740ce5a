"""Finished spans on their way out: bounded in bytes, sent in batches, never in the agent's way."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from opentelemetry import context as otel

from tracer.shield import LOG, attempt, shielded

T = TypeVar("T")
In_contra = TypeVar("In_contra", contravariant=True)

_PATIENCE: Final = 8
_LONGEST_WAIT: Final = 30.0


class Send(Protocol[In_contra]):
    """Delivers one batch and says whether it arrived."""

    def __call__(self, batch: Sequence[In_contra], /) -> bool: ...


@dataclass(slots=True)
class Counts:
    """What became of the items so far."""

    queued: int = 0
    sent: int = 0
    dropped: int = 0


class Queue(Generic[T]):
    """Holds at most so many bytes; what does not fit is dropped and counted.

    One daemon thread sends. It is started by the first item and, after a fork, again in the child,
    which begins with an empty queue: what was queued before belongs to the parent.
    """

    def __init__(
        self, send: Send[T], *, max_bytes: int, batch_bytes: int, batch_items: int, delay: float,
        name: str = "waypost-tracer", tick: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        self._send = send
        self._max_bytes = max_bytes
        self._batch_bytes = batch_bytes
        self._batch_items = batch_items
        self._delay = delay
        self._name = name
        self.tick = tick
        self.counts = Counts()
        self._reset()

    def _reset(self) -> None:
        self._items: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._lock = threading.RLock()
        self._done = threading.Condition()
        self._failures = 0
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._warned = 0.0
        self._pid = os.getpid()

    @property
    def bytes(self) -> int:
        return self._bytes

    def put(self, item: T, size: int) -> bool:
        """Take one item; False if there is no room for it."""
        if self._pid != os.getpid():
            self._reset()
        with self._lock:
            if self._closed or self._bytes + size > self._max_bytes:
                self.counts.dropped += 1
                self._warn()
                return False
            self._items.append((item, size))
            self._bytes += size
            self.counts.queued += 1
            full = self._bytes >= self._batch_bytes or len(self._items) >= self._batch_items
        if self._thread is None:
            self._start()
        if full:
            self._wake.set()
        return True

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until what is queued now has arrived; False if it did not, or not in time."""
        deadline = time.monotonic() + timeout
        with self._done:
            failures = self._failures
            while self._items and not self._closed:
                self._wake.set()
                left = deadline - time.monotonic()
                if left <= 0 or self._failures > failures or not self._is_working():
                    return False
                self._done.wait(min(left, 0.5))
        return not self._items

    def close(self, timeout: float = 5.0) -> None:
        """Send what can be sent in time, then take nothing more."""
        self.flush(timeout)
        with self._lock:
            self._closed = True
            self.counts.dropped += len(self._items)
            self._items.clear()
            self._bytes = 0
        self._wake.set()

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None or self._closed:
                return
            thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread = thread
        token = otel.attach(otel.Context())
        try:
            thread.start()
        except RuntimeError:  # the interpreter is shutting down: flush() at exit still sends
            LOG.debug("no thread can be started any more")
        finally:
            otel.detach(token)

    def _is_working(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _work(self) -> None:
        tries = 0
        while not self._closed:
            wait = min(self._delay * 2**tries, _LONGEST_WAIT) if tries else self._delay
            self._wake.wait(wait)
            self._wake.clear()
            if self.tick is not None:
                self.tick()
            tries = self._drain(tries) or 0

    @shielded
    def _drain(self, tries: int) -> int:
        """Send batch after batch; a batch that does not arrive is tried again, not for ever."""
        while self._items and not self._closed:
            if self._one_batch():
                tries = 0
                continue
            tries += 1
            if tries >= _PATIENCE:
                self._give_up()
                tries = 0
            return tries
        return 0

    def _one_batch(self) -> bool:
        batch, size = self._peek()
        if not batch:
            return True
        token = otel.attach(otel.set_value("suppress_instrumentation", True))
        try:
            arrived = attempt(self._send, batch, otherwise=False)
        finally:
            otel.detach(token)
        if arrived:
            self._take(len(batch), size)
            self.counts.sent += len(batch)
        with self._done:
            self._failures += not arrived
            self._done.notify_all()
        return arrived

    def _peek(self) -> tuple[list[T], int]:
        batch: list[T] = []
        total = 0
        with self._lock:
            for item, size in self._items:
                if batch and (total + size > self._batch_bytes or len(batch) >= self._batch_items):
                    break
                batch.append(item)
                total += size
        return batch, total

    def _take(self, number: int, size: int) -> None:
        with self._lock:
            for _ in range(min(number, len(self._items))):
                self._items.popleft()
            self._bytes -= size

    def _give_up(self) -> None:
        batch, size = self._peek()
        self._take(len(batch), size)
        self.counts.dropped += len(batch)
        self._warn()

    def _warn(self) -> None:
        """Say that something was lost, at most once a minute."""
        now = time.monotonic()
        if not self._warned or now - self._warned > 60:
            self._warned = now
            LOG.warning("%d spans or records were dropped so far", self.counts.dropped)


def size_of(attributes: Mapping[str, Any] | None) -> int:
    """About how many bytes attributes take."""
    total = 256
    for name, value in (attributes or {}).items():
        total += len(name) + 16
        if isinstance(value, str):
            total += len(value) if value.isascii() else len(value) * 3
        elif isinstance(value, tuple | list):
            total += sum(len(item) if isinstance(item, str) else 8 for item in value)
    return total
