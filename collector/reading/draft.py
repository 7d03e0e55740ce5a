"""One span while it is read: what was found, which attributes it took, what is still empty."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from collector.reading.recall import Recall
from collector.reading.values import as_dict, as_text, as_tokens, parsed
from collector.runs import RunAttributes
from waypost.records import Content, Event, Feedback, Json, Kind, Message, RawSpan, Tokens

_SAID: Final[Mapping[str, type]] = {
    "system": tuple, "tools": tuple, "arguments": dict, "result": list,
}  # fmt: skip
SHORTENED: Final = "shortened:"
EMPTY: Final[tuple[object, ...]] = (None, "", (), [], {})


class Draft:
    """The step a span becomes. What is put first stays: later readers only fill gaps."""

    def __init__(self, span: RawSpan, recall: Recall) -> None:
        self.span = span
        self.attributes: Mapping[str, Json] = span.attributes
        self.recall = recall
        self.kind = Kind.OTHER
        self.fields: dict[str, Any] = {}
        self.taken: set[str] = set()
        self.shortened: dict[str, Json] = {}
        self.tokens: dict[str, int] = {}
        self.contents: list[Content] = []
        self.feedback: list[Feedback] = []
        self.notes: list[str] = list(span.notes)
        self.read_events: set[int] = set()
        self.lists: object = None
        self.read_genai = False
        self.repeats = isinstance(span.attributes, RunAttributes)
        self._objects: dict[str, dict[str, Json]] = {}

    def get(self, *names: str) -> Json:
        """The first of these attributes that is not empty."""
        for name in names:
            value = self.attributes.get(name)
            if value is not None and value != "":
                return value
        return None

    def text(self, *names: str) -> str | None:
        """The first of these attributes that holds a text, unquoted."""
        for name in names:
            value = self.attributes.get(name)
            if value is not None and (found := as_text(value)) is not None:
                return found
        return None

    def object(self, name: str) -> dict[str, Json]:
        """The object in one attribute, parsed once."""
        found = self._objects.get(name)
        if found is None:
            found = self._objects[name] = as_dict(self.attributes.get(name))
        return found

    def has(self, field: str) -> bool:
        return field in self.fields

    def put(self, field: str, value: Any) -> bool:
        """Fill a field that is still empty with a value that is not."""
        if value is None or field in self.fields or (not value and value in EMPTY):
            return False
        self.fields[field] = value
        return True

    def take(self, *names: str) -> None:
        """These attributes became a payload and are not kept a second time."""
        self.taken.update(n for n in names if n in self.attributes)

    def keep_all(self) -> None:
        """Every attribute stays whole beside what was made of it."""
        self.taken.clear()
        self.shortened.clear()
        self.notes = [n for n in self.notes if not n.startswith(SHORTENED)]
        self.repeats = isinstance(self.attributes, RunAttributes)

    def payload(self, field: str, name: str, build: Callable[[Json], Any]) -> None:
        """Make a payload field of an attribute; a copy of one already found is dropped."""
        value = self.attributes.get(name)
        if value is None or name in self.taken:
            return
        if field in self.fields:
            self.taken.add(name)
            return
        built = build(value)
        if built is None:
            return
        if built in EMPTY:
            # An empty list is what was said: it differs from nothing said, and it is kept so;
            # so are the arguments of a call that needs none, and a result that lists nothing.
            if isinstance(built, _SAID.get(field, ())):
                self.fields[field] = built
                self.taken.add(name)
            return
        self.fields[field] = built
        self.taken.add(name)

    def messages(self, field: str, name: str, build: Callable[[Json], tuple[Message, ...]]) -> None:
        """Make messages of an attribute that holds a list of them, usually a grown one."""

        def read(value: Json) -> tuple[Message, ...]:
            if isinstance(value, str) and value.startswith("["):
                key = (self.span.trace_id, f"{self.span.parent_id}{name}")
                return self.recall.grown(key, value, lambda text: build(parsed(text)))
            return build(parsed(value))

        self.payload(field, name, read)

    def count(self, field: str, *values: Json) -> None:
        """Fill a token count with the first value that is one."""
        if field in self.tokens:
            return
        for value in values:
            number = as_tokens(value)
            if number is not None:
                self.tokens[field] = number
                return

    def usage(self) -> Tokens:
        return Tokens(**self.tokens)

    def shorten(self, *names: str, limit: int = 2048) -> None:
        """Keep only the head of bulk that the steps below repeat."""
        for name in names:
            value = self.attributes.get(name)
            if isinstance(value, str) and len(value) > limit and name not in self.taken:
                self.shortened[name] = value[:limit]
                self.notes.append(f"{SHORTENED}{name}={len(value)}")

    def events(self, *names: str) -> list[tuple[int, Event]]:
        return [(i, e) for i, e in enumerate(self.span.events) if e.name in names]
