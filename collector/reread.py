"""Stored spans read again with today's conventions."""

from dataclasses import fields
from typing import Any, Final

from collector.convention import UNREAD, Reader
from collector.reading.draft import SHORTENED
from waypost.assembly import Cohorts
from waypost.records import Event, Json, RawSpan, Status, Step

_DEFAULTS: Final[dict[str, Any]] = {
    f.name: f.default_factory() if callable(f.default_factory) else f.default for f in fields(Step)
}
# What a reading says of the span as a whole, also where it now says less than it did.
_WHOLE: Final = ("kind", "name", "convention", "operation", "attributes", "origin")
# What may have come from events and payloads that are no longer there.
_ONCE: Final = ("error", "status", "memory", "notes")
_MESSAGES: Final = ("input", "output")


def span_of(step: Step) -> RawSpan:
    """The span a step was read from, as far as it did not become a payload."""
    origin = step.origin
    return RawSpan(
        trace_id=step.trace_id,
        span_id=step.span_id,
        parent_id=step.parent_id,
        name=_text(origin.get("name")) or step.name,
        started_at=step.started_at,
        ended_at=step.ended_at,
        status_code=_number(origin.get("code")),
        status_message=_text(origin.get("message")),
        span_kind=_number(origin.get("kind")),
        attributes={k: v for k, v in step.attributes.items() if k not in _heads(step)},
        events=_events(origin.get("events")),
        links=step.links,
        resource=step.resource,
        scope_name=_text(origin.get("scope")),
        scope_version=_text(origin.get("version")),
    )


def _heads(step: Step) -> set[str]:
    """The attributes of which only the head was kept, which nothing can be read from."""
    heads = (n[len(SHORTENED) :] for n in step.notes if n.startswith(SHORTENED))
    return {head.rpartition("=")[0] for head in heads}


def reread(step: Step, reader: Reader, cohorts: Cohorts | None = None) -> Step:
    """The step as today's conventions read it; payloads they no longer find are kept."""
    if step.marker:
        return step
    again = reader.read(span_of(step), cohorts).step
    left = {k: v for k, v in step.attributes.items() if k in _heads(step)}
    changes: dict[str, Any] = {}
    for name, default in _DEFAULTS.items():
        value, known = getattr(again, name), getattr(step, name)
        if name == "attributes":
            value = {**value, **left}
        if name == "notes" and any(map(_is_unread, {*value, *known})):
            changes[name] = (*(n for n in known if not _is_unread(n)), *filter(_is_unread, value))
            continue
        kept = name in _ONCE and known not in (default, Status.OK)
        kept = kept or (name == "error" and step.status is not Status.OK)
        kept = kept or (name == "name" and known == step.model and again.model is None)
        if value != known and not kept and (name in _WHOLE or value != default):
            changes[name] = value
    if any(getattr(step, name) and changes.pop(name, None) for name in _MESSAGES):
        changes.pop("attributes", None)  # the messages stay, and so does what gave others
    return step.replace(**changes) if changes else step


def _is_unread(note: str) -> bool:
    return note.startswith(UNREAD)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Json) -> int:
    return value if isinstance(value, int) else 0


def _events(value: Json) -> tuple[Event, ...]:
    if not isinstance(value, list):
        return ()
    found = []
    for one in value:
        if isinstance(one, dict):
            attributes = one.get("attributes")
            about = attributes if isinstance(attributes, dict) else {}
            found.append(Event(_text(one.get("name")), _number(one.get("at")), about))
    return tuple(found)
