"""SIGKILL of the collector and of Postgres at random moments under load: what was lost.

`python -m benchmarks.ingest_kills [--spans 100000] [--kills 20]` sends numbered spans over HTTP and
gRPC until so many were acknowledged and so many kills are done, and counts what is missing and
what is there twice. Exits 1 if anything is.
"""

import argparse
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import grpc
import httpx
import psutil
import psycopg
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.ingest import EXPORT, folder_of_its_own, wait_for
from benchmarks.peers.peer import free_port
from waypost.store.embedded import EmbeddedPostgres
from waypost.store.engine import connect
from waypost.store.migrate import migrate

BATCH = 50
SENDERS = 16


class Victims:
    """A Postgres and a collector that are killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.postgres = EmbeddedPostgres(folder / "pg", buffers_mb=128)
        self.postgres.start()
        engine = connect(self.postgres.url)
        migrate(engine)
        engine.dispose()
        self.http, self.grpc = free_port(), free_port()
        self._environment = {
            **os.environ, "WAYPOST_DATABASE_URL": self.postgres.url,
            "WAYPOST_DATA": str(folder / "c"), "WAYPOST_OTLP_HTTP": str(self.http),
            "WAYPOST_OTLP_GRPC": str(self.grpc),
        }  # fmt: skip
        self.collector = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-m", "waypost", "collect"],
            env=self._environment, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(process, f"http://127.0.0.1:{self.http}/readyz")
        return process

    def kill_collector(self) -> None:
        self.collector.kill()
        self.collector.wait()
        self.collector = self._start()

    def kill_backend(self) -> None:
        backends = self._master().children()
        if backends:
            with suppress(psutil.NoSuchProcess):
                random.choice(backends).kill()
        self._again()

    def kill_postgres(self) -> None:
        master = self._master()
        for process in [master, *master.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._again()

    def stop_at_once(self) -> None:
        self._master().send_signal(3)  # what `pg_ctl stop -m immediate` sends
        self._again()

    def _master(self) -> psutil.Process:
        master = self.postgres.postmaster()
        assert master is not None
        return master

    def _again(self) -> None:
        time.sleep(1)
        self.postgres.start()

    def stop(self) -> None:
        self.collector.terminate()
        self.collector.wait()
        self.postgres.stop()


class Load:
    """Threads that send numbered spans again and again until they are acknowledged."""

    def __init__(self, victims: Victims) -> None:
        self.acknowledged = 0
        self._victims = victims
        self._next = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(self._http if n % 2 else self._grpc,))
            for n in range(SENDERS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> int:
        """Let every batch be acknowledged; how many spans there are."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        return self.acknowledged

    def _send(self, post: Callable[[bytes], bool]) -> None:
        while not self._over.is_set():
            with self._lock:
                first, self._next = self._next, self._next + BATCH
            body = numbered(first)
            while not post(body):
                time.sleep(0.1)
            with self._lock:
                self.acknowledged += BATCH

    def _http(self, body: bytes) -> bool:
        url = f"http://127.0.0.1:{self._victims.http}/v1/traces"
        try:
            kind = {"content-type": "application/x-protobuf"}
            return httpx.post(url, content=body, headers=kind, timeout=20).status_code == 200
        except httpx.HTTPError:
            return False

    def _grpc(self, body: bytes) -> bool:
        with grpc.insecure_channel(f"127.0.0.1:{self._victims.grpc}") as channel:
            try:
                channel.unary_unary(EXPORT)(body, timeout=20)
            except grpc.RpcError:
                return False
        return True


def numbered(first: int) -> bytes:
    """A request of spans whose ids are numbers, of traces of twenty spans."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add().scope_spans.add()
    for number in range(first + 1, first + 1 + BATCH):
        span = group.spans.add()
        span.trace_id = (number // 20 + 1).to_bytes(16, "big")
        span.span_id = number.to_bytes(8, "big")
        span.name = f"work {number}"
        span.start_time_unix_nano = span.end_time_unix_nano = time.time_ns()
        pair = span.attributes.add()
        pair.key, pair.value.string_value = "text", "x" * 300
    return bytes(request.SerializeToString())


def stored(url: str) -> tuple[int, int]:
    """How many spans are stored, and how many different ones."""
    with psycopg.connect(url) as connection:
        row = connection.execute("select count(*), count(distinct span_id) from step").fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def run(victims: Victims, spans: int, kills: int) -> int:
    """How many acknowledged spans are lost or there twice."""
    load = Load(victims)
    load.start()
    ways = (victims.kill_collector, victims.kill_postgres, victims.kill_backend,
            victims.stop_at_once)  # fmt: skip
    for number in range(kills):
        time.sleep(random.uniform(0.3, 2.0))
        ways[number % len(ways)]()
        print(f"kill {number + 1} of {kills}: {load.acknowledged} acknowledged", flush=True)
    while load.acknowledged < spans:
        time.sleep(0.2)
    sent = load.stop()
    end = time.monotonic() + 120  # the spool is played back
    while stored(victims.postgres.url)[1] < sent and time.monotonic() < end:
        time.sleep(0.5)
    rows, different = stored(victims.postgres.url)
    print(f"{sent} acknowledged, {sent - different} lost, {rows - different} twice")
    return sent - different + rows - different


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=20)
    chosen = parser.parse_args()
    with folder_of_its_own() as folder:
        victims = Victims(folder)
        try:
            wrong = run(victims, chosen.spans, chosen.kills)
        finally:
            victims.stop()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
