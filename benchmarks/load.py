"""A steady load on collectors over one Postgres, then a surge: answers, memory, nothing lost.

`python -m benchmarks.load [--rate 2000] [--seconds 600] [--collectors 2] [--surge 60]` sends so
many spans a second, then five times as many for the seconds of the surge, and prints how long the
answers took from the moment each request was due, the most memory a collector took, and how soon
an answer came in time again. Exits 1 if an acknowledged span is not stored, or one twice.
"""

import argparse
import itertools
import random
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psutil
import psycopg

from benchmarks.ingest import folder_of_its_own, running_collector, running_postgres
from benchmarks.ingest_spans import BATCH, DIALECTS, requests_of
from benchmarks.peers.peer import free_port

SENDERS = 48
SURGE = 5
IN_TIME = 1.0
_MARK = b"\xf7\xfe\xf9\xfb"  # no text holds these bytes


class Marked(random.Random):
    """Ids that begin alike, so that the same requests can be sent again as other runs."""

    def randbytes(self, n: int) -> bytes:
        return _MARK + super().randbytes(n - len(_MARK))


def bodies(dialect: str, spans: int) -> Iterator[bytes]:
    """Requests without end, made once and sent with new ids each time around."""
    made = requests_of(dialect, spans, chance=Marked(1))
    for around in itertools.count(1):
        mark = around.to_bytes(len(_MARK), "big")
        for body in made:
            yield body.replace(_MARK, mark).replace(_MARK.hex().encode(), mark.hex().encode())


@dataclass(slots=True)
class Told:
    """What senders were told: seconds until each acknowledgement, and how many were sent away."""

    seconds: list[float] = field(default_factory=list)
    refused: int = 0

    def line(self, took: float) -> str:
        ordered = sorted(self.seconds) or [0.0]
        half, most = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
        return (
            f"{len(self.seconds) * BATCH} spans acknowledged"
            f" ({len(self.seconds) * BATCH / took:.0f}/s), {self.refused * BATCH} sent away;"
            f" answers p50 {half:.3f} s, p99 {most:.3f} s"
        )


class Senders:
    """Connections to all collectors in turn; each request is due at its own moment."""

    def __init__(self, ports: list[int], source: Iterator[bytes]) -> None:
        self._ports = itertools.cycle(ports)
        self._source = source
        self._lock = threading.Lock()

    def send(self, rate: int, seconds: float) -> Told:
        """Send so many spans a second, as far as the collectors take them."""
        told, began = Told(), time.monotonic()
        due = iter(range(int(rate * seconds / BATCH)))
        with ThreadPoolExecutor(SENDERS) as pool:
            jobs = [
                pool.submit(self._work, due, rate, began, seconds, told) for _ in range(SENDERS)
            ]
            for job in jobs:
                job.result()
        return told

    def _work(
        self, due: Iterator[int], rate: int, began: float, seconds: float, told: Told
    ) -> None:
        with self._lock:
            port = next(self._ports)
        with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            while True:
                with self._lock:
                    number, body = next(due, None), next(self._source)
                if number is None or time.monotonic() - began > seconds:
                    return
                moment = began + number * BATCH / rate
                time.sleep(max(0.0, moment - time.monotonic()))
                taken = _post(connection, body)
                with self._lock:
                    if taken:
                        told.seconds.append(time.monotonic() - moment)
                    else:
                        told.refused += 1


def _post(connection: HTTPConnection, body: bytes) -> bool:
    try:
        connection.request("POST", "/v1/traces", body, {"content-type": "application/x-protobuf"})
        answer = connection.getresponse()
        answer.read()
    except (OSError, HTTPException):
        connection.close()
        return False
    if answer.status != 200:
        time.sleep(1.0)  # as Retry-After asks
    return answer.status == 200


class Memory(threading.Thread):
    """The most bytes that any of these processes took."""

    def __init__(self, processes: list[psutil.Process]) -> None:
        super().__init__(daemon=True)
        self._processes = processes
        self.most = 0

    def run(self) -> None:
        while all(process.is_running() for process in self._processes):
            self.most = max(self.most, *(p.memory_info().rss for p in self._processes))
            time.sleep(0.25)


def recover(senders: Senders, rate: int) -> Iterator[Told]:
    """Send for a second at a time until all its answers come in time, for half a minute at most."""
    began = time.monotonic()
    while (after := time.monotonic() - began) < 30:
        yield (told := senders.send(rate, 1.0))
        if told.seconds and not told.refused and max(told.seconds) < IN_TIME:
            print(f"answers came in time again after {after:.1f} s")
            return
    print("answers did not come in time again within 30 s")


def measure(folder: Path, given: argparse.Namespace) -> int:
    """Print what became of the load; how many acknowledged spans are missing or too many."""
    with ExitStack() as stack:
        url, _ = stack.enter_context(running_postgres(folder))
        ports = [free_port() for _ in range(given.collectors)]
        running = [
            stack.enter_context(running_collector(url, folder / str(port), port, free_port()))
            for port in ports
        ]
        memory = Memory(running)
        memory.start()
        senders = Senders(ports, bodies(given.dialect, 6_000))
        sent = [senders.send(given.rate, min(10.0, given.seconds))]  # imports, first readings
        for rate, seconds in ((given.rate, given.seconds), (SURGE * given.rate, given.surge)):
            began = time.monotonic()
            sent.append(told := senders.send(rate, seconds))
            print(f"{rate} spans/s for {seconds:.0f} s: {told.line(time.monotonic() - began)}"
                  f"; memory {memory.most / 1e6:.0f} MB", flush=True)  # fmt: skip
        sent += recover(senders, given.rate // 2)
        return _difference(url, sent)


def _difference(url: str, sent: list[Told]) -> int:
    acknowledged = sum(len(told.seconds) for told in sent) * BATCH
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "select count(*), count(distinct (trace_id, span_id)) from step"
        ).fetchone()
    assert row is not None
    print(f"{acknowledged} acknowledged, {row[0]} stored, {row[0] - row[1]} of them twice")
    return max(0, acknowledged - int(row[0])) + int(row[0] - row[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--collectors", type=int, default=2)
    parser.add_argument("--surge", type=float, default=60)
    parser.add_argument("--dialect", choices=sorted(DIALECTS), default="ours")
    with folder_of_its_own() as folder:
        return 1 if measure(folder, parser.parse_args()) else 0


if __name__ == "__main__":
    sys.exit(main())
