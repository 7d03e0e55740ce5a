"""What people and systems say of a run afterwards: OTLP log records."""

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from waypost import names
from waypost.errors import BadSetting

Value = str | bool | int | float
SOURCES: Final = ("human", "code", "model", "llm")
_GONE: Final = range(400, 500)
_AGAIN: Final = (408, 429)


def record_of(  # noqa: PLR0913 - a verdict has this many parts
    trajectory: str, name: str, *, value: float | bool | None = None, label: str | None = None,
    explanation: str | None = None, by: str | None = None, source: str = "human",
    step: int | None = None, span: str | None = None, trace: str | None = None,
    version: str | None = None, clock: Callable[[], int] = time.time_ns,
) -> LogRecord:  # fmt: skip
    """One verdict as a log record; BadSetting if the id is none or the source is unknown."""
    trace_id = _id_bytes(trace or trajectory, 16, "trajectory")
    if source not in SOURCES:
        raise BadSetting(f"source={source!r} is not one of {', '.join(SOURCES)}.")
    event = names.EVENT_EVALUATION if step is not None or span else names.EVENT_FEEDBACK
    found: Mapping[str, Value | None] = {
        names.EVALUATION_NAME: name,
        names.EVALUATION_VALUE: None if value is None else float(value),
        names.EVALUATION_LABEL: label,
        names.EVALUATION_EXPLANATION: explanation,
        names.EVALUATION_VERSION: version,
        names.TARGET: "step" if step is not None or span else "trajectory",
        names.TRAJECTORY_ID: trajectory,
        names.STEP: step,
        names.EVALUATION_SOURCE: source,
        names.EVALUATION_BY: by,
    }
    now = clock()
    return LogRecord(
        time_unix_nano=now,
        observed_time_unix_nano=now,
        event_name=event,
        trace_id=trace_id,
        span_id=_id_bytes(span, 8, "span") if span else b"",
        attributes=[KeyValue(key=k, value=_any(v)) for k, v in found.items() if v is not None],
    )


class Sender:
    """Posts log records to one endpoint."""

    def __init__(
        self, endpoint: str, headers: Mapping[str, str], resource: Mapping[str, object], *,
        version: str = "", timeout: float = 10.0,
    ) -> None:  # fmt: skip
        self._endpoint = endpoint
        self._headers = {**headers, "content-type": "application/x-protobuf"}
        self._resource = Resource(
            attributes=[
                KeyValue(key=k, value=_any(v))
                for k, v in resource.items()
                if isinstance(v, str | bool | int | float)
            ]
        )
        self._scope = InstrumentationScope(name=names.SCOPE, version=version)
        self._timeout = timeout

    def __call__(self, batch: Sequence[LogRecord], /) -> bool:
        """Send a batch; what the server will never take counts as delivered and is gone."""
        scoped = ScopeLogs(scope=self._scope, log_records=batch)
        request = ExportLogsServiceRequest(
            resource_logs=[ResourceLogs(resource=self._resource, scope_logs=[scoped])]
        )
        post = urllib.request.Request(  # noqa: S310 - the endpoint is the user's own setting
            self._endpoint, request.SerializeToString(), self._headers, method="POST"
        )
        try:
            with urllib.request.urlopen(post, timeout=self._timeout):  # noqa: S310 - as above
                return True
        except urllib.error.HTTPError as error:
            return error.code in _GONE and error.code not in _AGAIN
        except OSError:
            return False


def _any(value: Value) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(string_value=value)


def _id_bytes(text: str, size: int, what: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(data) != size:
        raise BadSetting(f"{text!r} is no {what} id; it has {size * 2} hex digits.")
    return data
