"""Carries the current step, and a replay, into threads that were started by hand."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial, wraps
from typing import Any, Final

from opentelemetry import context as otel

from tracer.run import NODE, REPLAY, WHO

Carried = tuple[otel.Context, Any]
_NOTHING: Final[Carried] = (otel.Context(), None)


class Threads:
    """Wraps the two ways Python starts a thread; outside of a trajectory they do nothing more."""

    def __init__(self) -> None:
        self._submit: Any = None
        self._start: Any = None
        self._carrying: tuple[Any, Any] = (None, None)

    def install(self) -> None:
        """Wrap `ThreadPoolExecutor.submit` and `Thread.start`."""
        if self._submit is not None:
            return
        submit: Any = ThreadPoolExecutor.submit
        self._submit = submit
        self._start = start = threading.Thread.start

        @wraps(submit)
        def carrying_submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            here = _carried()
            if here is None:
                return submit(self, fn, *args, **kwargs)
            # A worker that starts now outlives this task, so it is to carry nothing of its own.
            return _inside(_NOTHING, submit, self, partial(_inside, here, fn), *args, **kwargs)

        @wraps(start)
        def carrying_start(self: threading.Thread) -> None:
            here = _carried()
            if here is not None:
                self.run = partial(_inside, here, self.run)  # type: ignore[method-assign]  # one thread runs once
            start(self)

        ThreadPoolExecutor.submit = carrying_submit  # type: ignore[method-assign]  # what this module is for
        threading.Thread.start = carrying_start  # type: ignore[method-assign]  # what this module is for
        self._carrying = (carrying_submit, carrying_start)

    def remove(self) -> None:
        """Put the originals back, unless somebody else has wrapped them since."""
        if self._submit is None:
            return
        if ThreadPoolExecutor.submit is self._carrying[0]:
            ThreadPoolExecutor.submit = self._submit  # type: ignore[method-assign]  # as it was
        if threading.Thread.start is self._carrying[1]:
            threading.Thread.start = self._start  # type: ignore[method-assign]  # as it was
        self._submit = self._start = None


def _carried() -> Carried | None:
    here, again = otel.get_current(), REPLAY.get()
    return (here, again) if NODE in here or WHO in here or again is not None else None


def _inside(carried: Carried, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    token, other = otel.attach(carried[0]), REPLAY.set(carried[1])
    try:
        return function(*args, **kwargs)
    finally:
        REPLAY.reset(other)
        otel.detach(token)
