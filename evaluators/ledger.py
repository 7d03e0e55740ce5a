"""Who could have known what, and when: the words of a run by the step at which they appeared."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from evaluators.text import WORD, as_text
from waypost.records import Kind, Message, Step

Entry = tuple[int, str, str]


@dataclass(frozen=True, slots=True)
class Ledger:
    """Texts in the order in which they became known, and each word's first place.

    An entry is (place, origin, text); place counts the steps that had begun. What a model wrote
    itself is of origin `model`, so a value it invented does not vouch for itself.
    """

    entries: tuple[Entry, ...]
    first: Mapping[str, int]

    @classmethod
    def of(cls, steps: Iterable[Step]) -> "Ledger":
        entries = tuple(_entries(steps))
        first: dict[str, int] = {}
        for place, origin, text in entries:
            if origin != "model":
                for word in WORD.findall(text.lower()):
                    first.setdefault(word, place)
        return cls(entries, first)

    def knows(self, text: str, place: int) -> bool:
        """Whether every word of `text` had been seen before the step at `place`."""
        found = WORD.findall(text.lower())
        return bool(found) and all(self.first.get(w, place) < place for w in found)

    def texts(self, place: int, *origins: str) -> list[str]:
        """The texts of those origins that were known before the step at `place`."""
        return [t for p, origin, t in self.entries if p < place and origin in origins]


def _entries(steps: Iterable[Step]) -> Iterator[Entry]:
    """Texts step by step; of an input that repeats the one before, only what was added."""
    before: tuple[Message, ...] = ()
    for place, step in enumerate(steps):
        if step.kind is Kind.LLM:
            yield from _of_model(step, before, place)
            before = step.input
        else:
            yield from _of_other(step, place)


def _of_model(step: Step, before: tuple[Message, ...], place: int) -> Iterator[Entry]:
    if not before:
        for instruction in (*(step.system or ()), *(step.tools or ())):
            yield place - 1, "system", as_text(instruction)
    for message in step.input[_shared(before, step.input) :]:
        origin = _origin(message.role)
        if message.text:
            yield place - 1, origin, message.text
        for part in message.tool_responses:
            yield place - 1, "tool", as_text(part.get("response"))
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
        yield place, "tool", as_text(step.result)
    for document in step.documents:
        yield place, "document", document.content
    if step.memory:
        yield place, "memory", "\n".join(as_text(r) for r in step.memory.records)
    if step.human and step.human.comment:
        yield place, "user", step.human.comment
