"""Values as clients write them: JSON in texts, numbers in texts, Python reprs."""

import json
import math
from typing import Final

import orjson

from waypost.records import Json

MAX_TEXT: Final = 4 << 20
MAX_DEPTH: Final = 64
_TOKENS_LIMIT: Final = 2**31
_INT_LIMIT: Final = 2**63
_TIMES: Final = 6
_OPENERS: Final = ("{", "[", '"')
SCRUBBED: Final = "[Scrubbed due to"


def parsed(value: Json, *, declared: bool = False) -> Json:
    """The value inside a text that is JSON, else the value itself.

    Only a text that begins like JSON is tried, unless its sender declared it as JSON.
    """
    if not isinstance(value, str) or not value:
        return value
    head = value if value[0] in _OPENERS else value.lstrip()
    if not declared and not head.startswith(_OPENERS):
        return value
    try:
        return loads(head)
    except ValueError:
        return value


def loads(text: str) -> Json:
    """The JSON in a text, clean and at most 64 deep; ValueError when there is none."""
    if len(text) > MAX_TEXT:
        raise ValueError("too long")
    try:
        value: Json = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = _loads_odd(text)
    if "\\u0000" in text:
        value = _without_nul(value)
    if text.count("{") + text.count("[") > MAX_DEPTH and not _is_shallow(value, 0):
        raise ValueError("too deep")
    return value


def _loads_odd(text: str) -> Json:
    """JSON with NaN or Infinity, which become text."""
    if "NaN" not in text and "Infinity" not in text:
        raise ValueError("not JSON")
    try:
        value: Json = json.loads(text, parse_constant=str)
        orjson.dumps(value)
    except (RecursionError, TypeError, orjson.JSONEncodeError) as error:
        raise ValueError("not clean JSON") from error
    return value


def _is_shallow(value: Json, depth: int) -> bool:
    if isinstance(value, dict):
        return depth < MAX_DEPTH and all(
            _is_shallow(v, depth + 1) for v in value.values() if isinstance(v, dict | list)
        )
    if isinstance(value, list):
        return depth < MAX_DEPTH and all(
            _is_shallow(v, depth + 1) for v in value if isinstance(v, dict | list)
        )
    return True


def _without_nul(value: Json, depth: int = 0) -> Json:
    if depth > MAX_DEPTH:
        raise ValueError("too deep")
    if isinstance(value, str):
        return value.replace("\0", "␀")
    if isinstance(value, list):
        return [_without_nul(v, depth + 1) for v in value]
    if isinstance(value, dict):
        return {k.replace("\0", "␀"): _without_nul(v, depth + 1) for k, v in value.items()}
    return value


def opened(value: Json) -> Json:
    """What is left of a text when the JSON texts within JSON texts are read as well."""
    for _ in range(_TIMES):
        inner = parsed(value)
        if not isinstance(inner, str) or inner == value:
            return inner
        value = inner
    return value


def as_dict(value: Json) -> dict[str, Json]:
    """The object in a value or in its JSON text, else an empty one."""
    found = opened(value)
    return found if isinstance(found, dict) else {}


def as_list(value: Json) -> list[Json]:
    """The list in a value or in its JSON text, else an empty one."""
    found = opened(value)
    return found if isinstance(found, list) else []


def as_text(value: Json) -> str | None:
    """A plain text, unquoted if it came as a JSON string; None when empty or scrubbed away."""
    if isinstance(value, str):
        if len(value) > 1 and value[0] == '"' == value[-1]:
            inner = parsed(value)
            value = inner if isinstance(inner, str) else value
        value = value.strip()
        return None if not value or value.startswith(SCRUBBED) else value
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return str(value)
    return None


def as_number(value: Json) -> float | None:
    """A finite number, also from text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            value = float(value.strip().strip('"'))
        except ValueError:
            return None
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None
    return None


def as_int(value: Json) -> int | None:
    """A whole number, also from text or a float without a fraction."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number = as_number(value)
    if number is None or not number.is_integer() or abs(number) >= _INT_LIMIT:
        return None  # JSON as it is stored has no greater ones
    return int(number)


def as_tokens(value: Json) -> int | None:
    """A token count; what is below 0 or beyond 2³¹ is unknown."""
    if value is None:
        return None
    number = as_int(value)
    return number if number is not None and 0 <= number < _TOKENS_LIMIT else None


def as_flag(value: Json) -> bool | None:
    """A yes or no, also from text."""
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    return {"true": True, "false": False}.get(word)
