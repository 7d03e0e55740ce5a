"""Readings as bytes for the spool, and the way back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
import zstandard

from waypost.errors import Unreadable
from waypost.records import (
    Content,
    Document,
    Fault,
    Feedback,
    Guard,
    Human,
    Kind,
    Link,
    Memory,
    Message,
    Reading,
    Status,
    Step,
    Tokens,
)

_LARGEST: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one request leaves behind, masked and ready to be written."""

    project_id: int
    readings: tuple[Reading, ...] = ()
    contents: tuple[Content, ...] = ()
    feedback: tuple[Feedback, ...] = ()


def pack(parcel: Parcel) -> bytes:
    """The parcel as compressed JSON."""
    return zstandard.compress(orjson.dumps(parcel, option=orjson.OPT_NON_STR_KEYS), 3)


def unpack(body: bytes) -> Parcel:
    """The parcel in these bytes; Unreadable when they are not one."""
    try:
        plain = zstandard.decompress(body, max_output_size=_LARGEST)
        value = orjson.loads(plain)
        return Parcel(
            value["project_id"],
            tuple(_reading(r) for r in value["readings"]),
            tuple(_content(c) for c in value["contents"]),
            tuple(Feedback(**f) for f in value["feedback"]),
        )
    except (zstandard.ZstdError, ValueError, KeyError, TypeError) as error:
        raise Unreadable(f"A spooled record cannot be read: {error}") from error


def _reading(value: Mapping[str, Any]) -> Reading:
    return Reading(
        _step(value["step"]),
        tuple(_content(c) for c in value["contents"]),
        tuple(Feedback(**f) for f in value["feedback"]),
    )


def _content(value: Mapping[str, Any]) -> Content:
    return Content(**{**value, "message": _message(value["message"])})


def _message(value: Mapping[str, Any]) -> Message:
    return Message(value["role"], tuple(value["parts"]), value["extra"])


def _messages(values: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    return tuple(_message(v) for v in values)


def _optional(build: Callable[..., Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else build(**value)


def _tuple(value: Any) -> Any:
    return None if value is None else tuple(value)


_BUILDERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "kind": Kind, "status": Status, "input": _messages, "output": _messages,
    "system": _tuple, "tools": _tuple, "fallbacks": _tuple, "notes": _tuple,
    "tokens": lambda v: Tokens(**v), "error": _optional(Fault), "guard": _optional(Guard),
    "human": _optional(Human), "documents": lambda v: tuple(Document(**d) for d in v),
    "links": lambda v: tuple(Link(**one) for one in v),
    "memory": lambda v: v and Memory(**{**v, "records": tuple(v["records"])}),
}  # fmt: skip


def _step(value: Mapping[str, Any]) -> Step:
    return Step(**{k: _BUILDERS[k](v) if k in _BUILDERS else v for k, v in value.items()})
