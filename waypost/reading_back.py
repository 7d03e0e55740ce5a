"""A run as `waypost export` prints it, read again: whatever a file holds, a record or a reason."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, Final, ForwardRef, Union, cast, get_args, get_origin, get_type_hints

from waypost.errors import Unreadable
from waypost.records import Json, Trajectory

DEPTH: Final = 64
_INT64: Final = 2**63
Read = Callable[[Any, str], Any]


def read_run(value: object) -> Trajectory:
    """The run in a JSON object; Unreadable names the entry that does not fit."""
    return cast("Trajectory", _reader(Trajectory)(value, "run"))


def read_object(value: object, where: str) -> dict[str, Json]:
    """A JSON object as the store takes it; Unreadable when it is none."""
    return cast("dict[str, Json]", _mapping(_json)(value, where))


@cache
def _reader(hint: Any) -> Read:
    """How a value of this type is read from plain JSON."""
    if _is_json(hint):
        return _json
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        (inner,) = (a for a in arguments if a is not type(None))
        return _optional(_reader(inner))
    if origin is tuple:
        return _sequence(_reader(arguments[0]), tuple)
    if origin is frozenset:
        return _sequence(_reader(arguments[0]), frozenset)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(_reader(arguments[1]))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _one_of(hint)
    assert is_dataclass(hint)
    return _record(cast("type[Any]", hint))


def _is_json(hint: Any) -> bool:
    """The alias refers to itself by name, so its inside is a text or a union with an object."""
    if isinstance(hint, str | ForwardRef):
        return True
    return any(get_origin(one) is dict for one in get_args(hint))


def _off(where: str, wanted: str) -> Unreadable:
    return Unreadable(f"{where} must be {wanted}")


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _off(where, "a text")
    return value.replace("\0", "␀")


def _whole(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -_INT64 <= value < _INT64:
        raise _off(where, "a whole number of 64 bits")
    return value


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _off(where, "a number")
    return float(value)


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise _off(where, "true or false")
    return value


def _json(value: Any, where: str, depth: int = 0) -> Json:
    if depth > DEPTH:
        raise _off(where, f"nested no deeper than {DEPTH}")
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, list):
        return [_json(one, where, depth + 1) for one in value]
    if isinstance(value, dict):
        return {_text(k, where): _json(one, where, depth + 1) for k, one in value.items()}
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -_INT64 <= value < _INT64 else str(value)
    return cast("Json", value)


_PLAIN: Final[Mapping[Any, Read]] = {str: _text, int: _whole, float: _number, bool: _flag}


def _optional(inner: Read) -> Read:
    return lambda value, where: None if value is None else inner(value, where)


def _sequence(inner: Read, kind: Callable[[list[Any]], Any]) -> Read:
    def read(value: Any, where: str) -> Any:
        if not isinstance(value, list):
            raise _off(where, "a list")
        return kind([inner(one, f"{where}[{n}]") for n, one in enumerate(value)])

    return read


def _mapping(inner: Read) -> Read:
    def read(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _off(where, "an object")
        return {_text(k, where): inner(one, where) for k, one in value.items()}

    return read


def _one_of(kind: type[Enum]) -> Read:
    known = {one.value: one for one in kind}

    def read(value: Any, where: str) -> Enum:
        if not isinstance(value, str) or value not in known:
            raise _off(where, f"one of {', '.join(known)}")
        return known[value]

    return read


def _record(kind: type[Any]) -> Read:
    hints = get_type_hints(kind)
    readers = {item.name: _reader(hints[item.name]) for item in fields(kind)}
    needed = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]

    def read(value: Any, where: str) -> Any:
        if not isinstance(value, dict):
            raise _off(where, "an object")
        for name in value:
            if name not in readers:
                raise Unreadable(f"{where} has an unknown entry {name[:60]!r}")
        for name in needed:
            if name not in value:
                raise Unreadable(f"{where} lacks {name}")
        return kind(**{name: readers[name](one, f"{where}.{name}") for name, one in value.items()})

    return read
