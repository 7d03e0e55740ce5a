"""Secrets and personal data out of readings before anything of them is stored or spooled."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

from waypost.looks import is_harmless
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
_SHORT: Final = 256
_DEFINITION: Final = 16_384
_DEFINITIONS: Final = 500
_HELD: Final = 16 << 20
_CARD: Final = 10**11
_TEXTS: Final = (
    "name", "query", "data_source", "prompt_name", "prompt_version", "agent", "agent_version",
    "handoff_from", "handoff_to", "tool", "tool_type", "model", "model_requested", "provider",
    "operation", "finish_reason", "route", "environment", "service",
)  # fmt: skip
_VALUES: Final = ("arguments", "result")
_SAID: Final = frozenset({"input", "output", *_VALUES})
_NONE: Final[frozenset[str]] = frozenset()
_MAPPINGS: Final = ("params", "attributes", "origin", "resource", "cohort")
# What a part holds beside its content, none of which a person wrote.
_PLAIN_NAMES: Final = frozenset({"type", "modality", "mime_type"})
_IDS: Final = ("session", "user")
# What programs number things with: in strict these would all look like tokens.
_NUMBERS: Final = ("trajectory_id", "call_id", "response_id")
# Such a number holds no more than chance: it is not looked through for anything.
_DRAWN: Final = re.compile(
    r"(?:call|toolu|tooluse|chatcmpl|resp|msg|fc|run|gen)[_-][A-Za-z0-9]{8,64}|[0-9a-f]{32}"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)


class Masker:
    """Masks what projects of one level receive; what was seen before is not scanned again.

    Ids that are personal data or secrets become a hash with the project's own key, so that they
    keep joining.
    """

    def __init__(self, level: str, *, key: bytes) -> None:
        self._redactor = Redactor(level)
        self._ids = Redactor(level, key=key)
        self._numbers = Redactor("standard", key=key)
        self._key = key
        self._off = level == "off"
        self._standard = level == "standard"
        self._messages: dict[int, tuple[Message, Message, Counts]] = {}
        self._harmless: set[int] = set()
        self._held = 0
        self._lists: dict[str, tuple[Json, Counts]] = {}
        self._clean: set[tuple[str, Json]] = set()
        self._texts: dict[str, tuple[str, Counts]] = {}
        self._keys: dict[str, bool] = {}
        self._fields: tuple[tuple[str, Callable[[Any, Counts], Any]], ...] = (
            *((name, self._text) for name in _TEXTS),
            *((name, self._value) for name in _VALUES),
            *((name, self._mapping) for name in _MAPPINGS),
            *((name, self._id) for name in _IDS),
            *((name, self._number) for name in _NUMBERS),
            *((name, self._all) for name in ("input", "output")),
            *((name, self._list) for name in ("system", "tools")),
            *((name, self._part) for name in ("error", "guard", "human", "memory")),
            ("documents", self._documents),
            ("fallbacks", self._names),
            ("links", self._links),
            ("notes", self._notes),
        )
        self._by_name = dict(self._fields)

    def keyed(self, key: bytes) -> "Masker":
        """This masker, with the key of the project whose readings come next."""
        if key != self._key:
            self._ids, self._key = Redactor(self._redactor.level, key=key), key
            self._numbers = Redactor("standard", key=key)
        return self

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
            "explanation": self._text(feedback.explanation, {}),
            "label": feedback.label and self._text(feedback.label, {}),
            "session": self._id(feedback.session, {}),
            "by": self._id(feedback.by, {}),
            "response_id": feedback.response_id and self._number(feedback.response_id, {}),
        }
        return _with(feedback, changes)

    def _step(self, step: Step, counts: Counts) -> Step:
        changes: dict[str, Any] = {}
        for name, mask in self._fields:
            value = getattr(step, name)
            if value:
                masked = mask(value, counts)
                if masked is not value:
                    changes[name] = masked
        if counts:
            changes["notes"] = (*changes.get("notes", step.notes), *_notes_of(counts))
        return step.replace(**changes) if changes else step

    def moved(
        self, fields: dict[str, Any], attributes: dict[str, Json], texts: Iterable[str], said: str
    ) -> tuple[str, ...]:
        """Mask these fields of a step and the attributes named, in place; what was taken out.

        All messages and payloads among the fields were read from what is `said`.
        """
        if self._off:
            return ()
        counts: Counts = {}
        known = _SAID if self._standard and said and is_harmless(said) else _NONE
        for name in (self._by_name.keys() & fields.keys()) - known:
            if fields[name]:
                fields[name] = self._by_name[name](fields[name], counts)
        for name in texts:
            attributes[name] = self._entry(name, attributes[name], counts)
        return tuple(_notes_of(counts)) if counts else ()

    def expectation(self, value: Mapping[str, Json]) -> Mapping[str, Json]:
        """What is expected of a case, masked as the answers it is held against are."""
        return self._mapping(value, {})

    def _all(self, messages: tuple[Message, ...], counts: Counts) -> tuple[Message, ...]:
        harmless = self._harmless
        others = [m for m in messages if id(m) not in harmless]
        changed = {id(m): new for m in others if (new := self._message(m, counts)) is not m}
        return tuple([changed.get(id(m), m) for m in messages]) if changed else messages

    def _message(self, message: Message, counts: Counts) -> Message:
        known = self._messages.get(id(message))
        if known is None:
            found: Counts = {}
            parts = tuple([self._object(p, found) for p in message.parts])
            extra = self._object(message.extra, found)
            same = extra is message.extra and all(map(_is, parts, message.parts))
            masked = message if same else Message(message.role, parts, extra)
            self._held += _weight(message)
            if self._held > _HELD:
                self._messages.clear()
                self._harmless.clear()
                self._held = 0
            if same and not found:
                self._harmless.add(id(message))
            known = self._messages[id(message)] = (message, masked, found)
        if known[2]:
            merge_counts(counts, known[2])
        return known[1]

    def _object(self, value: Mapping[str, Json], counts: Counts) -> Mapping[str, Json]:
        """A part of a message."""
        changed: dict[str, Json] = {}
        for name, item in value.items():
            if name not in _PLAIN_NAMES and item:
                if name == "id" and type(item) is str:
                    masked: Json = self._number(item, counts)
                else:
                    masked = self._entry(name, item, counts)
                if masked is not item:
                    changed[name] = masked
        return {**value, **changed} if changed else value

    def _mapping(self, value: Mapping[str, Json], counts: Counts) -> Mapping[str, Json]:
        """A flat mapping such as attributes, entry by entry: most entries repeat."""
        changed: dict[str, Json] = {}
        renamed = False
        clean = self._clean
        for pair in value.items():
            name, item = pair
            if type(item) is str and pair in clean:
                continue
            masked = self._entry(name, item, counts)
            if masked is not item:
                changed[name] = masked
            if self._text(name, {}) is not name:
                renamed = True
            elif masked is item and type(item) is str and len(item) <= _SHORT:
                if len(clean) >= _MEMO:
                    clean.clear()
                clean.add(pair)
        whole = {**value, **changed} if changed else value
        return self._renamed(whole, counts) if renamed else whole

    def _renamed(self, value: Mapping[str, Json], counts: Counts) -> Mapping[str, Json]:
        """Names may be texts in disguise."""
        return {self._text(k, counts): v for k, v in value.items()}

    def _entry(self, name: str, item: Json, counts: Counts) -> Json:
        secret = self._keys.get(name)
        if secret is None:
            if len(self._keys) >= _MEMO:
                self._keys.clear()
            secret = self._keys[name] = self._redactor.is_secret_name(name)
        if secret:
            found: dict[str, Json] = self._value({name: item}, counts)
            return next(iter(found.values()))
        if isinstance(item, str):
            return self._text(item, counts)
        if item is None or (isinstance(item, int | float) and -_CARD < item < _CARD):
            return item
        masked: Json = self._value(item, counts)
        return masked

    def _text(self, value: str, counts: Counts) -> str:
        """A text; short ones repeat from span to span."""
        if len(value) <= 4:
            return value
        known = self._texts.get(value) if len(value) <= _SHORT else self._redactor.text(value)
        if known is None:
            if len(self._texts) >= _MEMO:
                self._texts.clear()
            known = self._texts[value] = self._redactor.text(value)
        if not known[1]:
            return value
        merge_counts(counts, known[1])
        return known[0]

    def _list(self, values: tuple[Json, ...], counts: Counts) -> tuple[Json, ...]:
        """System parts and tool definitions, which repeat with every call."""
        found = []
        for value in values:
            key = repr(value)
            if len(key) > _DEFINITION:
                found.append(self._value(value, counts))
                continue
            known = self._lists.get(key)
            if known is None:
                taken: Counts = {}
                if len(self._lists) >= _DEFINITIONS:
                    self._lists.clear()
                known = self._lists[key] = (self._value(value, taken), taken)
            merge_counts(counts, known[1])
            found.append(known[0] if known[1] else value)
        return values if all(map(_is, found, values)) else tuple(found)

    def _value(self, value: Any, counts: Counts) -> Any:
        masked, found = self._redactor.value(value)
        if found:
            merge_counts(counts, found)
        return masked

    def _id(self, value: str | None, counts: Counts) -> str | None:
        if not value or self._text(value, {}) == value:
            return value
        masked, found = self._ids.text(value)
        if found:
            merge_counts(counts, found)
        return masked

    def _number(self, value: str, counts: Counts) -> str:
        if _DRAWN.fullmatch(value):
            return value
        masked, found = self._numbers.text(value)
        if found:
            merge_counts(counts, found)
        return masked if found else value

    def _documents(self, documents: tuple[Document, ...], counts: Counts) -> tuple[Document, ...]:
        found = tuple(
            Document(
                self._value(d.content, counts),
                d.id and self._text(d.id, counts),
                d.score,
                self._mapping(d.metadata, counts),
            )
            for d in documents
        )
        return documents if found == documents else found

    def _links(self, links: tuple[Link, ...], counts: Counts) -> tuple[Link, ...]:
        found = tuple(
            Link(one.trace_id, one.span_id, self._mapping(one.attributes, counts)) for one in links
        )
        return links if found == links else found

    def _names(self, names: tuple[str, ...], counts: Counts) -> tuple[str, ...]:
        found = tuple(self._text(name, counts) for name in names)
        return names if found == names else found

    def _notes(self, notes: tuple[str, ...], _: Counts) -> tuple[str, ...]:
        """Some notes name an attribute, which is counted where it stands."""
        found = tuple(self._note(note) for note in notes)
        return notes if found == notes else found

    def _note(self, note: str) -> str:
        what, _, named = note.partition(":")
        name, equals, size = named.rpartition("=") if "=" in named else (named, "", "")
        return f"{what}:{self._text(name, {})}{equals}{size}" if named else note

    def _part(self, part: Fault | Guard | Human | Memory, counts: Counts) -> object:
        fields = type(part).__dataclass_fields__
        return _with(part, {n: self._member(getattr(part, n), counts) for n in fields})

    def _member(self, value: object, counts: Counts) -> object:
        if isinstance(value, tuple):
            return tuple(self._value(v, counts) for v in value)
        return self._text(value, counts) if isinstance(value, str) else value


def _notes_of(counts: Counts) -> Iterator[str]:
    return (f"redacted:{kind}={n}" for kind, n in sorted(counts.items()))


def _weight(message: Message) -> int:
    """About how many bytes a message takes."""
    size = 600
    for part in message.parts:
        for value in part.values():
            if isinstance(value, str):
                size += len(value)
    return size


def _is(one: object, other: object) -> bool:
    return one is other


def _with(record: T, changes: Mapping[str, object]) -> T:
    fields = type(record).__dataclass_fields__  # type: ignore[attr-defined]  # only records come here
    values = {n: changes.get(n, getattr(record, n)) for n in fields}
    return type(record)(**values)
