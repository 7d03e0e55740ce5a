"""Plain text, cut into words, sentences and values with their places."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from waypost.records import Json

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
NUMERAL = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
# As most of Europe and South America write it: 1.200,50 and 12,5.
COMMA_NUMERAL = re.compile(r"(?<![\d.,])(?:\d{1,3}(?:\.\d{3})+(?:,\d+)?|\d+,\d{1,2})(?![\d.,]*\d)")
SENTENCE_END = re.compile(r"(?<=[.!?。！？])[\"'”’)\]]*\s+|\n+")
FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_STOPS = """a about above after again all also am an and any are as at be because been before being
    below between both but by can cannot could did do does doing down during each few for from
    further had has have having he her here hers him his how i if in into is it its itself just
    let me more most my no nor not now of off on once only or other our ours out over own same
    she should so some such than that the their theirs them then there these they this those
    through to too under until up very was we were what when where which while who whom why will
    with would you your yours yes ok okay please thank thanks well really"""
STOP_WORDS = frozenset(_STOPS.split())


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text and where it stands."""

    text: str
    start: int
    end: int


def words(text: str) -> list[str]:
    """The words of a text in lower case."""
    return WORD.findall(text.lower())


def content_words(text: str) -> list[str]:
    """The words that carry meaning, cut to a common stem."""
    return [stem(w) for w in words(text) if w not in STOP_WORDS]


@lru_cache(maxsize=1 << 15)
def stem(word: str) -> str:
    """A word without the commonest English endings; crude, fast and the same on both sides."""
    word = word.removesuffix("'s").removesuffix("’s")
    for ending in ("ingly", "edly", "ings", "ing", "ies", "ied", "ed", "es", "ly", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)] + ("y" if ending in ("ies", "ied") else "")
    return word


def sentences(text: str) -> Iterator[Span]:
    """The sentences of a text, lines counting as sentences, with their places."""
    start = 0
    for gap in SENTENCE_END.finditer(text):
        yield from _trimmed(text, start, gap.start())
        start = gap.end()
    yield from _trimmed(text, start, len(text))


def _trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    piece = text[start:end]
    body = piece.strip()
    if body:
        offset = start + piece.index(body)
        yield Span(body, offset, offset + len(body))


def plain_number(text: str) -> str:
    """A number without separators, leading zeros and an empty fraction."""
    whole, _, rest = text.replace(",", "").strip("$€£%").partition(".")
    rest = rest.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{rest}" if rest else "")


def comma_number(text: str) -> str | None:
    """A number with a decimal comma in plain form; None for what is no such number."""
    return next(_comma_numbers(text), None)


def numbers_in(text: str) -> Iterator[str]:
    """Every number a text may be read to hold, in plain form."""
    yield from map(plain_number, NUMERAL.findall(text))
    if "," in text or "." in text:
        yield from _comma_numbers(text)


def _comma_numbers(text: str) -> Iterator[str]:
    for match in COMMA_NUMERAL.finditer(text):
        yield plain_number(match.group().replace(".", "").replace(",", "."))


def without_code(text: str) -> str:
    """The text with its fenced code blanked, everything else in its place."""
    if "```" not in text:
        return text
    return FENCED.sub(lambda m: "".join("\n" if c == "\n" else " " for c in m.group()), text)


def is_prose(text: str) -> bool:
    """Whether a text is written in sentences; records and listings have few small words."""
    found = WORD.findall(text[:20_000].lower())
    small = sum(w in STOP_WORDS for w in found)
    return len(found) >= 30 and small >= 0.2 * len(found)


def quote(text: str, limit: int = 200) -> str:
    """The beginning of a text for a person to read."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def leaves(value: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Every plain value inside a JSON value, with the path to it."""
    pending = [(path, value)]
    while pending:
        where, item = pending.pop()
        if isinstance(item, dict):
            pending += [(f"{where}.{k}" if where else k, v) for k, v in reversed(item.items())]
        elif isinstance(item, list):
            pending += [(f"{where}[{n}]", v) for n, v in reversed(list(enumerate(item)))]
        else:
            yield where, item


def as_text(value: Json) -> str:
    """A JSON value as the text a model would have seen."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
