"""One request from bytes to what is written: inflate, decode, read, mask. Read this first."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from collector.convention import UNREAD, Reader, read_log
from collector.decode import Encoding, decode_logs, decode_traces
from collector.decoded import Refusal
from collector.inflate import inflate
from collector.masking import Masker
from collector.metrics import Metrics, notes_of
from collector.packing import Parcel
from collector.recurring import Recurring
from collector.runs import Runs
from waypost.assembly import Cohorts
from waypost.prices import Prices
from waypost.records import LogRecord, RawSpan
from waypost.store.projects import Project

TRACES, LOGS, METRICS = "traces", "logs", "metrics"
Item = TypeVar("Item", RawSpan, LogRecord)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """What one sender sent, as it came over the wire."""

    project: Project
    signal: str
    body: bytes
    encoding: Encoding = Encoding.PROTOBUF
    compression: str = ""


@dataclass(slots=True)
class Prepared:
    """What a request comes to: a parcel for the store, and what was refused on the way.

    `size` counts its spans or records, `weight` its bytes without compression.
    """

    parcel: Parcel
    size: int = 0
    weight: int = 0
    refused: list[Refusal] = field(default_factory=list)


class Pipeline:
    """Turns requests into parcels; one thread at a time."""

    def __init__(self, metrics: Metrics, *, inflated_limit: int) -> None:
        self._metrics = metrics
        self._limit = inflated_limit
        self._prices = Prices()
        self._runs = Runs()
        self._readers: dict[str, Recurring] = {}
        self._cohorts: dict[tuple[str, ...], Cohorts] = {}
        self._maskers: dict[str, Masker] = {}

    def prepare(self, request: Request, id_key: bytes) -> Prepared:
        """The request read and masked; Unreadable or TooLarge when it cannot be."""
        body = inflate(request.body, request.compression, self._limit)
        read = self._logs if request.signal == LOGS else self._spans
        prepared = read(request, body, id_key)
        prepared.weight = len(body)
        return prepared

    def _spans(self, request: Request, body: bytes, id_key: bytes) -> Prepared:
        project = request.project
        decoded = decode_traces(body, request.encoding, runs=self._runs)
        cohorts = self._cohorts_of(project)
        read = self._recurring(project, id_key).reading
        readings = _each(decoded.spans, lambda span: read(span, cohorts), decoded.refused)
        for span in decoded.spans:
            for what in notes_of(span.notes):
                self._metrics.count(project.id, TRACES, "cut", 1, what)
        unread = sum(UNREAD in notes_of(r.step.notes) for r in readings if r.step.notes)
        self._metrics.count(project.id, TRACES, "cut", unread, UNREAD)
        parcel = Parcel(project.id, tuple(readings))
        return Prepared(parcel, len(readings), refused=decoded.refused)

    def _logs(self, request: Request, body: bytes, id_key: bytes) -> Prepared:
        project = request.project
        decoded = decode_logs(body, request.encoding)
        masker = self._masker(project, id_key)
        found = _each(decoded.records, read_log, decoded.refused)
        self._metrics.count(project.id, LOGS, "dropped", decoded.dropped, "not ours")
        empty = sum(1 for f in found if not f.contents and not f.feedback)
        self._metrics.count(project.id, LOGS, "dropped", empty, "unattached")
        parcel = Parcel(
            project.id,
            contents=tuple(masker.content(c) for f in found for c in f.contents),
            feedback=tuple(masker.feedback(v) for f in found for v in f.feedback),
        )
        return Prepared(parcel, len(found), refused=decoded.refused)

    def _recurring(self, project: Project, id_key: bytes) -> Recurring:
        """Readers remember messages, and what is masked one way is not what is masked another."""
        masker = self._masker(project, id_key)
        found = self._readers.get(project.masking)
        if found is None:
            reader = Reader(prices=self._prices)
            found = self._readers[project.masking] = Recurring(reader, masker, self._prices)
        return found

    def _cohorts_of(self, project: Project) -> Cohorts:
        found = self._cohorts.get(project.cohort_keys)
        if found is None:
            found = self._cohorts[project.cohort_keys] = Cohorts(project.cohort_keys)
        return found

    def _masker(self, project: Project, id_key: bytes) -> Masker:
        found = self._maskers.get(project.masking)
        if found is None:
            found = self._maskers[project.masking] = Masker(project.masking, key=id_key)
        return found.keyed(id_key)


def _each(items: Iterable[Item], read: Callable[[Item], T], refused: list[Refusal]) -> list[T]:
    """What each comes to; one that cannot be read is refused, not its neighbours with it."""
    found: list[T] = []
    for item in items:
        try:
            found.append(read(item))
        except Exception as error:  # noqa: BLE001 - whatever a span holds, and whoever reads it
            refused.append(Refusal(f"cannot be read: {type(error).__name__}", item.span_id or ""))
    return found
