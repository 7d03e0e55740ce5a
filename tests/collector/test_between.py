"""What passes a collector of somebody else's on its way is stored as if it had come straight."""

import base64
import importlib.util
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format  # type: ignore[import-untyped]  # protobuf ships no types
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.collector.process import (
    EXPORT,
    PROTOBUF,
    Running,
    answered,
    collector,
    free_port,
    plain_client,
    stored,
)
from tests.conftest import clone
from tests.samples import conventions
from tests.shared import SAMPLES
from waypost.records import Trajectory
from waypost.store import runs
from waypost.store.engine import connect

LOGS = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
IDS = frozenset({"traceId", "spanId", "parentSpanId"})


@contextmanager
def between(server: Running, protocol: str, folder: Path) -> Iterator[tuple[int, int]]:
    """A collector that passes on all it receives, and its ports for gRPC and for HTTP."""
    found = importlib.util.find_spec("rotel")
    if found is None or found.origin is None:
        pytest.skip("rotel has no wheel for this machine")
    ports = (free_port(), free_port())
    target = f"http://127.0.0.1:{server.grpc}" if protocol == "grpc" else server.address
    settings = {
        "OTLP_GRPC_ENDPOINT": f"127.0.0.1:{ports[0]}",
        "OTLP_HTTP_ENDPOINT": f"127.0.0.1:{ports[1]}", "EXPORTER": "otlp",
        "OTLP_EXPORTER_ENDPOINT": target, "OTLP_EXPORTER_PROTOCOL": protocol,
        "PID_FILE": str(folder / "pid"), "LOG_FILE": str(folder / "log"),
    }  # fmt: skip
    agent = Path(found.origin).parent / "rotel-agent"
    environment = {**os.environ, **{f"ROTEL_{k}": v for k, v in settings.items()}}
    with subprocess.Popen([agent, "start"], env=environment) as process:
        try:
            yield ports
        finally:
            process.terminate()


def body_of(path: Path, kind: Any) -> bytes:
    """A recorded request, whose ids are hex as OTLP has them in JSON, in protobuf."""

    def mended(found: dict[str, Any]) -> dict[str, Any]:
        return {
            k: base64.b64encode(bytes.fromhex(v)).decode() if k in IDS and v else v
            for k, v in found.items()
        }

    value = json.loads(path.read_text(), object_hook=mended)
    request = json_format.ParseDict(value, kind(), ignore_unknown_fields=True)
    return bytes(request.SerializeToString())


def recorded() -> list[tuple[str, str, bytes]]:
    """gRPC method, path and body of each recorded request, as if they were sent lately."""
    paths = [p for name in conventions() for p in sorted(SAMPLES.glob(f"{name}*.json"))]
    found = []
    for path in dict.fromkeys(paths):
        is_log = path.name.endswith(".logs.json")
        kind: Any = ExportLogsServiceRequest if is_log else ExportTraceServiceRequest
        method, where = (LOGS, "/v1/logs") if is_log else (EXPORT, "/v1/traces")
        found.append((method, where, body_of(path, kind)))
    return found


def send(requests: list[tuple[str, str, bytes]], protocol: str, ports: tuple[int, int]) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{ports[0]}") as channel, plain_client() as client:
        for method, path, body in requests:
            if protocol == "grpc":
                channel.unary_unary(method)(body, timeout=30, wait_for_ready=True)
            else:
                url = f"http://127.0.0.1:{ports[1]}{path}"
                post = partial(client.post, url, content=body, headers=PROTOBUF)
                answered(post).raise_for_status()


def runs_in(server: Running) -> dict[str, Trajectory]:
    engine = connect(server.url)
    with engine.connect() as connection:
        traces = connection.exec_driver_sql("select distinct trace_id from step").scalars().all()
        found = runs.load_many(connection, 1, [t.hex for t in traces])
    engine.dispose()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_collector_in_front_changes_nothing(
    servers: dict[str, str], tmp_path: Path, protocol: str
) -> None:
    database = contextmanager(clone)
    with (
        database(servers["18"]) as one, database(servers["18"]) as other,
        collector(one, tmp_path / "straight") as straight,
        collector(other, tmp_path / "passed") as passed,
    ):  # fmt: skip
        requests = recorded()
        send(requests, protocol, (straight.grpc, straight.http))
        spans, there = sorted(stored(straight.url)), runs_in(straight)
        assert len(there) > 100
        with between(passed, protocol, tmp_path) as ports:
            send(requests, protocol, ports)
            eventually(lambda: sorted(stored(passed.url)) == spans)
        eventually(lambda: runs_in(passed) == there)  # verdicts may come after the spans


def eventually(is_so: Callable[[], bool], seconds: float = 30) -> None:
    """Until it is so; the last look is what the test fails with."""
    end = time.monotonic() + seconds
    while not is_so() and time.monotonic() < end:
        time.sleep(0.2)
    assert is_so()
