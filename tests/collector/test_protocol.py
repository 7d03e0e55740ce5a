"""The receiver by the book: encodings, sizes, answers."""

import gzip
import json
import random
import re
import socket
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import httpx
import psycopg
import pytest
import zstandard
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # no types
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tests.collector.process import EXPORT, Running, batch, collector, fresh, stored
from tests.conftest import clone
from tests.samples import load
from tests.shared import SAMPLES
from tests.unit.collector.otlp import a_request, a_span

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.compress,
}


@pytest.fixture(scope="module")
def server(servers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    cloned = clone(servers["18"])
    url = next(cloned)
    with collector(url, tmp_path_factory.mktemp("collector")) as running:
        yield running
    next(cloned, None)


numbers = iter(range(1_000_000, 2_000_000_000, 1_000))


def json_request() -> dict[str, Any]:
    found = load("otel_genai_langchain.json")
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_compression_is_stored(server: Running, compression: str) -> None:
    first = next(numbers)
    body = COMPRESSIONS[compression](batch(first, 3))
    answer = server.post(body, content_encoding=compression)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert {first + 1, first + 2, first + 3} <= set(stored(server.url))


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", ""])
def test_json_is_answered_in_json(server: Running, kind: str) -> None:
    body = json.dumps(json_request()).encode()
    answer = server.post(body, content_type=kind)
    assert answer.status_code == 200
    assert answer.json() == {}


def test_a_trailing_slash_and_an_empty_request_are_fine(server: Running) -> None:
    assert server.post(b"", path="/v1/traces/").status_code == 200


def test_a_body_may_come_in_chunks_without_a_length(server: Running) -> None:
    first = next(numbers)
    body = batch(first, 2)
    parts = (body[i : i + 50] for i in range(0, len(body), 50))
    kind = {"content-type": "application/x-protobuf"}
    assert server.client.post(server.address + "/v1/traces", content=parts, headers=kind).is_success
    assert first + 1 in stored(server.url)


def test_a_refused_span_is_told_with_its_reason_and_id(server: Running) -> None:
    bad = a_span(77)
    bad.trace_id = b"12345"
    answer = server.post(fresh(a_span(next(numbers)), bad))
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, partial.rejected_spans) == (200, 1)
    assert "trace id" in partial.error_message
    assert (77).to_bytes(8, "big").hex() in partial.error_message


def test_a_span_outside_the_keep_time_is_refused(server: Running) -> None:
    old = a_span(1)
    old.start_time_unix_nano = 1
    request = {"resourceSpans": [{"scopeSpans": [{"spans": [
        {"traceId": "1" * 32, "spanId": "2" * 16, "startTimeUnixNano": "1", "endTimeUnixNano": "2"}
    ]}]}]}  # fmt: skip
    answer = server.post(json.dumps(request).encode(), content_type="application/json")
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "1"


@pytest.mark.parametrize(
    ("request_line", "headers", "body", "status"),
    [
        ("POST /v1/traces", {}, b"\xff\xff", 400),
        ("POST /v1/nothing", {}, b"", 404),
        ("GET /v1/traces", {}, b"", 405),
        ("POST /v1/traces", {"content-type": "text/html"}, b"", 415),
        ("POST /v1/traces", {"content-encoding": "br"}, b"", 415),
        ("POST /v1/traces", {"content-encoding": "gzip"}, b"not gzip", 400),
        (
            "POST /v1/traces",
            {"content-encoding": "gzip"},
            gzip.compress(b"x" * 99, mtime=0)[:20],
            400,
        ),
    ],
)
def test_what_is_wrong_is_told_in_a_status(
    server: Running, request_line: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    method, path = request_line.split()
    sent = {"content-type": "application/x-protobuf", **headers}
    answer = server.client.request(method, server.address + path, content=body, headers=sent)
    assert answer.status_code == status
    if "html" not in sent["content-type"]:
        assert Status.FromString(answer.content).message


def test_errors_of_json_requests_come_in_json(server: Running) -> None:
    answer = server.post(b"[", content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, 3)


def gzip_twice(size: int) -> bytes:
    return gzip.compress(gzip.compress(bytes(size)))


@pytest.mark.parametrize(
    ("compression", "body"),
    [
        ("gzip", gzip.compress(bytes(256 << 20), 1)),
        ("deflate", zlib.compress(bytes(256 << 20), 1)),
        ("zstd", zstandard.compress(bytes(256 << 20), 1)),
        ("gzip", gzip_twice(256 << 20)),
        ("gzip", gzip.compress(b"x") * 10_000),
        ("gzip", gzip.compress(random.Random(1).randbytes(65 << 20), 1)[: 15 << 20]),
    ],
    ids=["gzip", "deflate", "zstd", "twice", "members", "cut"],
)
def test_bombs_are_refused_without_much_memory(
    server: Running, compression: str, body: bytes
) -> None:
    before = server.memory
    answer = server.post(body, content_encoding=compression)
    assert answer.status_code in (400, 413)
    assert server.memory - before < 100 << 20


def test_a_body_beyond_the_wire_limit_is_refused_by_its_length(server: Running) -> None:
    assert server.post(bytes(17 << 20)).status_code == 413


def test_truncated_and_flipped_requests_are_never_a_fault_of_ours(server: Running) -> None:
    body = batch(next(numbers), 5)
    chance = random.Random(3)
    with httpx.Client(headers={"content-type": "application/x-protobuf"}) as client:
        for end in range(0, len(body), 97):
            assert client.post(server.address + "/v1/traces", content=body[:end]).status_code < 500
        for _ in range(100):
            broken = bytearray(body)
            broken[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
            answer = client.post(server.address + "/v1/traces", content=bytes(broken))
            assert answer.status_code < 500


def test_values_postgres_refuses_do_not_fail_their_batch(server: Running) -> None:
    first = next(numbers)
    odd = {
        "a\0b": "c\0", "n": float("nan"), "i": float("inf"), "big": 1e308, "max": 2**63 - 1,
        "sql": "'; drop table step; --", "long": "é" * 2_000_000, "%s": "{0.__class__}",
        "gen_ai.operation.name": "chat", "gen_ai.output.messages": '[{"role":"a\\u0000"}]',
        "gen_ai.response.model": "m" * 20_000, "session.id": "s\0" * 5_000,
    }  # fmt: skip
    answer = server.post(fresh(a_span(first, **odd), a_span(first + 1)))
    assert (answer.status_code, answer.content) == (200, b"")
    assert {first, first + 1} <= set(stored(server.url))


def test_metrics_are_accepted_and_counted_as_dropped(server: Running) -> None:
    assert server.post(b"", path="/v1/metrics").status_code == 200
    text = server.client.get(server.address + "/metrics").text
    assert 'outcome="dropped",project="1",reason="metrics"' in text


def counted(server: Running) -> dict[str, float]:
    """Spans by what became of them."""
    found: dict[str, float] = {}
    for line in server.client.get(server.address + "/metrics").text.splitlines():
        told = re.match(r'waypost_items_total\{outcome="(\w+)".*signal="traces"\} (\S+)', line)
        if told:
            found[told[1]] = found.get(told[1], 0) + float(told[2])
    return found


def test_every_span_is_counted_as_stored_repeated_or_refused(server: Running) -> None:
    before = counted(server)
    first = next(numbers)
    bad, old = a_span(first + 8), a_span(first + 9)
    bad.trace_id = b"short"
    good = [a_span(first + n) for n in range(8)]
    assert server.post(fresh(*good, bad, good[0])).status_code == 200
    old.start_time_unix_nano = 1
    assert server.post(a_request(old)).status_code == 200
    after = counted(server)
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert {n: grown[n] for n in ("stored", "repeated", "refused")} == {
        "stored": 8, "repeated": 1, "refused": 2,
    }  # fmt: skip


def test_log_records_give_messages_and_verdicts(server: Running) -> None:
    body = (SAMPLES / "otel_evaluation_events.logs.json").read_bytes()
    answer = server.post(body, path="/v1/logs", content_type="application/json")
    assert (answer.status_code, answer.json()) == (200, {})
    with psycopg.connect(server.url) as connection:
        rows = connection.execute("select count(*) from feedback").fetchone()
    assert rows is not None
    assert rows[0] >= 1


def test_health_is_told(server: Running) -> None:
    assert server.client.get(server.address + "/healthz").status_code == 200
    assert server.client.get(server.address + "/readyz").status_code == 200


def call(server: Running, body: bytes, **options: Any) -> bytes:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        return bytes(channel.unary_unary(EXPORT)(body, timeout=20, **options))


@pytest.mark.parametrize("compression", list(grpc.Compression))
def test_grpc_stores_and_answers(server: Running, compression: grpc.Compression) -> None:
    first = next(numbers)
    assert call(server, batch(first, 2), compression=compression) == b""
    assert first + 1 in stored(server.url)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"\xff\xff", grpc.StatusCode.INVALID_ARGUMENT),
        (bytes(65 << 20), grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
)
def test_grpc_refuses_with_the_right_code(
    server: Running, body: bytes, code: grpc.StatusCode
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call(server, body, compression=grpc.Compression.Gzip)
    assert caught.value.code() is code
    assert "google.rpc.retryinfo-bin" not in dict(caught.value.trailing_metadata() or ())


def test_a_slow_header_is_cut_off_and_disturbs_nobody(server: Running, tmp_path: Path) -> None:
    slow = [socket.create_connection(("127.0.0.1", server.http)) for _ in range(50)]
    for connection in slow:
        connection.sendall(b"POST /v1/traces HTTP/1.1\r\nx")
    assert server.post(batch(next(numbers), 1)).status_code == 200
    slow[0].settimeout(15)
    assert slow[0].recv(1) == b""
    for connection in slow:
        connection.close()


def test_rest_is_put_together_once_though_many_ask_first(server: Running) -> None:
    def ask(_: int) -> int:
        return server.client.get(server.address + "/api/v1/openapi.json", timeout=60).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {200}
    assert server.post(batch(next(numbers), 1)).status_code == 200


def test_a_collector_starts_without_what_it_may_never_need() -> None:
    rest = "{'fastapi', 'numpy', 'genai_prices'}"
    code = f"import sys, collector.run; print({rest} & sys.modules.keys())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"
