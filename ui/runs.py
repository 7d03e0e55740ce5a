"""Runs that are open in a browser: assembled once, kept while they do not change."""

import datetime as dt
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from ui.outline import Judged, judged, outline, span_rows
from ui.payload import Payloads
from waypost.records import Json
from waypost.store import projects, runs, scores, stamps
from waypost.store.engine import Connection, Engine, plainly

_KEPT = 24
_STEPS_KEPT = 250_000
_Key = tuple[int, str]


@dataclass(frozen=True)
class Opened:
    """One run, what was said about it, and what the replay needs of it."""

    judged: Judged
    stamp: str

    @cached_property
    def payloads(self) -> Payloads:
        return Payloads(self.judged)

    @cached_property
    def outline(self) -> Json:
        run = self.judged.run
        return {
            "rows": outline(self.judged),
            "stamp": self.stamp,
            "began": run.started_at // 1_000_000,
            "total": max(1, (run.ended_at - run.started_at) // 1000),
            "ended": run.ended,
        }

    @cached_property
    def spans(self) -> Json:
        return span_rows(self.judged)

    @property
    def size(self) -> int:
        run = self.judged.run
        return len(run.steps) + len(run.others) + len(run.scopes)


class Runs:
    """The latest runs that were opened, for the pages and for the step routes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, Opened] = OrderedDict()
        self._busy: dict[_Key, tuple[threading.Lock, int]] = {}

    def open(self, project_id: int, trace_id: str) -> Opened | None:
        """The run as it is now; None when the project has no such trace."""
        key = (project_id, trace_id)
        with plainly(), self._engine.connect() as connection:
            stamp = stamps.of_run(connection, project_id, trace_id)
            if stamp is None:
                return None
            with self._alone(key):
                known = self._known(key)
                if known is not None and known.stamp == stamp:
                    return known
                opened = _load(connection, project_id, trace_id, stamp)
                if opened is not None:
                    self._keep(key, opened)
                return opened

    def _known(self, key: _Key) -> Opened | None:
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
            return known

    @contextmanager
    def _alone(self, key: _Key) -> Iterator[None]:
        """A long run is put together once, however many requests ask for it meanwhile."""
        with self._lock:
            busy, waiting = self._busy.get(key, (threading.Lock(), 0))
            self._busy[key] = (busy, waiting + 1)
        try:
            with busy:
                yield
        finally:
            with self._lock:
                busy, waiting = self._busy.pop(key)
                if waiting > 1:
                    self._busy[key] = (busy, waiting - 1)

    def _keep(self, key: _Key, opened: Opened) -> None:
        with self._lock:
            self._kept[key] = opened
            self._kept.move_to_end(key)
            held = sum(one.size for one in self._kept.values())
            while len(self._kept) > 1 and (len(self._kept) > _KEPT or held > _STEPS_KEPT):
                _, gone = self._kept.popitem(last=False)
                held -= gone.size


def _load(connection: Connection, project_id: int, trace_id: str, stamp: str) -> Opened | None:
    declared = projects.get(connection, project_id).cohort_keys
    run = runs.load(connection, project_id, trace_id, cohort_keys=declared, now=time.time_ns())
    if run is None:
        return None
    since = dt.datetime.fromtimestamp(run.started_at / 1e9, dt.UTC) - dt.timedelta(days=1)
    said = scores.of_trace(connection, project_id, run.traces, since)
    return Opened(judged(run, said), stamp)
