"""Who could have known what, and when: the words of a run by the step at which they appeared."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from evaluators.actions import is_console
from evaluators.figures import totals
from evaluators.text import WORD, as_text, is_prose, numbers_in, stem
from waypost.records import Kind, Message, Step, Trajectory

Entry = tuple[int, str, str]
SOURCES = frozenset({"document", "tool", "memory"})
EVIDENCE = SOURCES | {"console"}
NEVER = 1 << 60
LONG = 2000


@dataclass(frozen=True)
class Ledger:
    """Texts in the order in which they became known.

    An entry is (place, origin, text); place counts the steps that had begun. What a model wrote
    itself is of origin `model`, so a value it invented does not vouch for itself. What commands
    and code printed is of origin `console`: its numbers are evidence, its words no source.
    """

    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, run: Trajectory | None) -> "Ledger":
        return cls(tuple(_entries(run)) if run else ())

    @cached_property
    def first(self) -> Mapping[str, int]:
        """The place at which each word was first seen outside the model's own words."""
        return _first_places((p, t) for p, origin, t in self.entries if origin != "model")

    @cached_property
    def evidence(self) -> Mapping[str, int]:
        """The same for words of documents, tool results and memory only."""
        return _first_places((p, t) for p, origin, t in self.entries if origin in SOURCES)

    @cached_property
    def evidence_stems(self) -> Mapping[str, int]:
        return _least(self.evidence, stem)

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """Every number seen outside the model's own words, in plain form, by first place."""
        first: dict[str, int] = {}
        for place, origin, text in self.entries:
            if origin != "model":
                for number in _numbers_of(text):
                    first.setdefault(number, place)
        return first

    @cached_property
    def totals(self) -> tuple[tuple[int, float], ...]:
        """What the records among the evidence add up to, each with its place."""
        records = ((place, t) for place, origin, t in self.entries if origin in EVIDENCE)
        return tuple((place, total) for place, text in records for total in totals(text))

    @cached_property
    def vocabulary(self) -> str:
        """All words of `first` in one text: whether a piece is in none of them is seen at once."""
        return " ".join(self.first)

    @cached_property
    def prose(self) -> int:
        """The first place after which the evidence holds running text, not only records."""
        texts = ((p, o, t) for p, o, t in self.entries if o in SOURCES and t.strip())
        return next((p for p, o, t in texts if o == "document" or is_prose(t)), NEVER)

    def knows(self, text: str, place: int) -> bool:
        """Whether every word of `text` had been seen before the step at `place`."""
        found = WORD.findall(text.lower())
        return bool(found) and all(self.first.get(w, NEVER) < place for w in found)

    def texts(self, place: int, origins: Iterable[str]) -> list[str]:
        """The texts of those origins that were known before the step at `place`."""
        wanted = frozenset(origins)
        return [t for p, origin, t in self.entries if p < place and origin in wanted]

    def has(self, place: int, origins: Iterable[str]) -> bool:
        """Whether anything of those origins was known before the step at `place`."""
        wanted = frozenset(origins)
        return any(p < place and o in wanted and t.strip() for p, o, t in self.entries)


def _first_places(texts: Iterable[tuple[int, str]]) -> Mapping[str, int]:
    first: dict[str, int] = {}
    for place, text in texts:
        for word in _words_of(text):
            first.setdefault(word, place)
    return first


def _words_of(text: str) -> Iterable[str]:
    """The words of a text; long ones, as prompts and tools are, come again in every run."""
    return _long_words_of(text) if len(text) > LONG else WORD.findall(text.lower())


@lru_cache(maxsize=128)
def _long_words_of(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(WORD.findall(text.lower())))


def _numbers_of(text: str) -> Iterable[str]:
    """The numbers of a text in plain form."""
    return _long_numbers_of(text) if len(text) > LONG else numbers_in(text)


@lru_cache(maxsize=128)
def _long_numbers_of(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(numbers_in(text)))


def _least(places: Mapping[str, int], form: Callable[[str], str]) -> Mapping[str, int]:
    """The places of words brought into one form, the earliest winning."""
    least: dict[str, int] = {}
    for word, place in places.items():
        shape = form(word)
        if shape and place < least.get(shape, NEVER):
            least[shape] = place
    return least


def _entries(run: Trajectory) -> Iterator[Entry]:
    """Texts step by step; of an input that repeats the one before, only what was added."""
    before: tuple[Message, ...] = ()
    printed: set[str] = set()
    for message in run.input:
        if message.text:
            yield -1, _origin(message.role), message.text
    for place, step in enumerate(run.steps):
        if step.kind is Kind.LLM:
            yield from _of_model(step, before, place, printed)
            before = step.input
        else:
            if is_console(step):
                printed.add(as_text(step.result))
            yield from _of_other(step, place)


def _of_model(
    step: Step, before: tuple[Message, ...], place: int, printed: set[str]
) -> Iterator[Entry]:
    if not before:
        for instruction in (*(step.system or ()), *(step.tools or ())):
            yield place - 1, "system", as_text(instruction)
    for message in step.input[_shared(before, step.input) :]:
        origin = _origin(message.role)
        if message.text:
            yield place - 1, origin, message.text
        for part in message.tool_responses:
            text = as_text(part.get("response"))
            yield place - 1, "console" if text in printed else "tool", text
    for message in step.output:
        yield place, "model", message.text


def _shared(before: tuple[Message, ...], now: tuple[Message, ...]) -> int:
    count = 0
    for old, new in zip(before, now, strict=False):
        if old is not new and old != new:
            break
        count += 1
    return count


def _origin(role: str) -> str:
    match role:
        case "assistant" | "ai" | "model":
            return "model"
        case "tool" | "function":
            return "tool"
        case "system" | "developer":
            return "system"
        case _:
            return "user"


def _of_other(step: Step, place: int) -> Iterator[Entry]:
    if step.result is not None:
        yield place, "console" if is_console(step) else "tool", as_text(step.result)
    for document in step.documents:
        yield place, "document", document.content
    if step.memory:
        yield place, "memory", "\n".join(as_text(r) for r in step.memory.records)
    if step.human and step.human.comment:
        yield place, "user", step.human.comment
