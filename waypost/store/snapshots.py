"""A whole trajectory as bytes and back: cases of a dataset outlive the run they were made from."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import orjson

from waypost.canon import canonical_message
from waypost.records import (
    Feedback,
    Json,
    Kind,
    Message,
    Status,
    Step,
    Tokens,
    Trajectory,
)
from waypost.store.codec import NESTED, Codec

_STEPS = ("steps", "scopes", "others")
_MESSAGES = ("input", "output")
_TUPLES = ("fallbacks", "notes", "system", "tools", "traces", "conventions")


def pack(run: Trajectory) -> tuple[int, bytes]:
    """The encoding and the bytes; each message is written once, however many steps hold it."""
    messages = _Messages()
    held = _fields(run, messages)
    for name in _STEPS:
        held[name] = [_fields(step, messages) for step in getattr(run, name)]
    held["incomplete"] = sorted(run.incomplete)
    held["feedback"] = [_fields(one, messages) for one in run.feedback]
    body = orjson.dumps(
        {"messages": messages.bodies, "run": held},
        option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS,
    )
    return Codec().press(body)


def unpack(enc: int, body: bytes) -> Trajectory:
    """The trajectory that was packed."""
    value = orjson.loads(Codec().restore(enc, body))
    messages = [Message.from_json(m) for m in value["messages"]]
    held = value["run"]
    for name in _STEPS:
        held[name] = tuple(_step(one, messages) for one in held.get(name, ()))
    held["incomplete"] = frozenset(held.get("incomplete", ()))
    held["feedback"] = tuple(Feedback(**one) for one in held.get("feedback", ()))
    return Trajectory(**_common(held, messages))


class _Messages:
    """Gives each message its place in a list."""

    def __init__(self) -> None:
        self.bodies: list[Json] = []
        self._places: dict[bytes, int] = {}

    def places(self, messages: tuple[Message, ...]) -> list[Json]:
        return [self._place(m) for m in messages]

    def _place(self, message: Message) -> int:
        name = canonical_message(message)
        if name not in self._places:
            self._places[name] = len(self.bodies)
            self.bodies.append(message.as_json())
        return self._places[name]


def _fields(record: object, messages: _Messages) -> dict[str, Any]:
    """The fields that say something."""
    assert is_dataclass(record)
    found: dict[str, Any] = {}
    for item in fields(record):
        value = getattr(record, item.name)
        if value in (None, "", (), {}, frozenset()) or item.name in (*_STEPS, "feedback"):
            continue
        if item.name in _MESSAGES:
            found[item.name] = messages.places(value)
        elif item.name != "incomplete":
            found[item.name] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        given = {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
        return {k: v for k, v in given.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return dict(value) if isinstance(value, Mapping) else value


_BUILD: Mapping[str, Callable[[Any], object]] = {
    **NESTED,
    "kind": Kind,
    "status": Status,
    "tokens": lambda v: Tokens(**v),
}


def _step(held: dict[str, Any], messages: list[Message]) -> Step:
    return Step(**{"parent_id": None, **_common(held, messages)})


def _common(held: dict[str, Any], messages: list[Message]) -> dict[str, Any]:
    known = dict(held)
    for name in _MESSAGES:
        if name in known:
            known[name] = tuple(messages[i] for i in known[name])
    for name in _TUPLES:
        if name in known:
            known[name] = tuple(known[name])
    return {k: _BUILD[k](v) if k in _BUILD else v for k, v in known.items()}
