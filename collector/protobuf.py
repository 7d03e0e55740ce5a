"""OTLP protobuf messages to plain records."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no types
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as LogMessage
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.clean import NUL, Cleaner, Limits
from collector.decoded import Decoded, DecodedLogs, Refusal, Source, is_ours
from collector.runs import Known, RunAttributes, Runs, holds_list
from collector.salvage import cut, repair
from waypost.errors import Unreadable
from waypost.names import SCOPE
from waypost.records import Event, Json, Link, LogRecord, RawSpan

_TIME_LIMIT = 2**63
_SHORT = 4096
_KEY = 256
_LARGE = 8_192
_HUGE = 4 << 20
_MOST = 1_024
_NO_TRACE = bytes(16)
_NO_SPAN = bytes(8)


def read_traces(body: bytes, limits: Limits, runs: Runs | None = None) -> Decoded:
    """Every span of an export request; Unreadable when not even its frame can be read.

    With `runs`, attributes that the trace sent before are recognised and left out: what reads
    the spans must know of `RunAttributes`. A huge request is read span by span, which takes a
    fraction of the memory.
    """
    if runs is not None and (len(body) > _HUGE or (len(body) >= _LARGE and holds_list(body))):
        return _read_known(body, limits, runs)
    request = ExportTraceServiceRequest()
    found = Decoded()
    try:
        request.ParseFromString(body)
    except DecodeError:
        return _salvage_traces(body, limits, found)
    for block in request.resource_spans:
        resource = _resource(block.resource, limits)
        for group in block.scope_spans:
            source = Source(resource, group.scope.name, group.scope.version)
            for span in group.spans:
                _add_span(span, source, limits, found)
    return found


def _read_known(body: bytes, limits: Limits, runs: Runs) -> Decoded:
    found = Decoded()
    for group in cut(body):
        source = _salvaged_source(group.resource, group.scope, limits)
        for raw in group.items:
            known = runs.known_in(raw)
            span, repaired = _parse(Span, raw if known is None else known.without(raw))
            if span is None:
                found.refused.append(Refusal("malformed or nested too deeply", _id_of(raw)))
                continue
            repeats = not repaired and (known is not None or holds_list(raw))
            if repeats and _add_known(
                span, source, found, limits=limits, raw=raw, known=known, runs=runs
            ):
                continue
            if known is not None:
                span, repaired = _parse(Span, raw)
            _add_span(span, source, limits, found, repaired=repaired)
    return found


def _add_known(
    span: Span,
    source: Source,
    found: Decoded,
    *,
    limits: Limits,
    raw: bytes,
    known: Known | None,
    runs: Runs,
) -> bool:
    """Add the span with what it repeats; False when that does not come out even."""
    cleaner = _cleaner(source, limits)
    attributes = attributes_of(span.attributes, cleaner)
    base = known.run if known is not None else None
    count = len(attributes) + (base.count if base is not None else 0)
    if _fault_of(span) is not None or cleaner.changes or count > _MOST:
        return False
    run = runs.learn(raw, known, attributes)
    if run is None:
        return False
    _take(span, source, cleaner, RunAttributes(attributes, base, run), found)
    return True


def _salvage_traces(body: bytes, limits: Limits, found: Decoded) -> Decoded:
    for group in list(cut(body)):
        source = _salvaged_source(group.resource, group.scope, limits)
        for item in group.items:
            span, repaired = _parse(Span, item)
            if span is None:
                found.refused.append(Refusal("malformed or nested too deeply", _id_of(item)))
            else:
                _add_span(span, source, limits, found, repaired=repaired)
    return found


def _salvaged_source(resource: bytes, scope: bytes, limits: Limits) -> Source:
    about, _ = _parse(Resource, resource)
    library, _ = _parse(InstrumentationScope, scope)
    attributes = _resource(about, limits) if about is not None else {}
    name, version = (library.name, library.version) if library is not None else ("", "")
    return Source(attributes, name, version)


def _parse(kind: Any, data: bytes) -> tuple[Any, bool]:
    """The message, and whether its texts had to be repaired; None when it is beyond repair."""
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError:
        pass
    else:
        return message, False
    try:
        message.ParseFromString(repair(data, kind.DESCRIPTOR))
    except (DecodeError, Unreadable):
        return None, True
    return message, True


def _id_of(item: bytes) -> str:
    """The span id of a span that cannot be parsed, as far as it can be found."""
    at = item.find(b"\x12\x08")
    return item[at + 2 : at + 10].hex() if at >= 0 else ""


def _resource(resource: Resource, limits: Limits) -> dict[str, Json]:
    cleaner = Cleaner(limits, limits.attribute)
    return attributes_of(resource.attributes, cleaner)


def _add_span(
    span: Span, source: Source, limits: Limits, found: Decoded, *, repaired: bool = False
) -> None:
    reason = _fault_of(span)
    if reason is not None:
        found.refused.append(Refusal(reason, span.span_id.hex()))
        return
    cleaner = _cleaner(source, limits)
    if repaired:
        cleaner.note("repaired")
    _take(span, source, cleaner, attributes_of(span.attributes, cleaner), found)


def _cleaner(source: Source, limits: Limits) -> Cleaner:
    own = source.scope_name == SCOPE
    return Cleaner(limits, limits.own_attribute if own else limits.attribute)


def _take(
    span: Span, source: Source, cleaner: Cleaner, attributes: dict[str, Json], found: Decoded
) -> None:
    raw = _raw_span(span, source, cleaner, attributes)
    if cleaner.size <= cleaner.limits.span:
        found.spans.append(raw)
    else:
        reason = f"larger than {cleaner.limits.span} bytes"
        found.refused.append(Refusal(reason, raw.span_id))


def _fault_of(span: Span) -> str | None:
    if len(span.trace_id) != 16 or span.trace_id == _NO_TRACE:
        return "trace id is not 16 bytes"
    if len(span.span_id) != 8 or span.span_id == _NO_SPAN:
        return "span id is not 8 bytes"
    if span.start_time_unix_nano >= _TIME_LIMIT or span.end_time_unix_nano >= _TIME_LIMIT:
        return "time is out of range"
    return None


def _raw_span(span: Span, source: Source, cleaner: Cleaner, attributes: dict[str, Json]) -> RawSpan:
    if span.dropped_attributes_count:
        cleaner.note("dropped_attributes", span.dropped_attributes_count)
    parent = span.parent_span_id
    status = span.status
    return RawSpan(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=parent.hex() if len(parent) == 8 and parent != _NO_SPAN else None,
        name=cleaner.name(span.name),
        started_at=span.start_time_unix_nano,
        ended_at=span.end_time_unix_nano,
        status_code=status.code,
        status_message=cleaner.text(status.message, "status") if status.message else "",
        span_kind=span.kind,
        attributes=attributes,
        events=_events(span, cleaner) if span.events else (),
        links=_links(span, cleaner) if span.links else (),
        resource=source.resource,
        scope_name=cleaner.name(source.scope_name),
        scope_version=cleaner.name(source.scope_version),
        notes=cleaner.notes,
    )


def _events(span: Span, cleaner: Cleaner) -> tuple[Event, ...]:
    limit = cleaner.limits.events
    if len(span.events) > limit:
        cleaner.note("dropped_events", len(span.events) - limit)
    return tuple(
        Event(cleaner.name(e.name), _time(e.time_unix_nano), attributes_of(e.attributes, cleaner))
        for e in span.events[:limit]
    )


def _links(span: Span, cleaner: Cleaner) -> tuple[Link, ...]:
    limit = cleaner.limits.links
    if len(span.links) > limit:
        cleaner.note("dropped_links", len(span.links) - limit)
    return tuple(
        Link(link.trace_id.hex(), link.span_id.hex(), attributes_of(link.attributes, cleaner))
        for link in span.links[:limit]
        if len(link.trace_id) == 16 and len(link.span_id) == 8
    )


def _time(value: int) -> int:
    return value if value < _TIME_LIMIT else _TIME_LIMIT - 1


def attributes_of(pairs: Any, cleaner: Cleaner) -> dict[str, Json]:
    """Key to clean value; the first of equal keys wins."""
    limits = cleaner.limits
    if len(pairs) > limits.attributes:
        cleaner.note("dropped_attributes", len(pairs) - limits.attributes)
        pairs = pairs[: limits.attributes]
    return _plain_pairs(pairs, cleaner) or _pairs(pairs, cleaner, 0)


def _plain_pairs(pairs: Any, cleaner: Cleaner) -> dict[str, Json] | None:
    """The attributes when nothing in them needs cleaning, which one look at all of them tells."""
    keys = [pair.key for pair in pairs]
    values = [pair.value for pair in pairs]
    texts = [value.string_value for value in values]
    out: dict[str, Json] = dict(zip(keys, texts, strict=True))
    whole = "".join(texts)
    if len(out) != len(keys) or NUL in whole or NUL in "".join(keys):
        return None
    if len(whole) > _SHORT and max(map(len, texts)) > _SHORT:
        return None
    if max(map(len, keys), default=0) > _KEY:
        return None
    for key, value, text in zip(keys, values, texts, strict=True):
        if not text:
            out[key] = value.int_value or _value(value, cleaner, 0, key)
    return out


def _pairs(pairs: Iterable[Any], cleaner: Cleaner, depth: int) -> dict[str, Json]:
    out: dict[str, Json] = {}
    for pair in pairs:
        key = pair.key
        value = pair.value
        text = value.string_value
        if len(key) > _KEY or NUL in key:
            key = cleaner.key(key)
        if key in out:
            cleaner.note("duplicate_key")
        elif not text:
            out[key] = _value(value, cleaner, depth, key)
        elif len(text) > _SHORT or NUL in text:
            out[key] = cleaner.text(text, key)
        else:
            out[key] = text
    return out


def _value(value: Any, cleaner: Cleaner, depth: int, where: str) -> Json:
    kind = value.WhichOneof("value")
    if kind == "int_value":
        return int(value.int_value)
    if kind == "bool_value":
        return bool(value.bool_value)
    if kind == "double_value":
        return cleaner.number(value.double_value)
    if kind == "string_value":
        return cleaner.text(value.string_value, where)
    if kind == "bytes_value":
        return cleaner.data(value.bytes_value, where)
    if kind == "array_value":
        if depth >= cleaner.limits.depth:
            return cleaner.too_deep()
        return [_value(v, cleaner, depth + 1, where) for v in value.array_value.values]
    if kind == "kvlist_value":
        if depth >= cleaner.limits.depth:
            return cleaner.too_deep()
        return _pairs(value.kvlist_value.values, cleaner, depth + 1)
    return None


def read_logs(body: bytes, limits: Limits) -> DecodedLogs:
    """The log records that belong to us; Unreadable when not even the frame can be read."""
    request = ExportLogsServiceRequest()
    found = DecodedLogs()
    try:
        request.ParseFromString(body)
    except DecodeError:
        return _salvage_logs(body, limits, found)
    for block in request.resource_logs:
        resource = _resource(block.resource, limits)
        for group in block.scope_logs:
            source = Source(resource, group.scope.name, group.scope.version)
            for record in group.log_records:
                _add_record(record, source, limits, found)
    return found


def _salvage_logs(body: bytes, limits: Limits, found: DecodedLogs) -> DecodedLogs:
    for group in list(cut(body)):
        source = _salvaged_source(group.resource, group.scope, limits)
        for item in group.items:
            record, _ = _parse(LogMessage, item)
            if record is None:
                found.refused.append(Refusal("malformed or nested too deeply", ""))
            else:
                _add_record(record, source, limits, found)
    return found


def _add_record(record: LogMessage, source: Source, limits: Limits, found: DecodedLogs) -> None:
    name = record.event_name or _event_attribute(record)
    if not is_ours(name):
        found.dropped += 1
        return
    cleaner = Cleaner(limits, limits.attribute)
    attributes = attributes_of(record.attributes, cleaner)
    body = _value(record.body, cleaner, 0, "body")
    if cleaner.size > limits.span:
        found.refused.append(Refusal(f"larger than {limits.span} bytes", record.span_id.hex()))
        return
    found.records.append(
        LogRecord(
            event_name=name,
            trace_id=record.trace_id.hex() if len(record.trace_id) == 16 else None,
            span_id=record.span_id.hex() if len(record.span_id) == 8 else None,
            at=_time(record.time_unix_nano or record.observed_time_unix_nano),
            body=body,
            attributes=attributes,
            resource=source.resource,
            scope_name=cleaner.name(source.scope_name),
        )
    )


def _event_attribute(record: LogMessage) -> str:
    for pair in record.attributes:
        if pair.key == "event.name":
            return str(pair.value.string_value)
    return ""
