"""Runs that are open in a browser: assembled once, kept while they do not change."""

import datetime as dt
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import orjson

from ui.outline import Judged, judged, outline, span_rows
from ui.payload import Payloads
from waypost.records import Step
from waypost.store import parts, projects, runs, scores, stamps
from waypost.store.engine import Connection, Engine, plainly
from waypost.store.parts import Part

_KEPT = 24
_PARTS_KEPT = 16
_TICK = dt.timedelta(milliseconds=1)
_STEPS_KEPT = 250_000
_Key = tuple[int, str]


@dataclass(frozen=True)
class Opened:
    """One run, what was said about it, and what the replay needs of it."""

    judged: Judged
    stamp: str
    part: Part | None = None

    @property
    def steps(self) -> int:
        """How many steps the whole run has."""
        return len(self.judged.run.steps) if self.part is None else self.part.total

    @property
    def before(self) -> int:
        """How many steps come before those that are here."""
        return 0 if self.part is None else self.part.before

    @property
    def first_bad(self) -> int | None:
        """The number of the step that went wrong first."""
        return self.judged.first_bad if self.part is None else self.part.first_bad

    def holds(self, first: int | None, last: int | None) -> bool:
        """Whether these steps are here, as far as the run has them."""
        low, high = first or self.first_bad or 1, min(last or 0, self.steps)
        return self.before < min(low, self.steps) and high <= self.before + len(
            self.judged.run.steps
        )

    def step(self, number: int) -> Step | None:
        """The step of that number; None when there is none, or none here yet."""
        return self.judged.run.step(number - self.before)

    @cached_property
    def payloads(self) -> Payloads:
        return Payloads(self.judged, before=self.before)

    @cached_property
    def outline(self) -> bytes:
        """The rows of all steps that are here, encoded once."""
        run = self.judged.run
        return orjson.dumps(
            {
                "rows": outline(self.judged),
                "count": self.steps,
                "first_bad": self.first_bad,
                "whole": self.part is None,
                "stamp": self.stamp,
                "began": run.started_at // 1_000_000,
                "total": max(1, (run.ended_at - run.started_at) // 1000),
                "ended": run.ended,
            }
        )

    @cached_property
    def spans(self) -> bytes:
        """The rows of every span, encoded once."""
        return orjson.dumps(span_rows(self.judged))

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
        self._parts: deque[tuple[_Key, Opened]] = deque(maxlen=_PARTS_KEPT)
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

    def near(
        self, project_id: int, trace_id: str, first: int | None = None, last: int | None = None
    ) -> Opened | None:
        """The run as it is now; of a long one only a part that holds these steps.

        Without numbers it holds the first bad step.
        """
        key = (project_id, trace_id)
        with plainly(), self._engine.connect() as connection:
            stamp = stamps.of_run(connection, project_id, trace_id)
            known = self._known(key)
            if stamp is None or (known is not None and known.stamp == stamp):
                return known if stamp else None
            if parts.is_long(connection, project_id, trace_id):
                return self._part(connection, key, stamp, (first, last or first))
        return self.open(project_id, trace_id)

    def _part(
        self, connection: Connection, key: _Key, stamp: str, asked: tuple[int | None, int | None]
    ) -> Opened | None:
        with self._alone(key):
            with self._lock:
                kept = [one for of, one in self._parts if of == key and one.stamp == stamp]
            found = next((one for one in kept if one.holds(*asked)), None)
            if found is None:
                found = _load_part(connection, key, stamp, asked)
                if found is not None:
                    with self._lock:
                        self._parts.append((key, found))
            return found

    def failing(self, project_id: int, trace_id: str, number: int, forward: bool) -> int | None:
        """The next failing step of a run after a number, or the last before it."""
        with plainly(), self._engine.connect() as connection:
            return parts.failing(connection, project_id, trace_id, number, forward=forward)

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


def _load_part(
    connection: Connection, key: _Key, stamp: str, asked: tuple[int | None, int | None]
) -> Opened | None:
    project_id, trace_id = key
    declared = projects.get(connection, project_id).cohort_keys
    middle = None if asked[0] is None else (asked[0] + (asked[1] or asked[0])) // 2
    part = parts.around(connection, project_id, trace_id, middle, cohort_keys=declared)
    if part is None or not part.run.steps:
        return None
    ends = [_at(step.started_at) for step in (part.run.steps[0], part.run.steps[-1])]
    said = scores.of_trace(connection, project_id, part.run.traces, ends[0], ends[1] + _TICK)
    return Opened(judged(part.run, said), stamp, part)


def _at(ns: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(ns // 1000 / 1e6, dt.UTC) - _TICK
