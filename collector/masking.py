"""Secrets and personal data out of readings before anything of them is stored or spooled."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from waypost.records import (
    Content,
    Document,
    Fault,
    Feedback,
    Guard,
    Human,
    Json,
    Link,
    Memory,
    Message,
    Reading,
    Step,
)
from waypost.redact import Counts, Redactor, merge_counts

T = TypeVar("T")
_MEMO: Final = 20_000
_SHORT: Final = 512
_TEXTS: Final = (
    "name",
    "query",
    "data_source",
    "prompt_name",
    "agent",
    "handoff_from",
    "handoff_to",
)
_VALUES: Final = ("arguments", "result", "params", "attributes", "origin", "resource", "cohort")
_IDS: Final = ("session", "user")


class Masker:
    """Masks what one project receives; what was seen before is looked up, not scanned again.

    Session and user ids that are personal data become a keyed hash, so that they keep joining.
    """

    def __init__(self, level: str, *, key: bytes) -> None:
        self._redactor = Redactor(level)
        self._ids = Redactor(level, key=key)
        self._off = level == "off"
        self._messages: dict[int, tuple[Message, Message, Counts]] = {}
        self._pairs: dict[tuple[str, str], tuple[str, str, Counts]] = {}

    def reading(self, reading: Reading) -> Reading:
        """The reading without what must not be kept; the step notes what was taken out."""
        if self._off:
            return reading
        counts: Counts = {}
        step = self._step(reading.step, counts)
        return Reading(
            step,
            tuple(self.content(c) for c in reading.contents),
            tuple(self.feedback(f) for f in reading.feedback),
        )

    def content(self, content: Content) -> Content:
        if self._off:
            return content
        message = self._message(content.message, {})
        return Content(content.trace_id, content.span_id, content.at, content.direction, message)

    def feedback(self, feedback: Feedback) -> Feedback:
        if self._off:
            return feedback
        changes = {
            "explanation": self._value(feedback.explanation, {}),
            "label": self._value(feedback.label, {}),
            "session": self._id(feedback.session, {}),
            "by": self._id(feedback.by, {}),
        }
        return _with(feedback, changes)

    def _step(self, step: Step, counts: Counts) -> Step:
        changes: dict[str, Any] = {}
        for name in _TEXTS:
            changes[name] = self._value(getattr(step, name), counts)
        for name in _VALUES:
            changes[name] = self._mapping(getattr(step, name), counts)
        for name in _IDS:
            changes[name] = self._id(getattr(step, name), counts)
        for name in ("input", "output"):
            changes[name] = self._all(getattr(step, name), counts)
        for name in ("system", "tools"):
            changes[name] = self._list(getattr(step, name), counts)
        changes["documents"] = tuple(self._document(d, counts) for d in step.documents)
        changes["links"] = tuple(self._link(link, counts) for link in step.links)
        for name in ("error", "guard", "human", "memory"):
            part = getattr(step, name)
            changes[name] = None if part is None else self._part(part, counts)
        if counts:
            found = (f"redacted:{kind}={n}" for kind, n in sorted(counts.items()))
            changes["notes"] = (*step.notes, *found)
        changed = {k: v for k, v in changes.items() if v is not getattr(step, k)}
        return step.replace(**changed) if changed else step

    def _all(self, messages: tuple[Message, ...], counts: Counts) -> tuple[Message, ...]:
        if not messages:
            return messages
        masked = tuple([self._message(m, counts) for m in messages])
        return messages if all(a is b for a, b in zip(masked, messages, strict=True)) else masked

    def _message(self, message: Message, counts: Counts) -> Message:
        known = self._messages.get(id(message))
        if known is None:
            found: Counts = {}
            parts = tuple(self._object(p, found) for p in message.parts)
            extra = self._object(message.extra, found)
            same = extra is message.extra and all(
                a is b for a, b in zip(parts, message.parts, strict=True)
            )
            masked = message if same else Message(message.role, parts, extra)
            if len(self._messages) >= _MEMO:
                self._messages.clear()
            known = self._messages[id(message)] = (message, masked, found)
        merge_counts(counts, known[2])
        return known[1]

    def _object(self, value: Mapping[str, Json], counts: Counts) -> Mapping[str, Json]:
        masked = self._value(dict(value), counts)
        return value if masked == value else masked

    def _mapping(self, value: Any, counts: Counts) -> Any:
        """A flat mapping such as attributes, entry by entry: most entries repeat."""
        if not isinstance(value, dict):
            return self._value(value, counts)
        if not value:
            return value
        masked = dict([self._entry(k, v, counts) for k, v in value.items()])
        return value if masked == value else masked

    def _entry(self, key: str, value: Json, counts: Counts) -> tuple[str, Json]:
        if not isinstance(value, str) or len(value) > _SHORT:
            found: dict[str, Json] = self._value({key: value}, counts)
            return next(iter(found.items()))
        known = self._pairs.get((key, value))
        if known is None:
            taken: Counts = {}
            pair = next(iter(self._value({key: value}, taken).items()))
            if len(self._pairs) >= _MEMO:
                self._pairs.clear()
            known = self._pairs[key, value] = (pair[0], pair[1], taken)
        if known[2]:
            merge_counts(counts, known[2])
        return known[0], known[1]

    def _list(self, values: tuple[Json, ...] | None, counts: Counts) -> tuple[Json, ...] | None:
        if not values:
            return values
        masked = tuple(self._value(v, counts) for v in values)
        return values if masked == values else masked

    def _value(self, value: Any, counts: Counts) -> Any:
        if value is None or value == "":
            return value
        masked, found = self._redactor.value(value)
        if found:
            merge_counts(counts, found)
        return masked

    def _id(self, value: str | None, counts: Counts) -> str | None:
        if not value:
            return value
        masked, found = self._ids.text(value)
        if found:
            merge_counts(counts, found)
        return masked

    def _document(self, document: Document, counts: Counts) -> Document:
        content = self._value(document.content, counts)
        return Document(
            content, document.id, document.score, self._mapping(document.metadata, counts)
        )

    def _link(self, link: Link, counts: Counts) -> Link:
        return Link(link.trace_id, link.span_id, self._mapping(link.attributes, counts))

    def _part(self, part: Fault | Guard | Human | Memory, counts: Counts) -> object:
        fields = type(part).__dataclass_fields__
        return _with(part, {n: self._member(getattr(part, n), counts) for n in fields})

    def _member(self, value: object, counts: Counts) -> object:
        if isinstance(value, tuple):
            return tuple(self._value(v, counts) for v in value)
        return self._value(value, counts) if isinstance(value, str) else value


def _with(record: T, changes: Mapping[str, object]) -> T:
    fields = type(record).__dataclass_fields__  # type: ignore[attr-defined]  # only records come here
    values = {n: changes.get(n, getattr(record, n)) for n in fields}
    return type(record)(**values)
