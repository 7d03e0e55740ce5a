"""What OTLP clients are told, in the encoding they speak."""

import random
from collections.abc import Mapping
from typing import Any, Final

import orjson
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # no types
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # no types
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from collector.decode import Encoding
from collector.pipeline import LOGS, METRICS
from collector.tickets import Answer, Code

# google.rpc.Code, and the HTTP status of each.
INVALID_ARGUMENT, UNAUTHENTICATED, PERMISSION_DENIED = 3, 16, 7
RESOURCE_EXHAUSTED, UNAVAILABLE, NOT_FOUND, UNIMPLEMENTED = 8, 14, 5, 12
GRPC_OF: Final = {
    Code.UNREADABLE: INVALID_ARGUMENT,
    Code.TOO_LARGE: RESOURCE_EXHAUSTED,
    Code.BUSY: UNAVAILABLE,
}
HTTP_OF: Final = {Code.OK: 200, Code.UNREADABLE: 400, Code.TOO_LARGE: 413, Code.BUSY: 503}
_LONGEST: Final = 500


_RESPONSES: Final[Mapping[str, Any]] = {
    LOGS: ExportLogsServiceResponse,
    METRICS: ExportMetricsServiceResponse,
}


def wait_seconds() -> int:
    """1 or 2: a longer wait makes Python's exporter drop the batch."""
    return random.randint(1, 2)  # noqa: S311 - jitter, not a secret


def success(signal: str, answer: Answer, encoding: Encoding) -> bytes:
    """The response of the export service; partial success only when something was refused."""
    if encoding is Encoding.JSON:
        return _success_json(signal, answer)
    response: Any = _RESPONSES.get(signal, ExportTraceServiceResponse)()
    if answer.refused:
        partial = response.partial_success
        if signal == LOGS:
            partial.rejected_log_records = answer.refused
        elif signal == METRICS:
            partial.rejected_data_points = answer.refused
        else:
            partial.rejected_spans = answer.refused
        partial.error_message = answer.message[:_LONGEST]
    return bytes(response.SerializeToString())


def _success_json(signal: str, answer: Answer) -> bytes:
    if not answer.refused:
        return b"{}"
    name = {LOGS: "rejectedLogRecords", METRICS: "rejectedDataPoints"}.get(signal, "rejectedSpans")
    partial = {name: str(answer.refused), "errorMessage": answer.message[:_LONGEST]}
    return orjson.dumps({"partialSuccess": partial})


def failure(code: int, message: str, encoding: Encoding, *, wait: int = 0) -> bytes:
    """A google.rpc.Status."""
    if encoding is Encoding.JSON:
        body: dict[str, object] = {"code": code, "message": message[:_LONGEST]}
        if wait:
            info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{wait}s"}
            body["details"] = [info]
        return orjson.dumps(body)
    return status_message(code, message, wait)


def status_message(code: int, message: str, wait: int = 0) -> bytes:
    """The same as protobuf, as gRPC's trailing metadata carries it too."""
    status = Status(code=code, message=message[:_LONGEST])
    if wait:
        status.details.add().Pack(_retry(wait))
    return bytes(status.SerializeToString())


def retry_info(wait: int) -> bytes:
    return bytes(_retry(wait).SerializeToString())


def _retry(wait: int) -> RetryInfo:
    info = RetryInfo()
    info.retry_delay.seconds = wait
    return info
