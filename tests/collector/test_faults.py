"""Nothing acknowledged is ever lost: killed processes, a database that goes away, full disks."""

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import httpx
import psutil
import psycopg
import pytest
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # no types
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from tests.collector.process import (
    EXPORT,
    PROTOBUF,
    Running,
    batch,
    collector,
    fresh,
    plain_client,
    stored,
)
from tests.conftest import copy_cluster
from tests.unit.collector.otlp import a_span
from waypost.store.embedded import EmbeddedPostgres

SIZE = 20


@pytest.fixture
def postgres(cluster: Path, tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server of its own, which a test may stop and kill."""
    with EmbeddedPostgres(
        copy_cluster(cluster, tmp_path / "pg"), buffers_mb=64, fsync=False
    ) as server:
        yield server


class Senders:
    """Threads that send numbered spans and remember which were acknowledged."""

    def __init__(self, address: str, count: int = 4) -> None:
        self.address = address
        self.acknowledged: set[int] = set()
        self.codes: set[int] = set()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._next = 0
        self._client = plain_client()
        self._threads = [threading.Thread(target=self._send) for _ in range(count)]

    def __enter__(self) -> "Senders":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                first, self._next = self._next, self._next + SIZE
            body = batch(first, SIZE, size=300)
            time.sleep(0.05 if self._send_one(body, first) else 0.3)

    def _send_one(self, body: bytes, first: int) -> bool:
        try:
            answer = self._client.post(
                self.address + "/v1/traces", content=body, headers=PROTOBUF, timeout=10
            )
        except httpx.HTTPError:
            return False
        self.codes.add(answer.status_code)
        if answer.status_code == 200:
            with self._lock:
                self.acknowledged.update(range(first + 1, first + SIZE + 1))
        return answer.status_code == 200


def wait_for(url: str, wanted: set[int], seconds: float = 60) -> list[int]:
    end = time.monotonic() + seconds
    found: list[int] = []
    while time.monotonic() < end:
        found = stored(url)
        if wanted <= set(found):
            return found
        time.sleep(0.2)
    return found


def test_a_killed_collector_loses_nothing_it_acknowledged(database: str, tmp_path: Path) -> None:
    running = Running(database, tmp_path)
    chance = random.Random(1)
    with running.start(), Senders(running.address) as senders:
        for _ in range(3):
            running.wait_until()
            time.sleep(chance.uniform(0.2, 0.8))
            running.kill()
            running.start()
        running.wait_until()
        time.sleep(0.5)
        running.stop()
    found = stored(database)
    assert len(senders.acknowledged) > 100
    assert senders.acknowledged - set(found) == set()
    assert len(found) == len(set(found))


def test_a_killed_postgres_loses_nothing_that_was_acknowledged(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    with collector(postgres.url, tmp_path) as running:
        with Senders(running.address) as senders:
            for _ in range(2):
                time.sleep(0.7)
                master = postgres.postmaster()
                assert master is not None
                for process in [master, *master.children(recursive=True)]:
                    with suppress(psutil.NoSuchProcess):
                        process.kill()
                time.sleep(0.7)
                postgres.start()
            time.sleep(0.7)
        # What was spooled meanwhile is played back by the collector, which must still be there.
        found = wait_for(postgres.url, senders.acknowledged)
    assert len(senders.acknowledged) > 100
    assert senders.acknowledged - set(found) == set()
    assert len(found) == len(set(found))


def test_an_unchanged_sdk_loses_nothing_while_postgres_is_away(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    with collector(postgres.url, tmp_path) as running:
        provider = TracerProvider()
        # Ten seconds by default, and a busy machine may take as long to start a collector.
        exporter = OTLPSpanExporter(endpoint=running.address + "/v1/traces", timeout=60)
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=100))
        tracer = provider.get_tracer("test")
        sent = set()
        for number in range(120):
            if number == 30:
                postgres.stop()
            if number == 70:  # what is in the spool outlives the collector
                running.kill()
                running.start()
            if number == 90:
                postgres.start()
            with tracer.start_as_current_span("work") as span:
                sent.add(span.get_span_context().span_id)
            time.sleep(0.05)
        running.wait_until()
        provider.shutdown()
        signed = {i - (1 << 64) if i >= 1 << 63 else i for i in sent}
        found = wait_for(postgres.url, signed)
    assert signed - set(found) == set()
    assert len(found) == len(signed)


def test_a_damaged_spool_costs_only_what_is_damaged(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    running = Running(postgres.url, tmp_path).start()
    running.wait_until()
    assert running.post(batch(0, 1)).status_code == 200
    postgres.stop()
    for number in range(1, 6):
        assert running.post(batch(number, 1)).status_code == 200
    running.kill()
    segment = next((tmp_path / "spool").rglob("*.spool"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 0xFF
    segment.write_bytes(bytes(data[:-7]))
    postgres.start()
    running.start()
    running.wait_until()
    found = wait_for(postgres.url, {1, 2, 3}, seconds=10)
    corrupt = running.client.get(running.address + "/metrics").text
    running.stop()
    assert len(found) == 4
    assert "waypost_spool_corrupt_total 2.0" in corrupt


def test_a_full_spool_refuses_and_says_how_long_to_wait(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    with collector(postgres.url, tmp_path, WAYPOST_SPOOL_LIMIT="3000") as running:
        assert running.post(batch(0, 1)).status_code == 200
        postgres.stop()
        answers = [running.post(batch(n * 50, 50)) for n in range(1, 6)]
        assert {a.status_code for a in answers} == {200, 503}
        assert answers[-1].headers["retry-after"] in ("1", "2")
        running.wait_until("/readyz", 503, seconds=5)
        assert told_to_wait(running) in (1, 2)


def told_to_wait(running: Running) -> int:
    """For how many seconds, over gRPC."""
    channel = grpc.insecure_channel(f"127.0.0.1:{running.grpc}")
    with channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(EXPORT)(batch(1, 50), timeout=30)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    trailing = dict(caught.value.trailing_metadata())
    told = RetryInfo.FromString(trailing["google.rpc.retryinfo-bin"])
    return int(told.retry_delay.seconds)


def test_what_a_terminated_collector_has_spooled_is_played_back_by_the_next(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    with collector(postgres.url, tmp_path) as running:
        assert running.post(batch(0, 1)).status_code == 200
        postgres.stop()
        assert running.post(batch(1, 20)).status_code == 200
        assert running.stop() == 0
    assert list((tmp_path / "spool").rglob("*.spool"))
    postgres.start()
    with collector(postgres.url, tmp_path):
        found = wait_for(postgres.url, set(range(1, 22)))
    assert sorted(found) == list(range(1, 22))
    assert not list((tmp_path / "spool").rglob("*.spool"))


def test_a_locked_table_holds_answers_back_and_loses_nothing(database: str, tmp_path: Path) -> None:
    limit = str(200_000)
    with collector(database, tmp_path, WAYPOST_IN_FLIGHT_LIMIT=limit) as running:
        with psycopg.connect(database) as holder:
            holder.execute("lock table step in access exclusive mode")
            with Senders(running.address, count=30) as senders:
                time.sleep(2.5)
                assert 503 in senders.codes
                assert not senders.acknowledged
                holder.rollback()
                time.sleep(1.5)
        found = stored(database)
    assert senders.acknowledged
    assert senders.acknowledged - set(found) == set()


def test_repeats_through_two_collectors_change_nothing(database: str, tmp_path: Path) -> None:
    bodies = [fresh(*(a_span(i * 10 + n + 1) for n in range(10))) for i in range(20)]
    with (
        collector(database, tmp_path) as one,
        collector(database, tmp_path) as two,
    ):

        def send(server: Running, seed: int) -> None:
            mixed = bodies * 2
            random.Random(seed).shuffle(mixed)
            for body in mixed:
                assert server.post(body).status_code == 200

        threads = [
            threading.Thread(target=send, args=(server, seed))
            for seed, server in enumerate((one, two, one, two))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = stored(database)
    assert sorted(found) == list(range(1, 201))
    with psycopg.connect(database) as connection:
        row = connection.execute("select sum(steps) from trajectory").fetchone()
    assert row is not None
    assert int(row[0] or 0) in (0, 200)


def test_a_terminated_collector_finishes_what_is_open(database: str, tmp_path: Path) -> None:
    running = Running(database, tmp_path).start()
    running.wait_until()
    with Senders(running.address, count=8) as senders:
        time.sleep(1)
        began = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - began < 10
    assert senders.acknowledged - set(stored(database)) == set()
    assert 500 not in senders.codes


def test_a_planted_secret_never_reaches_a_table_or_the_spool(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    key = "sk-proj-" + "Ab1" * 16
    said = {
        "note": f"my key is {key}",
        "authorization": "Bearer " + "q" * 30,
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": json.dumps([{"role": "user", "content": key}]),
    }
    with collector(postgres.url, tmp_path) as running:
        assert running.post(fresh(a_span(1, **said))).status_code == 200
        postgres.stop()
        assert running.post(fresh(a_span(2, **said))).status_code == 200
        spooled = b"".join(p.read_bytes() for p in (tmp_path / "spool").rglob("*.spool"))
        postgres.start()
        wait_for(postgres.url, {1, 2})
    assert spooled
    with psycopg.connect(postgres.url) as connection:
        connection.execute("checkpoint")
    held = b"".join(
        p.read_bytes() for p in (tmp_path / "pg").rglob("*") if p.is_file() and p.stat().st_size
    )
    assert key.encode() not in held
    assert b"q" * 30 not in held
