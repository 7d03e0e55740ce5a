"""Lines of a file that may be anybody's, compressed or not: bounded, however it is made."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Final

from waypost.errors import Unreadable

_GZIP: Final = b"\x1f\x8b"
_RATIO: Final = 200
_CHUNK: Final = 1 << 20


class TooLong(Unreadable):
    """The line is longer than a line may be."""


def lines(file: IO[bytes], limit: int) -> Iterator[tuple[int, bytes | TooLong]]:
    """Each line with its number; one over the limit comes as the reason it is left out.

    Unreadable when the file is broken, or when it unfolds to far more than it holds.
    """
    raw = _Counted(file)
    head = io.BufferedReader(raw, _CHUNK)
    packed = head.peek(2)[:2] == _GZIP
    body: io.BufferedIOBase = gzip.GzipFile(fileobj=head) if packed else head
    number = size = 0

    def check(more: int) -> None:
        if packed and size + more > max(limit, _RATIO * raw.taken):
            raise Unreadable(
                f"The file unfolds to more than {_RATIO} times its size at line {number}."
            )

    while True:
        number += 1
        try:
            line, read = _line(body, limit, check)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise Unreadable(f"The file is broken at line {number}: {error}.") from error
        if not read:
            return
        check(read)
        size += read
        if line is None:
            yield number, TooLong(f"it is longer than {limit:,} bytes")
        elif line.strip():
            yield number, line


def _line(
    body: io.BufferedIOBase, limit: int, check: Callable[[int], None]
) -> tuple[bytes | None, int]:
    """The next line, None for one that is too long, and how many bytes were read."""
    line = body.readline(limit + 1)
    read = len(line)
    if read <= limit:
        return line, read
    while line and not line.endswith(b"\n"):
        line = body.readline(_CHUNK)
        read += len(line)
        check(read)
    return None, read


class _Counted(io.RawIOBase):
    """Counts what is taken from a file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed says Buffer, whose size cannot be asked
        found = self._file.read(len(buffer))
        buffer[: len(found)] = found
        self.taken += len(found)
        return len(found)
