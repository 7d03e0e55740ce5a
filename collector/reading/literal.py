"""A small bounded reader of Python reprs; nothing in them is ever executed."""

import math
import re
from typing import Final

from waypost.records import Json

_MAX_TEXT: Final = 1 << 18
_MAX_DEPTH: Final = 32
_SPACE = re.compile(r"\s+")
_STRING = re.compile(
    r"""[bBrRuU]{0,2}(?:'(?P<a>[^'\\]*(?:\\.[^'\\]*)*)'|"(?P<b>[^"\\]*(?:\\.[^"\\]*)*)")""",
    re.DOTALL,
)
_NUMBER = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?(?![\w.])")
_NAME = re.compile(r"[A-Za-z_][\w.]*")
_ENUM = re.compile(r"<[\w.]+: (?P<value>'[^'\\]*'|\d+)>")
_OPAQUE = re.compile(r"<[^<>]{0,200}>")
_FIELD = re.compile(r"[\s,]*(?P<name>[A-Za-z_]\w*)=")
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}|.)", re.DOTALL)
_PLAIN: Final = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "\n": ""}
_WORDS: Final[dict[str, Json]] = {"None": None, "True": True, "False": False}
_CLOSERS: Final = {"[": "]", "(": ")", "{": "}"}


def read_literal(text: str) -> Json:
    """The value a repr shows; ValueError when it is not one this reader knows."""
    if len(text) > _MAX_TEXT:
        raise ValueError("too long")
    value, at = _value(text, 0, 0)
    if _skip(text, at) != len(text):
        raise ValueError("something follows the value")
    return value


def read_fields(text: str) -> dict[str, Json]:
    """The fields of a record's repr such as `content='…' name='…'`; empty when it is none."""
    if len(text) > _MAX_TEXT:
        return {}
    try:
        found, at = _fields(text, 0, 0)
    except ValueError:
        return {}
    return found if _skip(text, at) == len(text) else {}


def _fields(text: str, at: int, depth: int) -> tuple[dict[str, Json], int]:
    found: dict[str, Json] = {}
    while match := _FIELD.match(text, at):
        value, at = _value(text, match.end(), depth + 1)
        found.setdefault(match["name"], value)
    return found, at


def _value(text: str, at: int, depth: int) -> tuple[Json, int]:
    if depth > _MAX_DEPTH:
        raise ValueError("too deep")
    at = _skip(text, at)
    if match := _STRING.match(text, at):
        body = match["a"] if match["a"] is not None else match["b"]
        return _unescape(body), match.end()
    if match := _NUMBER.match(text, at):
        return _number(match[0]), match.end()
    if text[at : at + 1] in _CLOSERS:
        return _collection(text, at, depth)
    return _word(text, at, depth)


def _number(token: str) -> Json:
    if token.lstrip("+-").isdigit():
        return int(token) if len(token) < 19 else token
    number = float(token)
    return number if math.isfinite(number) else token


def _word(text: str, at: int, depth: int) -> tuple[Json, int]:
    if match := _ENUM.match(text, at):
        return _value(text, match.start("value"), depth + 1)[0], match.end()
    if match := _OPAQUE.match(text, at):
        return match[0], match.end()
    match = _NAME.match(text, at)
    if match is None:
        raise ValueError("not a value")
    if text[match.end() : match.end() + 1] == "(":
        return _call(text, match.end() + 1, depth)
    return _WORDS.get(match[0], match[0]), match.end()


def _call(text: str, at: int, depth: int) -> tuple[Json, int]:
    """A record such as AIMessage(content='…'): its named fields."""
    found: dict[str, Json] = {}
    while True:
        at = _skip(text, at)
        if text.startswith(")", at):
            return found, at + 1
        match = _FIELD.match(text, at)
        if match is not None:
            value, at = _value(text, match.end(), depth + 1)
            found.setdefault(match["name"], value)
        elif text.startswith(",", at):
            at += 1
        else:
            _, at = _value(text, at, depth + 1)


def _collection(text: str, at: int, depth: int) -> tuple[Json, int]:
    closer = _CLOSERS[text[at]]
    items: list[Json] = []
    pairs: dict[str, Json] = {}
    at = _skip(text, at + 1)
    while not text.startswith(closer, at):
        value, at = _value(text, at, depth + 1)
        at = _skip(text, at)
        if closer == "}" and text.startswith(":", at):
            pairs[value if isinstance(value, str) else str(value)], at = _value(
                text, at + 1, depth + 1
            )
            at = _skip(text, at)
        else:
            items.append(value)
        if text.startswith(",", at):
            at = _skip(text, at + 1)
        elif not text.startswith(closer, at):
            raise ValueError("a bracket is not closed")
    return (dict(pairs) if closer == "}" and not items else items), at + 1


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _unescape(body: str) -> str:
    return _ESCAPE.sub(_plain, body) if "\\" in body else body


def _plain(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] in "xuU" and len(code) > 1:
        return _character(int(code[1:], 16))
    if code[0] in "01234567":
        return _character(int(code, 8))
    return _PLAIN.get(code, "\\" + code)


def _character(number: int) -> str:
    if number == 0:
        return "␀"
    if 0xD800 <= number <= 0xDFFF or number > 0x10FFFF:
        return "\N{REPLACEMENT CHARACTER}"
    return chr(number)
