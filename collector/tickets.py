"""Requests that wait for their turn, what they weigh, and how they are answered."""

import asyncio
import threading
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from collector.pipeline import Request

_MODEST: Final = 64
_SPARE: Final = 8


class Code(StrEnum):
    """How a request ended."""

    OK = "ok"
    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sender is told."""

    code: Code = Code.OK
    refused: int = 0
    message: str = ""


@dataclass(slots=True)
class Ticket:
    """A request that waits for its answer."""

    request: Request
    size: int
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Answer]"

    def answer(self, answer: Answer) -> None:
        """Tell the sender, from whichever thread; one that has gone away is told nothing."""
        try:
            self.loop.call_soon_threadsafe(self._set, answer)
        except RuntimeError:  # the loop has closed, and its connections with it
            return

    def _set(self, answer: Answer) -> None:
        if not self.future.done():
            self.future.set_result(answer)


class Busy(Exception):
    """There is no room for this request now."""


@dataclass(slots=True)
class Ledger:
    """Bytes in flight, of everybody and of each project, which gets at most half.

    Behind the limit there is a little more for whoever holds next to nothing, so that projects
    which flood together cannot shut out one that does not.
    """

    limit: int
    held: int = 0
    by_project: dict[int, int] = field(default_factory=dict)

    def take(self, project: int, size: int) -> None:
        """Reserve room; Busy when there is none. One large request alone always finds room."""
        mine = self.by_project.get(project, 0)
        modest = mine + size <= self.limit // _MODEST
        limit = self.limit + self.limit // _SPARE if modest else self.limit
        if self.held and (self.held + size > limit or mine + size > self.limit // 2):
            raise Busy
        self.held += size
        self.by_project[project] = mine + size

    def give_back(self, project: int, size: int) -> None:
        self.held -= size
        left = self.by_project.get(project, 0) - size
        if left > 0:
            self.by_project[project] = left
        else:
            self.by_project.pop(project, None)


class Weight:
    """Bytes that were read and are not written yet; the reader waits while there are too many."""

    def __init__(self) -> None:
        self._held = 0
        self._changed = threading.Condition()

    def add(self, size: int) -> None:
        with self._changed:
            self._held += size
            self._changed.notify_all()

    def wait_below(self, limit: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._held < limit)


class Buffer:
    """Tickets by project, taken in turns so that a flood does not starve its neighbours."""

    def __init__(self, limit: int) -> None:
        self.ledger = Ledger(limit)
        self._waiting: OrderedDict[int, deque[Ticket]] = OrderedDict()
        self._changed = threading.Condition()
        self._closed = False
        self.pending = 0

    def put(self, ticket: Ticket) -> None:
        """Queue a ticket whose bytes were taken from the ledger."""
        with self._changed:
            if self._closed:
                raise Busy
            self._waiting.setdefault(ticket.request.project.id, deque()).append(ticket)
            self.pending += 1
            self._changed.notify()

    def get(self, timeout: float) -> Ticket | None:
        """The next ticket, of each project in turn; None when none came in time."""
        end = time.monotonic() + timeout
        with self._changed:
            while not self._waiting:
                left = end - time.monotonic()
                if left <= 0 or (self._closed and not self._waiting):
                    return None
                self._changed.wait(left)
            project, tickets = self._waiting.popitem(last=False)
            ticket = tickets.popleft()
            if tickets:
                self._waiting[project] = tickets
            return ticket

    def done(self, ticket: Ticket) -> None:
        """The ticket was answered; its bytes are free again."""
        with self._changed:
            self.pending -= 1
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more; what waits is still handed out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def is_closed(self) -> bool:
        return self._closed
