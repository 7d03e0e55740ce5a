"""OTLP requests for tests."""

from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

NOW = 1_795_000_000_000_000_000


def a_span(number: int = 1, **attributes: Any) -> Span:
    """A valid span; attributes may be texts, numbers and flags."""
    span = Span(
        trace_id=(1).to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        name=f"span {number}",
        start_time_unix_nano=NOW,
        end_time_unix_nano=NOW + 1_000_000,
    )
    for key, value in attributes.items():
        set_attribute(span, key, value)
    return span


def set_attribute(span: Span, key: str, value: Any) -> None:
    pair = span.attributes.add()
    pair.key = key
    if isinstance(value, bool):
        pair.value.bool_value = value
    elif isinstance(value, int):
        pair.value.int_value = value
    elif isinstance(value, float):
        pair.value.double_value = value
    elif isinstance(value, bytes):
        pair.value.bytes_value = value
    else:
        pair.value.string_value = value


def a_request(*spans: Span, scope: str = "demo") -> bytes:
    request = ExportTraceServiceRequest()
    block = request.resource_spans.add()
    pair = block.resource.attributes.add()
    pair.key, pair.value.string_value = "service.name", "shop"
    group = block.scope_spans.add()
    group.scope.name = scope
    group.spans.extend(spans)
    return bytes(request.SerializeToString())


def framed(*spans: bytes) -> bytes:
    """A request around spans that are already bytes, valid or not."""
    group = b"".join(field(2, span) for span in spans)
    return field(1, field(2, group))


def field(number: int, body: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(body)) + body


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
