"""Every score out again as an OTLP log record, when an endpoint is set."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence

import httpx
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs

from waypost import names
from waypost.records import Outcome, Trajectory
from waypost.store.projects import Project
from waypost.store.scores import Verdict

MOST_WAITING = 10_000
BATCH = 500
TIMEOUT_SECONDS = 10.0
SCOPE_NAME = "waypost.evaluators"
log = logging.getLogger("waypost.outbox")
Post = Callable[[bytes], bool]


class Outbox:
    """Sends scores after they are committed, off the worker's thread; a full box drops, counted.

    What the endpoint refuses is tried three times. Scores are in the store whatever happens here.
    """

    def __init__(self, endpoint: str, *, post: Post | None = None) -> None:
        self._post = post or _poster(endpoint)
        self._waiting: queue.Queue[LogRecord] = queue.Queue(MOST_WAITING)
        self.dropped = 0
        self.sent = 0

    def tell(self, project: Project, told: Sequence[tuple[Trajectory, Verdict]]) -> None:
        """Put the scores of one commit into the box."""
        for run, verdict in told:
            try:
                self._waiting.put_nowait(record_of(project.name, run, verdict))
            except queue.Full:
                self.dropped += 1

    def run(self, stop: threading.Event) -> None:
        """Send until told to stop, then what is left."""
        while not stop.is_set() or not self._waiting.empty():
            batch = self._next()
            if batch and not self._send(batch, stop):
                self.dropped += len(batch)
                log.warning("%d scores could not be sent on.", len(batch))

    def _next(self) -> list[LogRecord]:
        try:
            batch = [self._waiting.get(timeout=0.2)]
        except queue.Empty:
            return []
        while len(batch) < BATCH and not self._waiting.empty():
            batch.append(self._waiting.get_nowait())
        return batch

    def _send(self, batch: list[LogRecord], stop: threading.Event) -> bool:
        body = request_of(batch).SerializeToString()
        for attempt in range(3):
            if self._post(body):
                self.sent += len(batch)
                return True
            stop.wait(2.0**attempt)
        return False


def _poster(endpoint: str) -> Post:
    url = (
        endpoint if endpoint.rstrip("/").endswith("/v1/logs") else f"{endpoint.rstrip('/')}/v1/logs"
    )
    client = httpx.Client(timeout=TIMEOUT_SECONDS)

    def post(body: bytes) -> bool:
        try:
            answer = client.post(
                url, content=body, headers={"Content-Type": "application/x-protobuf"}
            )
        except httpx.HTTPError:
            return False
        return answer.status_code < 400

    return post


def request_of(records: Iterable[LogRecord]) -> ExportLogsServiceRequest:
    scope = ScopeLogs(log_records=list(records))
    scope.scope.name = SCOPE_NAME
    return ExportLogsServiceRequest(resource_logs=[ResourceLogs(scope_logs=[scope])])


def record_of(project: str, run: Trajectory, verdict: Verdict) -> LogRecord:
    """A verdict in the shape of OpenTelemetry's evaluation event."""
    score = verdict.score
    record = LogRecord(
        event_name=names.EVENT_EVALUATION,
        time_unix_nano=max(0, verdict.started_at),
        observed_time_unix_nano=time.time_ns(),
        trace_id=bytes.fromhex(verdict.trace_id),
        span_id=bytes.fromhex(score.step) if score.step else b"",
        severity_number=13 if score.is_failed else 9,  # type: ignore[arg-type]  # an enum's number
    )
    label = score.label or ("pass" if score.outcome is Outcome.PASSED else score.outcome.value)
    texts = {
        names.EVALUATION_NAME: score.evaluator,
        names.EVALUATION_VERSION: score.version,
        names.EVALUATION_LABEL: label,
        names.EVALUATION_EXPLANATION: score.explanation[:2000],
        names.TRAJECTORY_ID: run.id,
        "waypost.project": project,
        "waypost.outcome": score.outcome.value,
        **{names.COHORT + key: value for key, value in run.cohort.items()},
    }
    for name, text in texts.items():
        if text:
            record.attributes.append(KeyValue(key=name, value=AnyValue(string_value=_clean(text))))
    if score.value is not None:
        number = AnyValue(double_value=score.value)
        record.attributes.append(KeyValue(key=names.EVALUATION_VALUE, value=number))
    return record


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
