"""CPU seconds of collector and Postgres per 1,000 spans, beside a bare parse and a bare COPY.

`python -m benchmarks.ingest [--spans 6000] [--transport http|grpc] [--dialect openinference|ours]
[--senders 12]` prints one line a measure, over both transports and for both dialects unless told
otherwise; ratios in one run are what counts, the machine is shared. The bare COPY commits 1,000
rows at a time; so many senders of 50 spans, as one project may have in flight, give the collector
groups of 600. `--flood 10` floods a collector from eight
projects for so many seconds instead and prints the most memory it took.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import grpc
import httpx
import psutil
import psycopg
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.ingest_spans import BATCH, DIALECTS, requests_of
from benchmarks.peers.peer import free_port
from waypost.store import keys, projects
from waypost.store.audit import Actor
from waypost.store.embedded import EmbeddedPostgres
from waypost.store.engine import connect
from waypost.store.migrate import migrate

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
TRANSPORTS = ("http", "grpc")
SENDERS = 12


def bare_parse(requests: list[bytes]) -> float:
    began = time.process_time()
    for body in requests:
        ExportTraceServiceRequest.FromString(body)
    return time.process_time() - began


def bare_copy(url: str, requests: list[bytes], postgres: "Cpu") -> tuple[float, float]:
    """CPU seconds of client and Postgres for COPY of the same spans as jsonb rows."""
    rows = []
    for body in requests:
        for block in ExportTraceServiceRequest.FromString(body).resource_spans:
            for group in block.scope_spans:
                for span in group.spans:
                    values = {a.key: a.value.string_value or a.value.int_value
                              for a in span.attributes}  # fmt: skip
                    rows.append((span.trace_id, span.span_id, span.name, json.dumps(values)))
    with psycopg.connect(url) as connection:
        connection.execute(
            "create table bare (trace_id bytea, span_id bytea, name text, attributes jsonb,"
            " primary key (trace_id, span_id))"
        )
        before, began = postgres.seconds(), time.process_time()
        for first in range(0, len(rows), 1_000):
            with connection.cursor().copy("copy bare from stdin") as copy:
                for row in rows[first : first + 1_000]:
                    copy.write_row(row)
            connection.commit()
        connection.execute("checkpoint")
        return time.process_time() - began, postgres.seconds() - before


class Cpu:
    """CPU seconds of a process and all its children, past ones too."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)

    def seconds(self) -> float:
        times = [self._root.cpu_times()]
        for child in self._root.children(recursive=True):
            try:
                times.append(child.cpu_times())
            except psutil.NoSuchProcess:
                continue
        own = sum(t.user + t.system for t in times)
        return float(own + times[0].children_user + times[0].children_system)


@contextmanager
def running_collector(url: str, data: Path, http: int, port: int) -> Iterator[psutil.Process]:
    environment = {
        **os.environ, "WAYPOST_DATABASE_URL": url, "WAYPOST_DATA": str(data),
        "WAYPOST_OTLP_HTTP": str(http), "WAYPOST_OTLP_GRPC": str(port),
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "waypost", "collect"], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(process, f"http://127.0.0.1:{http}/readyz")
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def wait_for(process: "subprocess.Popen[bytes]", address: str) -> None:
    end = time.monotonic() + 60
    with httpx.Client() as client:
        while process.poll() is None and time.monotonic() < end:
            with suppress(httpx.HTTPError):
                if client.get(address).status_code == 200:
                    return
            time.sleep(0.05)
    raise RuntimeError("the collector did not start")


def send(requests: list[bytes], transport: str, http: int, port: int, senders: int) -> float:
    """Seconds until every request was acknowledged."""
    left = iter(requests)
    lock = threading.Lock()

    def work() -> None:
        client = httpx.Client(headers={"content-type": "application/x-protobuf"}, timeout=60)
        channel = grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.max_send_message_length", -1)])
        export = channel.unary_unary(EXPORT)
        while True:
            with lock:
                body = next(left, None)
            if body is None:
                return
            if transport == "grpc":
                export(body, timeout=60)
            else:
                answer = client.post(f"http://127.0.0.1:{http}/v1/traces", content=body)
                answer.raise_for_status()

    began = time.monotonic()
    with ThreadPoolExecutor(senders) as pool:
        for done in [pool.submit(work) for _ in range(senders)]:
            done.result()
    return time.monotonic() - began


@contextmanager
def running_postgres(folder: Path) -> Iterator[tuple[str, Cpu]]:
    """A migrated server of its own, and its CPU."""
    with EmbeddedPostgres(folder / "pg", buffers_mb=256) as server:
        engine = connect(server.url)
        migrate(engine)
        engine.dispose()
        master = server.postmaster()
        assert master is not None
        yield server.url, Cpu(master.pid)


@contextmanager
def folder_of_its_own() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="waypost-bench") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def measure(dialect: str, transports: tuple[str, ...], spans: int, senders: int) -> None:
    requests = requests_of(dialect, spans)
    count = len(requests) * BATCH / 1_000
    size = sum(map(len, requests)) / len(requests) / BATCH
    print(
        f"{dialect}: {len(requests) * BATCH} spans of {size / 1000:.1f} KB, CPU s per 1,000 spans"
    )
    with folder_of_its_own() as folder, running_postgres(folder) as (url, postgres):
        parse = bare_parse(requests)
        client, database = bare_copy(url, requests, postgres)
    bare = (client + database) / count
    print(f"  bare parse            {parse / count:.3f}")
    print(f"  bare COPY as jsonb    {bare:.3f}"
          f" (client {client / count:.3f}, Postgres {database / count:.3f})")  # fmt: skip
    for transport in transports:
        used = ingest(dialect, transport, requests, senders)
        own, theirs = used.collector / count, used.postgres / count
        print(f"  Waypost over {transport:<9}{own + theirs:.3f}"
              f" (collector {own:.3f}, Postgres {theirs:.3f}), {(own + theirs) / bare:.2f} of a"
              f" bare COPY; {len(requests) * BATCH / used.seconds:.0f} spans/s from {senders}"
              f" senders, {used.memory / 1e6:.0f} MB", flush=True)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Used:
    """What taking all requests took: CPU seconds, seconds, and bytes of memory at the end."""

    collector: float
    postgres: float
    seconds: float
    memory: int


def ingest(dialect: str, transport: str, requests: list[bytes], senders: int) -> Used:
    http, port = free_port(), free_port()
    warm = requests_of(dialect, max(BATCH, len(requests) * BATCH // 6), seed=2)
    with (
        folder_of_its_own() as folder,
        running_postgres(folder) as (url, postgres),
        running_collector(url, folder / "c", http, port) as process,
    ):
        send(warm, transport, http, port, senders)
        cpu = Cpu(process.pid)
        before, pg_before = cpu.seconds(), postgres.seconds()
        took = send(requests, transport, http, port, senders)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("checkpoint")
        own, theirs = cpu.seconds() - before, postgres.seconds() - pg_before
        return Used(own, theirs, took, process.memory_info().rss)


def flood(seconds: float, count: int = 8, senders: int = 24) -> int:
    """The most bytes of memory a collector took while every project sent all it could."""
    bodies = requests_of("openinference", 1_600)
    http = free_port()
    most = 0
    with (
        folder_of_its_own() as folder,
        running_postgres(folder) as (url, _),
        running_collector(url, folder / "c", http, free_port()) as process,
    ):
        secrets = keys_of(url, count)
        end = time.monotonic() + seconds
        threads = [
            threading.Thread(target=press, args=(bodies[n % len(bodies) :], http, key, end))
            for n, key in enumerate(secrets * senders)
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            most = max(most, process.memory_info().rss)
            time.sleep(0.02)
    return most


def keys_of(url: str, count: int) -> list[str]:
    """A key for sending into each of so many new projects."""
    by, engine = Actor("benchmark", "benchmark"), connect(url)
    with engine.begin() as connection:
        made = [projects.create(connection, f"flood {n}", by=by) for n in range(count)]
        found = [keys.create(connection, p.id, "k", by=by, scopes=("write",)) for p in made]
    engine.dispose()
    return [secret for _, secret in found]


def press(bodies: list[bytes], http: int, key: str, end: float) -> None:
    """Send again and again, whatever the answer, until the time is over."""
    headers = {"content-type": "application/x-protobuf", "x-api-key": key}
    with closing(HTTPConnection("127.0.0.1", http, timeout=60)) as connection:
        for body in itertools.cycle(bodies):
            if time.monotonic() > end:
                return
            connection.request("POST", "/v1/traces", body, headers)
            answer = connection.getresponse()
            answer.read()
            time.sleep(0.0 if answer.status == 200 else 0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=6_000)
    parser.add_argument("--transport", choices=TRANSPORTS)
    parser.add_argument("--dialect", choices=sorted(DIALECTS))
    parser.add_argument("--senders", type=int, default=SENDERS)
    parser.add_argument("--flood", type=float, default=0, metavar="SECONDS")
    chosen = parser.parse_args()
    if chosen.flood:
        print(f"flooded from 8 projects, a collector took {flood(chosen.flood) / 1e6:.0f} MB")
        return
    for dialect in (chosen.dialect,) if chosen.dialect else DIALECTS:
        transports = (chosen.transport,) if chosen.transport else TRANSPORTS
        measure(dialect, transports, chosen.spans, chosen.senders)


if __name__ == "__main__":
    main()
