"""Personal data and secrets in a text, by the same rules that take them out before export."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import phonenumbers

from evaluators.text import Span
from waypost.patterns import PLACEHOLDER
from waypost.redact import Redactor

SECRET_KINDS = frozenset({"SECRET", "API_KEY", "JWT", "PRIVATE_KEY", "URL_LOGIN", "TOKEN"})
_REGION = "US GB DE FR IT ES AT CH PL NL SE DK NO FI AU IN BR JP HU CZ"
REGIONS = tuple(_REGION.split())
KIND = re.compile(r"\[([A-Z_]+)")


@dataclass(frozen=True, slots=True)
class Leak:
    """One value that should not be there: its kind and its place."""

    kind: str
    span: Span


def find_leaks(text: str, level: str = "standard") -> tuple[Leak, ...]:
    """What redaction would take out of a text, each with its kind and place."""
    return tuple(_leaks(text, level))


def _leaks(text: str, level: str) -> Iterator[Leak]:
    clean, counts = Redactor(level).text(text)
    if not counts:
        return
    place = end = 0
    kind = ""
    for mark in [*PLACEHOLDER.finditer(clean), None]:
        literal = clean[end : mark.start() if mark else len(clean)]
        found = text.find(literal, place) if literal else place
        if kind and found > place:
            yield from _leak(text, kind, place, found)
        elif kind and mark is None:
            yield from _leak(text, kind, place, len(text))
        place = max(place, found + len(literal)) if found >= 0 else place
        if mark is None:
            break
        kind = KIND.match(mark.group())[1]  # type: ignore[index]  # the pattern begins alike
        end = mark.end()


def _leak(text: str, kind: str, start: int, end: int) -> Iterator[Leak]:
    value = text[start:end].strip()
    if value and not PLACEHOLDER.fullmatch(value) and _is_likely(kind, value):
        yield Leak(kind, Span(value, start, end))


def _is_likely(kind: str, value: str) -> bool:
    """Numbers that no country could have dialled are no phone numbers."""
    if kind != "PHONE":
        return True
    return any(_could_be_dialled(value, region) for region in REGIONS)


def _could_be_dialled(value: str, region: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(value, region))
    except phonenumbers.NumberParseException:
        return False
