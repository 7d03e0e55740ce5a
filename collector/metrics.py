"""What the collector counts: for Prometheus, and by the hour for the page."""

import threading
import time
from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """Counters of one collector process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.items = Counter(
            "waypost_items", "Spans and records by what became of them.",
            ("project", "signal", "outcome", "reason"), registry=self.registry,
        )  # fmt: skip
        self.requests = Counter(
            "waypost_requests", "Requests by transport, signal and answer.",
            ("transport", "signal", "code"), registry=self.registry,
        )  # fmt: skip
        self.in_flight = Gauge(
            "waypost_in_flight_bytes", "Bytes of requests held.", registry=self.registry
        )
        self.spool_bytes = Gauge(
            "waypost_spool_bytes", "Bytes in the disk spool.", registry=self.registry
        )
        self.spool_corrupt = Counter(
            "waypost_spool_corrupt", "Spooled records that could not be read back.",
            registry=self.registry,
        )  # fmt: skip
        self.commit_seconds = Histogram(
            "waypost_commit_seconds", "Time of one group commit.", buckets=_BUCKETS,
            registry=self.registry,
        )  # fmt: skip
        self._lock = threading.Lock()
        self._intake: dict[int, dict[str, int]] = {}

    def count(self, project: int, signal: str, outcome: str, number: int, reason: str = "") -> None:
        """Count items of a project that were stored, repeated, refused, cut, dropped, spooled."""
        if number <= 0:
            return
        self.items.labels(str(project), signal, outcome, reason).inc(number)
        what = f"{outcome}:{reason}" if reason else outcome
        with self._lock:
            counts = self._intake.setdefault(project, {})
            counts[what] = counts.get(what, 0) + number

    def take_intake(self) -> dict[int, dict[str, int]]:
        """What was counted by project since this was last asked."""
        with self._lock:
            found, self._intake = self._intake, {}
        return found

    def return_intake(self, intake: dict[int, dict[str, int]]) -> None:
        """Counts that could not be written yet."""
        with self._lock:
            for project, counts in intake.items():
                mine = self._intake.setdefault(project, {})
                for what, number in counts.items():
                    mine[what] = mine.get(what, 0) + number

    def exposition(self) -> bytes:
        return generate_latest(self.registry)


class Complaints:
    """At most one log line a reason and minute."""

    def __init__(self, every: float = 60.0) -> None:
        self._every = every
        self._said: dict[str, float] = {}

    def due(self, reason: str, now: float | None = None) -> bool:
        """Whether this reason may be said again now."""
        moment = time.monotonic() if now is None else now
        last = self._said.get(reason)
        if last is not None and moment - last < self._every:
            return False
        if len(self._said) > 1_000:
            self._said.clear()
        self._said[reason] = moment
        return True


def notes_of(notes: Iterable[str]) -> Iterable[str]:
    """What was cut or cleaned, without where: the words to count by."""
    for note in notes:
        yield note.partition("=")[0].partition(":")[0]
