"""Prints one table: what the same spans cost in each product, and what a SIGKILL loses.

python -m benchmarks.peers [--environments DIR] [--only Waypost] [--part asking]
"""

import argparse
import datetime as dt
import hashlib
import platform
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.peers.mlflow import MLflow
from benchmarks.peers.peer import Peer
from benchmarks.peers.phoenix import Phoenix
from benchmarks.peers.spans import requests
from benchmarks.peers.waypost_peer import Waypost

PEERS: tuple[type[Peer], ...] = (Waypost, Phoenix, MLflow)
LENGTHS = (5, 20, 50, 100, 200)
SENDERS = 4
Results = dict[str, str]


def now() -> int:
    return time.time_ns() - 3600 * 10**9


def ingest(peer: Peer) -> Results:
    """CPU of all the product's processes per 1,000 spans of whole histories."""
    _send(peer, "warm", runs=5, turns=5)
    made = list(requests("cost", runs=40, turns=22, start=now()))
    spans = sum(n for _, n in made)
    known = peer.count()
    before = peer.cpu()
    for body, _ in made:
        assert peer.send(body), f"{peer.name} refused a request"
    stored = peer.settle(known + spans) - known
    used = peer.cpu() - before
    size = sum(len(b) for b, _ in made) / spans
    return {
        f"CPU s per 1,000 spans of {size / 1000:.0f} KB": f"{used / spans * 1000:.2f}",
        "spans stored of those sent": f"{stored} of {spans}",
    }


def disk(peer: Peer) -> Results:
    """Bytes a step on disk, by the length of the run."""
    found = {}
    for length in LENGTHS:
        before = peer.disk()
        runs = max(4, 2000 // length)
        spans = _send(peer, f"disk{length}", runs=runs, turns=max(1, length // 2))
        time.sleep(3)
        found[f"KB a step, {length} steps"] = f"{(peer.disk() - before) / spans / 1000:.1f}"
    return found


def asking(peer: Peer) -> Results:
    """Milliseconds to list, filter, and open a run of 50 steps."""
    _send(peer, "open", runs=1, turns=25)
    trace = hashlib.sha256(b"open-0").hexdigest()[:32]
    found = {}
    for what, request in peer.asks(trace).items():
        try:
            took, size = peer.ask(request)
            found[f"ms to {what}"] = f"{took:.0f} ({size / 1000:.0f} KB)"
        except OSError as error:
            found[f"ms to {what}"] = f"failed: {error}"
    return found


class Senders:
    """Threads that post requests until they fail, and count what was acknowledged."""

    def __init__(self, peer: Peer, bodies: list[tuple[bytes, int]]) -> None:
        self._peer = peer
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.acknowledged = 0
        parts = [bodies[i::SENDERS] for i in range(SENDERS)]
        self._threads = [threading.Thread(target=self._send, args=(part,)) for part in parts]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _send(self, part: list[tuple[bytes, int]]) -> None:
        for body, n in part:
            if self._stopped.is_set() or not self._peer.send(body):
                return
            with self._lock:
                self.acknowledged += n


def killing(peer: Peer) -> Results:
    """Acknowledged spans lost over three SIGKILLs of everything under load."""
    known, acknowledged = peer.count(), 0
    for round_ in range(3):
        bodies = list(requests(f"kill{round_}", runs=100, turns=10, start=now(), batch=20))
        senders = Senders(peer, bodies)
        senders.start()
        deadline = time.monotonic() + 60
        while senders.acknowledged < 200 * (round_ + 1) and time.monotonic() < deadline:
            time.sleep(0.01)
        peer.kill()
        senders.stop()
        acknowledged += senders.acknowledged
        peer.start()
    time.sleep(5)
    stored = peer.settle(known + acknowledged) - known
    lost = max(0, acknowledged - stored)
    return {"acknowledged spans lost over 3 SIGKILLs": f"{lost} of {acknowledged}"}


def _send(peer: Peer, prefix: str, *, runs: int, turns: int) -> int:
    known, spans = peer.count(), 0
    for body, n in requests(prefix, runs=runs, turns=turns, start=now()):
        assert peer.send(body), f"{peer.name} refused a request"
        spans += n
    peer.settle(known + spans)
    return spans


PARTS: tuple[Callable[[Peer], Results], ...] = (ingest, disk, asking, killing)


def measure(peer: Peer, wanted: Sequence[str]) -> Results:
    """The figures of one product, alone on the machine."""
    peer.start()
    found: Results = {}
    try:
        for part in PARTS:
            if part.__name__ in wanted:
                found |= part(peer)
    finally:
        peer.stop()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environments", type=Path, default=Path(tempfile.gettempdir()) / "peers")
    parser.add_argument("--only", action="append")
    names_of_parts = [part.__name__ for part in PARTS]
    parser.add_argument("--part", action="append", choices=names_of_parts)
    given = parser.parse_args()
    results: dict[str, Results] = {}
    with tempfile.TemporaryDirectory(prefix="waypost-peers-", ignore_cleanup_errors=True) as folder:
        for kind in PEERS:
            if given.only and kind.name not in given.only:
                continue
            peer = kind(given.environments, Path(folder))
            version = peer.install()
            results[f"{peer.name} {version}"] = measure(peer, given.part or names_of_parts)
    names = list(results)
    day = dt.datetime.now(dt.UTC).date()
    print(f"{day}, {platform.machine()}, Python {platform.python_version()}\n")
    print("| | " + " | ".join(names) + " |")
    print("|---" * (len(names) + 1) + "|")
    for row in results[names[0]]:
        print(f"| {row} | " + " | ".join(results[n].get(row, "") for n in names) + " |")


if __name__ == "__main__":
    main()
