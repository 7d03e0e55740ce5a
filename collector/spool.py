"""A bounded queue on disk for the time Postgres is away: written, synced, then acknowledged."""

import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from collector.packing import Parcel, pack, unpack
from waypost.errors import DiskFull, Unreadable

_HEAD: Final = struct.Struct(">4sII")
_MAGIC: Final = b"WPS1"
_SEGMENT: Final = 16 << 20
_SUFFIX: Final = ".spool"


class SpoolFull(DiskFull):
    """The spool has reached its limit; Postgres must come back first."""


class Spool:
    """Parcels in segments of a folder that belongs to this process alone.

    Playing a parcel twice changes nothing in the store, so a segment is removed only once all of
    it is written.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._limit = limit
        self._folder, self._lock = _claim(folder)
        _adopt(folder, self._folder)
        self._size = sum(p.stat().st_size for p in self._segments())
        self._open: IO[bytes] | None = None
        self._corrupt = 0

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._size

    @property
    def is_full(self) -> bool:
        return self._size >= self._limit

    def __bool__(self) -> bool:
        return self._size > 0

    def put(self, parcels: list[Parcel]) -> None:
        """Keep the parcels; they are on disk when this returns. SpoolFull keeps none of them."""
        bodies = [pack(parcel) for parcel in parcels]
        needed = sum(_HEAD.size + len(body) for body in bodies)
        if self._size + needed > self._limit:
            raise SpoolFull
        segment = self._segment()
        before = segment.tell()
        try:
            for body in bodies:
                segment.write(_HEAD.pack(_MAGIC, len(body), zlib.crc32(body)) + body)
            segment.flush()
            os.fsync(segment.fileno())
        except OSError as error:
            segment.truncate(before)
            raise DiskFull(f"The spool cannot be written: {error.strerror}.") from error
        self._size += needed

    def play(self) -> Iterator[list[Parcel]]:
        """The parcels of each segment, oldest first; it is removed when the next is asked for."""
        self._close()
        for path in self._segments():
            yield list(self._read(path))
            self._size -= path.stat().st_size
            path.unlink()
        if not list(self._segments()):
            self._size = 0

    def take_corrupt(self) -> int:
        """How many records could not be read back since this was last asked."""
        found, self._corrupt = self._corrupt, 0
        return found

    def close(self) -> None:
        """Leave the folder to the next process."""
        self._close()
        self._lock.close()

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _segment(self) -> IO[bytes]:
        if self._open is not None and self._open.tell() >= _SEGMENT:
            self._close()
        if self._open is None:
            numbers = [int(p.stem) for p in self._segments()]
            path = self._folder / f"{max(numbers, default=0) + 1:012d}{_SUFFIX}"
            self._open = path.open("ab")
            _sync_folder(self._folder)
        return self._open

    def _segments(self) -> list[Path]:
        return sorted(p for p in self._folder.glob("*" + _SUFFIX) if p.stem.isdigit())

    def _read(self, path: Path) -> Iterator[Parcel]:
        """What can be read of a segment; what cannot is counted, and its neighbours are kept."""
        data = path.read_bytes()
        at = 0
        while at < len(data):
            start = data.find(_MAGIC, at)
            if start != at:
                self._corrupt += 1
            if start < 0 or start + _HEAD.size > len(data):
                return
            _, length, checksum = _HEAD.unpack_from(data, start)
            body = data[start + _HEAD.size : start + _HEAD.size + length]
            if len(body) == length and zlib.crc32(body) == checksum:
                at = start + _HEAD.size + length
                try:
                    yield unpack(body)
                except Unreadable:
                    self._corrupt += 1
            else:
                self._corrupt += 1
                at = _next(data, start + 1)


def _next(data: bytes, at: int) -> int:
    found = data.find(_MAGIC, at)
    return len(data) if found < 0 else found


def _claim(folder: Path) -> tuple[Path, IO[bytes]]:
    """The first sub-folder no other process holds."""
    for number in range(1_000):
        path = folder / str(number)
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = _locked(path)
        if lock is not None:
            return path, lock
    raise DiskFull(f"A thousand collectors share the spool in {folder}; give this one its own.")


def _locked(path: Path) -> IO[bytes] | None:
    lock = (path / "lock").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock


def _adopt(folder: Path, own: Path) -> None:
    """Take over what collectors that no longer run have left."""
    for path in sorted(p for p in folder.iterdir() if p.is_dir() and p != own):
        lock = _locked(path)
        if lock is None:
            continue
        for segment in sorted(path.glob("*" + _SUFFIX)):
            numbers = [int(p.stem) for p in own.glob("*" + _SUFFIX) if p.stem.isdigit()]
            segment.rename(own / f"{max(numbers, default=0) + 1:012d}{_SUFFIX}")
        lock.close()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
