"""Compressed bodies, inflated with a limit: a bomb is noticed before it goes off."""

import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Final, Protocol

import zstandard

from waypost.errors import Unreadable

ENCODINGS: Final = ("identity", "", "gzip", "deflate", "zstd")
_STEP: Final = 1 << 20
_RATIO_FROM: Final = 1 << 20
_RATIO: Final = 200
_MEMBERS: Final = 1_000
_SLICE: Final = 256


class TooLarge(Unreadable):
    """The request is larger than this collector accepts."""


class _Inflater(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its compression; TooLarge beyond the limit, Unreadable if it is broken."""
    if encoding in ("", "identity"):
        if len(body) > limit:
            raise TooLarge
        return body
    whole = BytesIO()  # grows in place: a list of parts and what joins them is twice the memory
    size = 0
    for part in _parts(body, encoding):
        size += len(part)
        if size > limit or (size > _RATIO_FROM and size > _RATIO * len(body)):
            raise TooLarge(f"The request inflates to more than {min(size, limit)} bytes.")
        whole.write(part)
    return whole.getvalue()


def _parts(body: bytes, encoding: str) -> Iterator[bytes]:
    try:
        if encoding == "zstd":
            yield from _zstd(body)
        elif encoding == "gzip":
            yield from _zlib(body, 31)
        else:
            yield from _zlib(body, 15 if body[:1] == b"\x78" else -15)
    except (zlib.error, zstandard.ZstdError) as error:
        raise Unreadable(f"The {encoding} body is broken: {error}") from error


def _zstd(body: bytes) -> Iterator[bytes]:
    """In small slices: a block of three bytes may stand for 128 KiB."""
    at = 0
    for _ in range(_MEMBERS):
        frame = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        while not frame.eof:
            if at >= len(body):
                raise Unreadable("The compressed body ends too early.")
            part = frame.decompress(body[at : at + _SLICE])
            at += _SLICE
            if part:
                yield part
        at = min(at, len(body)) - len(frame.unused_data)
        if at >= len(body):
            return
    raise TooLarge(f"The body has more than {_MEMBERS} compressed members.")


def _zlib(body: bytes, bits: int) -> Iterator[bytes]:
    for _ in range(_MEMBERS):
        inflater: _Inflater = zlib.decompressobj(bits)
        rest = body
        while rest and not inflater.eof:
            part = inflater.decompress(rest, _STEP)
            rest = inflater.unconsumed_tail
            if part:
                yield part
        while not inflater.eof and (part := inflater.decompress(b"", _STEP)):
            yield part
        if not inflater.eof:
            raise Unreadable("The compressed body ends too early.")
        body = inflater.unused_data
        if not body or bits < 0:
            return
    raise TooLarge(f"The body has more than {_MEMBERS} compressed members.")
