"""Released exporters send unchanged, and nothing they sent is missing."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from tests.collector.process import Running, collector, stored
from tests.conftest import clone

PACKAGES = ("@opentelemetry/exporter-trace-otlp-http", "@opentelemetry/sdk-trace-node")
SCRIPT = """
import { NodeTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
const exporter = new OTLPTraceExporter({ url: process.argv[2], compression: 'gzip' });
const provider = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] });
const tracer = provider.getTracer('ai');
for (let i = 0; i < 50; i++) {
  const span = tracer.startSpan('ai.toolCall', { attributes: {
    'ai.operationId': 'ai.toolCall', 'ai.toolCall.name': 'look', 'ai.toolCall.id': `c${i}`,
    'ai.toolCall.args': JSON.stringify({ order: i }) } });
  span.end();
}
await provider.shutdown();
"""


@pytest.fixture(scope="module")
def server(servers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    for url in clone(servers["18"]):
        with collector(url, tmp_path_factory.mktemp("collector")) as running:
            yield running


EXPORTERS: dict[str, Callable[[Running], SpanExporter]] = {
    "http": lambda s: Http(endpoint=s.address + "/v1/traces"),
    "http gzip": lambda s: Http(endpoint=s.address + "/v1/traces", compression=Compression.Gzip),
    "http deflate": lambda s: Http(
        endpoint=s.address + "/v1/traces", compression=Compression.Deflate
    ),
    "grpc": lambda s: Grpc(endpoint=f"http://127.0.0.1:{s.grpc}", insecure=True),
}


@pytest.mark.parametrize("name", EXPORTERS)
def test_the_python_exporters_lose_nothing(server: Running, name: str) -> None:
    before = set(stored(server.url))
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(EXPORTERS[name](server)))
    tracer = provider.get_tracer("test")
    for number in range(300):
        with tracer.start_as_current_span("chat", attributes={"number": number}):
            continue
    provider.shutdown()
    assert len(set(stored(server.url)) - before) == 300


def test_the_python_log_exporter_is_accepted(server: Running) -> None:
    exporter = OTLPLogExporter(endpoint=server.address + "/v1/logs")
    assert exporter.export([]).name == "SUCCESS"


@pytest.mark.slow
def test_the_javascript_exporter_loses_nothing(server: Running, tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("node is not installed here")
    (tmp_path / "package.json").write_text(json.dumps({"type": "module"}))
    (tmp_path / "send.mjs").write_text(SCRIPT)
    install = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error", *PACKAGES]
    done = subprocess.run(install, check=False, cwd=tmp_path, capture_output=True, timeout=200)
    if done.returncode:
        pytest.skip("the npm registry cannot be reached from here")
    url = server.address + "/v1/traces"
    subprocess.run(["node", "send.mjs", url], cwd=tmp_path, check=True, timeout=60)
    with psycopg.connect(server.url) as connection:
        tools = connection.execute("select tool from step where tool is not null").fetchall()
    assert tools == [("look",)] * 50
