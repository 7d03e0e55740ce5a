"""OTLP/JSON requests to plain records; ids are hex, and nothing is taken on trust."""

import json
import re
from collections.abc import Iterator
from typing import Final

import orjson

from collector.clean import Cleaner, Limits
from collector.decoded import Decoded, DecodedLogs, Refusal, Source, is_ours
from waypost.errors import Unreadable
from waypost.names import SCOPE
from waypost.records import Event, Json, Link, LogRecord, RawSpan

_TIME_LIMIT: Final = 2**63
_TRACE = re.compile(r"[0-9a-f]{32}")
_SPAN = re.compile(r"[0-9a-f]{16}")
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
_INTEGER = re.compile(r"[+-]?\d{1,20}")
_NUMBERS = {"NaN": "NaN", "Infinity": "Infinity", "-Infinity": "-Infinity"}


def read_traces(body: bytes, limits: Limits) -> Decoded:
    """Every span of an export request; Unreadable when it is not such a request."""
    found = Decoded()
    for source, item in _items(_load(body), "resourceSpans", "scopeSpans", "spans", limits):
        _add_span(item, source, limits, found)
    return found


def read_logs(body: bytes, limits: Limits) -> DecodedLogs:
    """The log records that belong to us; Unreadable when it is not such a request."""
    found = DecodedLogs()
    for source, item in _items(_load(body), "resourceLogs", "scopeLogs", "logRecords", limits):
        _add_record(item, source, limits, found)
    return found


def _load(body: bytes) -> Json:
    try:
        return orjson.loads(body)  # type: ignore[no-any-return]  # it is JSON by definition
    except orjson.JSONDecodeError:
        return _load_odd(body)


def _load_odd(body: bytes) -> Json:
    """What the fast parser refuses: lone surrogates, bare NaN, texts that are not UTF-8."""
    try:
        return json.loads(body.decode("utf-8", "replace"))  # type: ignore[no-any-return]  # as above
    except ValueError as error:
        raise Unreadable(f"The request is not JSON: {error}") from error
    except RecursionError as error:
        raise Unreadable("The request is nested too deeply.") from error


def _items(
    request: Json, outer: str, inner: str, leaf: str, limits: Limits
) -> Iterator[tuple[Source, Json]]:
    if not isinstance(request, dict):
        raise Unreadable("The request is not a JSON object.")
    for block in _objects(request, outer):
        resource = _attributes(_object(block, "resource"), Cleaner(limits, limits.attribute))
        for group in _objects(block, inner):
            scope = _object(group, "scope")
            source = Source(resource, _text(scope, "name"), _text(scope, "version"))
            for item in _list(group, leaf):
                yield source, item


def _list(value: dict[str, Json], name: str) -> list[Json]:
    found = value.get(name)
    if found is None:
        return []
    if not isinstance(found, list):
        raise Unreadable(f"{name} is not a list.")
    return found


def _objects(value: dict[str, Json], name: str) -> list[dict[str, Json]]:
    found = _list(value, name)
    if not all(isinstance(item, dict) for item in found):
        raise Unreadable(f"{name} holds something that is not an object.")
    return [item for item in found if isinstance(item, dict)]


def _object(value: dict[str, Json], name: str) -> dict[str, Json]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: dict[str, Json], name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""


def _integer(value: Json) -> int:
    if isinstance(value, bool):
        return 0
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    if isinstance(value, float) and abs(value) < _TIME_LIMIT * 2:
        return int(value)
    return value if isinstance(value, int) else 0


def _add_span(item: Json, source: Source, limits: Limits, found: Decoded) -> None:
    if not isinstance(item, dict):
        found.refused.append(Refusal("not an object"))
        return
    trace_id, span_id = _text(item, "traceId").lower(), _text(item, "spanId").lower()
    reason = _fault_of(item, trace_id, span_id)
    if reason is None:
        own = source.scope_name == SCOPE
        cleaner = Cleaner(limits, limits.own_attribute if own else limits.attribute)
        span = _raw_span(item, trace_id, span_id, source, cleaner)
        if cleaner.size <= limits.span:
            found.spans.append(span)
            return
        reason = f"larger than {limits.span} bytes"
    found.refused.append(Refusal(reason, cleaned_id(span_id)))


def cleaned_id(value: str) -> str:
    """A span id fit for a message, whatever was sent."""
    return "".join(c for c in value[:32] if c.isalnum())


def _fault_of(item: dict[str, Json], trace_id: str, span_id: str) -> str | None:
    if not _TRACE.fullmatch(trace_id) or trace_id == _NO_TRACE:
        return "trace id is not 16 bytes"
    if not _SPAN.fullmatch(span_id) or span_id == _NO_SPAN:
        return "span id is not 8 bytes"
    times = (_integer(item.get("startTimeUnixNano")), _integer(item.get("endTimeUnixNano")))
    if not all(0 <= t < _TIME_LIMIT for t in times):
        return "time is out of range"
    return None


def _raw_span(
    item: dict[str, Json], trace_id: str, span_id: str, source: Source, cleaner: Cleaner
) -> RawSpan:
    attributes = _attributes(item, cleaner)
    dropped = _integer(item.get("droppedAttributesCount"))
    if dropped > 0:
        cleaner.note("dropped_attributes", dropped)
    parent = _text(item, "parentSpanId").lower()
    status = _object(item, "status")
    return RawSpan(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent if _SPAN.fullmatch(parent) and parent != _NO_SPAN else None,
        name=cleaner.name(_text(item, "name")),
        started_at=_integer(item.get("startTimeUnixNano")),
        ended_at=_integer(item.get("endTimeUnixNano")),
        status_code=_integer(status.get("code")),
        status_message=cleaner.text(_text(status, "message"), "status"),
        span_kind=_integer(item.get("kind")),
        attributes=attributes,
        events=_events(item, cleaner),
        links=_links(item, cleaner),
        resource=source.resource,
        scope_name=cleaner.name(source.scope_name),
        scope_version=cleaner.name(source.scope_version),
        notes=cleaner.notes,
    )


def _some(item: dict[str, Json], name: str, limit: int, cleaner: Cleaner) -> list[dict[str, Json]]:
    found = item.get(name)
    if not isinstance(found, list):
        return []
    if len(found) > limit:
        cleaner.note(f"dropped_{name}", len(found) - limit)
    return [one for one in found[:limit] if isinstance(one, dict)]


def _events(item: dict[str, Json], cleaner: Cleaner) -> tuple[Event, ...]:
    return tuple(
        Event(
            cleaner.name(_text(e, "name")),
            min(max(_integer(e.get("timeUnixNano")), 0), _TIME_LIMIT - 1),
            _attributes(e, cleaner),
        )
        for e in _some(item, "events", cleaner.limits.events, cleaner)
    )


def _links(item: dict[str, Json], cleaner: Cleaner) -> tuple[Link, ...]:
    links = []
    for link in _some(item, "links", cleaner.limits.links, cleaner):
        trace_id, span_id = _text(link, "traceId").lower(), _text(link, "spanId").lower()
        if _TRACE.fullmatch(trace_id) and _SPAN.fullmatch(span_id):
            links.append(Link(trace_id, span_id, _attributes(link, cleaner)))
    return tuple(links)


def _attributes(item: dict[str, Json], cleaner: Cleaner) -> dict[str, Json]:
    pairs = _some(item, "attributes", cleaner.limits.attributes, cleaner)
    return _pairs(pairs, cleaner, 0)


def _pairs(pairs: list[dict[str, Json]], cleaner: Cleaner, depth: int) -> dict[str, Json]:
    out: dict[str, Json] = {}
    for pair in pairs:
        key = cleaner.key(_text(pair, "key"))
        if key in out:
            cleaner.note("duplicate_key")
            continue
        out[key] = _value(pair.get("value"), cleaner, depth, key)
    return out


def _value(value: Json, cleaner: Cleaner, depth: int, where: str) -> Json:
    if not isinstance(value, dict):
        return None
    for kind, inner in value.items():
        if kind in ("stringValue", "bytesValue"):
            return cleaner.text(inner, where) if isinstance(inner, str) else None
        if kind == "intValue":
            return cleaner.number(_integer(inner))
        if kind == "boolValue":
            return inner if isinstance(inner, bool) else None
        if kind == "doubleValue":
            return _double(inner, cleaner)
        if kind in ("arrayValue", "kvlistValue"):
            return _nested(inner, kind, cleaner, depth, where)
    return None


def _nested(inner: Json, kind: str, cleaner: Cleaner, depth: int, where: str) -> Json:
    values = inner.get("values") if isinstance(inner, dict) else None
    if not isinstance(values, list):
        return [] if kind == "arrayValue" else {}
    if depth >= cleaner.limits.depth:
        return cleaner.too_deep()
    if kind == "arrayValue":
        return [_value(v, cleaner, depth + 1, where) for v in values]
    return _pairs([v for v in values if isinstance(v, dict)], cleaner, depth + 1)


def _double(value: Json, cleaner: Cleaner) -> Json:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return cleaner.number(value)
    if not isinstance(value, str):
        return None
    if value in _NUMBERS:
        return _NUMBERS[value]
    try:
        return cleaner.number(float(value))
    except ValueError:
        return None


def _add_record(item: Json, source: Source, limits: Limits, found: DecodedLogs) -> None:
    if not isinstance(item, dict):
        found.refused.append(Refusal("not an object"))
        return
    cleaner = Cleaner(limits, limits.attribute)
    attributes = _attributes(item, cleaner)
    name = _text(item, "eventName") or str(attributes.get("event.name") or "")
    if not is_ours(name):
        found.dropped += 1
        return
    trace_id, span_id = _text(item, "traceId").lower(), _text(item, "spanId").lower()
    body = _value(item.get("body"), cleaner, 0, "body")
    if cleaner.size > limits.span:
        found.refused.append(Refusal(f"larger than {limits.span} bytes", cleaned_id(span_id)))
        return
    at = _integer(item.get("timeUnixNano")) or _integer(item.get("observedTimeUnixNano"))
    found.records.append(
        LogRecord(
            event_name=cleaner.name(name),
            trace_id=trace_id if _TRACE.fullmatch(trace_id) and trace_id != _NO_TRACE else None,
            span_id=span_id if _SPAN.fullmatch(span_id) and span_id != _NO_SPAN else None,
            at=min(max(at, 0), _TIME_LIMIT - 1),
            body=body,
            attributes=attributes,
            resource=source.resource,
            scope_name=cleaner.name(source.scope_name),
        )
    )
