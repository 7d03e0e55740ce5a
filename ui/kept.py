"""Answers of the store that all pages share: for some seconds as they are, then for bad times."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, cast

T = TypeVar("T")
_MOST, _FRESH = 256, 15.0


@dataclass(slots=True)
class _Answer:
    """The newest answer to one question, and when it was asked; never, as long as that is None."""

    alone: threading.Lock = field(default_factory=threading.Lock)
    at: float | None = None
    value: object = None


class Kept:
    """Answers by question. They are shared as they are: whoever gets one must not change it."""

    def __init__(self, most: int = _MOST, fresh: float = _FRESH) -> None:
        self._most, self._fresh = most, fresh
        self._lock = threading.Lock()
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._forgotten = 0.0

    def answer(self, question: str, ask: Callable[[], T]) -> T:
        """What is known for a few seconds at most, else asked now, once for all who wait."""
        found = self._of(question)
        with found.alone:
            now = time.time()
            if found.at is None or not self._forgotten < found.at <= now < found.at + self._fresh:
                found.value = ask()
                found.at = now
            return cast("T", found.value)

    def last(self, question: str) -> tuple[float, object] | None:
        """The last answer and when it was asked for, however old."""
        found = self._of(question)
        return None if found.at is None else (found.at, found.value)

    def forget(self) -> None:
        """From now on everything is asked again; what was known stays for bad times."""
        self._forgotten = time.time()

    def _of(self, question: str) -> _Answer:
        with self._lock:
            found = self._answers.setdefault(question, _Answer())
            self._answers.move_to_end(question)
            if len(self._answers) > self._most:
                self._answers.popitem(last=False)
            return found
