"""A real collector process, and what tests send to it."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg

from tests.shared import ROOT
from tests.unit.collector.otlp import a_request, a_span, set_attribute

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PROTOBUF = {"content-type": "application/x-protobuf"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def plain_client() -> httpx.Client:
    """A connection a request, and no certificates: to read them takes longer than to ask."""
    return httpx.Client(
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        limits=httpx.Limits(max_keepalive_connections=0),
        timeout=30,
    )


@dataclass
class Running:
    """One collector, where it listens, and what asks it."""

    url: str
    data: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    http: int = field(default_factory=free_port)
    grpc: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None
    client: httpx.Client = field(default_factory=plain_client)

    def start(self) -> "Running":
        environment = {
            **os.environ,
            "WAYPOST_DATABASE_URL": self.url,
            "WAYPOST_DATA": str(self.data),
            "WAYPOST_OTLP_HTTP": str(self.http),
            "WAYPOST_OTLP_GRPC": str(self.grpc),
            **self.settings,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "waypost", "collect"],
            env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return self

    def wait_until(self, path: str = "/readyz", status: int = 200, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        said = "nothing"
        while time.monotonic() < end:
            try:
                answer = self.client.get(self.address + path, timeout=5)
            except httpx.HTTPError as error:
                said = repr(error)
                assert self.process is None or self.process.poll() is None, "it has ended"
            else:
                said = answer.text
                if answer.status_code == status:
                    return
            time.sleep(0.05)
        raise AssertionError(f"{path} never answered {status}, it said {said}")

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.http}"

    def post(self, body: bytes, path: str = "/v1/traces", **headers: str) -> httpx.Response:
        sent = {**PROTOBUF, **{k.replace("_", "-"): v for k, v in headers.items()}}
        return self.client.post(self.address + path, content=body, headers=sent)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(60)

    @property
    def memory(self) -> int:
        assert self.process is not None
        return int(psutil.Process(self.process.pid).memory_info().rss)


@contextmanager
def collector(url: str, data: Path, **settings: str) -> Iterator[Running]:
    """A collector that is ready, stopped at the end of the block."""
    running = Running(url, data, settings).start()
    try:
        running.wait_until()
        yield running
    finally:
        if running.process is not None and running.process.poll() is None:
            running.stop()


def answered(ask: Callable[[], httpx.Response], seconds: float = 60) -> httpx.Response:
    """The first answer of a server that may still be starting."""
    end = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except httpx.HTTPError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def batch(first: int, count: int, *, size: int = 0) -> bytes:
    """A request of spans that are numbered from `first` on and start now."""
    spans = []
    for number in range(first, first + count):
        span = a_span(number + 1)
        set_attribute(span, "text", "x" * size)
        span.start_time_unix_nano = span.end_time_unix_nano = time.time_ns()
        spans.append(span)
    return a_request(*spans)


def fresh(*spans: Any) -> bytes:
    """A request of these spans, which start now."""
    for span in spans:
        span.start_time_unix_nano = span.end_time_unix_nano = time.time_ns()
    return a_request(*spans)


def stored(url: str) -> list[int]:
    """The span ids in the store, one entry a row."""
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("select span_id from step")]
