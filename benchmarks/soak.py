"""Waypost for a while under a steady load: memory of each process, disk a step, and lag.

python -m benchmarks.soak [--minutes 20] [--rate 500]
"""

import argparse
import contextlib
import hashlib
import itertools
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg

from benchmarks.peers.peer import free_port
from benchmarks.peers.spans import requests
from waypost.store.embedded import EmbeddedPostgres

_REPORT_SECONDS = 30


class Soak:
    """One `waypost up` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.postgres = EmbeddedPostgres(folder)
        log = (folder / "log").open("wb")
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "waypost", "up", "--no-ui", "--data", str(folder),
                "--otlp-http", str(self.port), "--otlp-grpc", str(free_port()),
            ],
            env={**os.environ, "WAYPOST_SHARED_BUFFERS_MB": "512"}, stdout=log, stderr=log,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2).close()
                return
            time.sleep(0.2)
        raise RuntimeError(f"waypost did not start; see {folder / 'log'}")

    def memory(self) -> dict[str, float]:
        """MiB of private memory by process; Postgres's backends together."""
        found: dict[str, float] = {}
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                words = process.cmdline()
                place = words.index("waypost") + 1 if "waypost" in words else len(words)
                name = words[place] if place < len(words) else process.name()
                found[name] = found.get(name, 0) + process.memory_full_info().uss / (1 << 20)
        postmaster = self.postgres.postmaster()
        for process in postmaster.children(recursive=True) if postmaster else ():
            with contextlib.suppress(psutil.Error):
                used = process.memory_full_info().uss / (1 << 20)
                found["postgres"] = found.get("postgres", 0) + used
        return found

    def store(self) -> tuple[int, int, float]:
        """Stored steps, bytes on disk, and seconds the oldest run waits that could be judged."""
        with psycopg.connect(self.postgres.url) as connection:
            row = connection.execute("""
                select (select count(*) from step), pg_database_size('waypost'),
                  (select coalesce(extract(epoch from now() - min(run_at)), 0) from job
                   where run_at < now())
                """).fetchone()
        assert row is not None
        return int(row[0]), int(row[1]), float(row[2])

    def send(self, body: bytes) -> bool:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/traces", body,
            {"content-type": "application/x-protobuf"},
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


def load(rate: int) -> Iterator[tuple[bytes, int]]:
    """Requests without end, of runs that began now."""
    for round_ in itertools.count():
        name = hashlib.sha256(f"{time.time_ns()}-{round_}".encode()).hexdigest()[:8]
        yield from requests(
            f"soak-{name}", runs=max(1, rate // 25), turns=12, start=time.time_ns() - 15 * 10**9,
            batch=100,
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rate", type=int, default=500)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="waypost-soak-", ignore_cleanup_errors=True) as folder:
        soak = Soak(Path(folder))
        try:
            _run(soak, given.minutes * 60, given.rate)
        finally:
            soak.stop()


def _run(soak: Soak, seconds: float, rate: int) -> None:
    began = time.monotonic()
    reported, sent, refused = began, 0, 0
    first: dict[str, float] = {}
    for body, spans in load(rate):
        now = time.monotonic()
        if now - began > seconds:
            break
        time.sleep(max(0.0, sent / rate - (now - began)))
        if soak.send(body):
            sent += spans
        else:
            refused += spans
        if now - reported > _REPORT_SECONDS:
            reported = now
            memory = soak.memory()
            first = first or memory
            _report(soak, now - began, sent, refused, memory)
    last = soak.memory()
    print("\nprocess        MiB at start   at end")
    for name in sorted(last):
        print(f"{name:<14} {first.get(name, 0):>12.0f} {last[name]:>8.0f}")


def _report(soak: Soak, seconds: float, sent: int, refused: int, memory: dict[str, float]) -> None:
    steps, disk, lag = soak.store()
    shown = ", ".join(f"{name} {used:.0f}" for name, used in sorted(memory.items()))
    print(
        f"{seconds / 60:>5.1f} min  sent {sent} ({sent / seconds:.0f}/s), refused {refused}, "
        f"stored {steps}, {disk / max(1, steps):.0f} bytes a step, lag {lag:.1f} s; MiB: {shown}",
        flush=True,
    )


if __name__ == "__main__":
    main()
