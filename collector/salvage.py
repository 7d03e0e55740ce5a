"""Cuts a protobuf request that does not parse into its spans, and repairs what can be repaired."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from waypost.errors import Unreadable

_VARINT, _BYTES = 0, 2
_FIXED: Final = {1: 8, 5: 4}
_TYPE_STRING, _TYPE_MESSAGE = 9, 11
_DEPTH: Final = 90
_TOP, _HEAD, _GROUP, _ITEM = 1, 1, 2, 2


@dataclass(frozen=True, slots=True)
class Group:
    """The undecoded items below one resource and one instrumentation scope."""

    resource: bytes
    scope: bytes
    views: tuple[memoryview, ...]

    @property
    def items(self) -> Iterator[bytes]:
        """Each item; one at a time, because together they are as large as the request."""
        return map(bytes, self.views)


def cut(body: bytes) -> Iterator[Group]:
    """The groups of a trace or log request; Unreadable when its frame is broken."""
    for number, block in _messages(memoryview(body)):
        if number == _TOP:
            yield from _cut_resource(block)


def _cut_resource(block: memoryview) -> Iterator[Group]:
    resource = b""
    groups = []
    for number, part in _messages(block):
        if number == _HEAD:
            resource = bytes(part)
        elif number == _GROUP:
            groups.append(part)
    for part in groups:
        scope = b""
        items = []
        for number, item in _messages(part):
            if number == _HEAD:
                scope = bytes(item)
            elif number == _ITEM:
                items.append(item)
        yield Group(resource, scope, tuple(items))


def _messages(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    for field in fields(data):
        if field.wire == _BYTES:
            yield field.number, data[field.start : field.end]


class Field(NamedTuple):
    """Where one field lies: its tag begins at `begin`, its value at `start`."""

    number: int
    wire: int
    begin: int
    start: int
    end: int


def fields(data: bytes | memoryview) -> Iterator[Field]:
    """Each field in order; Unreadable at the first broken one."""
    at, size = 0, len(data)
    while at < size:
        begin = at
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        start, end = _bounds(data, at, wire)
        if end > size or not number:
            raise Unreadable("The request ends in the middle of a field.")
        yield Field(number, wire, begin, start, end)
        at = end


def _bounds(data: bytes | memoryview, at: int, wire: int) -> tuple[int, int]:
    if wire == _VARINT:
        return at, _varint(data, at)[1]
    if wire == _BYTES:
        length, start = _varint(data, at)
        return start, start + length
    if wire in _FIXED:
        return at, at + _FIXED[wire]
    raise Unreadable(f"The request has a field of unknown wire type {wire}.")


def _varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Unreadable("The request ends in the middle of a number.")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def repair(data: bytes, descriptor: Any, depth: int = 0) -> bytes:
    """The same message with every text valid UTF-8; Unreadable when it is nested too deeply."""
    if depth > _DEPTH:
        raise Unreadable("nested too deeply")
    out = bytearray()
    last = 0
    for field in fields(data):
        part = data[field.start : field.end]
        fixed = _fixed(part, descriptor.fields_by_number.get(field.number), field.wire, depth)
        if fixed != part:
            out += data[last : field.begin] + _encode_varint(field.number << 3 | _BYTES)
            out += _encode_varint(len(fixed)) + fixed
            last = field.end
    return bytes(out + data[last:])


def _fixed(part: bytes, known: Any, wire: int, depth: int) -> bytes:
    if known is None or wire != _BYTES:
        return part
    if known.type == _TYPE_STRING:
        return part.decode("utf-8", "replace").encode()
    if known.type == _TYPE_MESSAGE:
        return repair(part, known.message_type, depth + 1)
    return part


def _encode_varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
