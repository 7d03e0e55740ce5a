"""A guest in somebody's process: whatever happens to the tracer, the agent does not notice."""

import asyncio
import gzip
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import tracer
from tests.shared import ROOT
from tests.unit.tracer.conftest import Spans
from tests.unit.tracer.harness import steps, tree, value
from tests.unit.tracer.scripted import Scripted, call, says
from waypost import names

pytestmark = pytest.mark.slow

QUESTION: Any = {"messages": [HumanMessage("q")]}


class Rude:
    """An object that does not want to be looked at."""

    def __repr__(self) -> str:
        raise RuntimeError("do not look")

    def __str__(self) -> str:
        raise RuntimeError("do not look")


def circle() -> dict[str, Any]:
    one: dict[str, Any] = {"name": "one"}
    one["self"] = [one]
    return one


VALUES: dict[str, Any] = {
    "bytes": b"\xff\x00" * 10,
    "rude": Rude(),
    "circular": circle(),
    "nan": float("nan"),
    "huge": "x" * 5_000_000,
    "many": ["y" * 1000] * 5000,
    "surrogate": "bad \ud800 text",
    "keys": {1: "a", (2, 3): "b", None: "c"},
    "set": {1, 2},
    "lock": threading.Lock(),
    "lambda": lambda: None,
    "deep": json.loads("[" * 500 + "]" * 500),
    "class": Rude,
}


@pytest.mark.parametrize("kind", VALUES)
def test_any_result_of_a_tool_is_recorded_and_handed_on(spans: Spans, kind: str) -> None:
    seen: list[Any] = []

    @tool(response_format="content_and_artifact")
    def odd() -> Any:
        """Return something odd."""
        return "fine", VALUES[kind]

    @tool
    def direct() -> Any:
        """Return something odd."""
        seen.append(VALUES[kind])
        return VALUES[kind]

    direct.invoke({})
    odd.invoke({})
    assert seen[0] is VALUES[kind]
    found = steps(spans())
    assert [value(s, names.TOOL_NAME) for s in found] == ["direct", "odd"]
    for span in found:
        assert len(str(value(span, names.TOOL_RESULT)).encode()) <= 262_144
    if kind in ("huge", "many"):
        (note,) = value(found[0], names.TRUNCATED)
        assert note.startswith(f"{names.TOOL_RESULT}=50")


@pytest.mark.parametrize("kind", VALUES)
def test_any_argument_of_a_step_is_recorded(spans: Spans, kind: str) -> None:
    with tracer.step("tool", "odd", arguments={"value": VALUES[kind]}):
        pass
    (step,) = steps(spans())
    assert json.loads(value(step, names.TOOL_ARGUMENTS)).keys() == {"value"}


def test_a_message_of_five_megabytes_is_cut_and_stays_json(spans: Spans) -> None:
    Scripted(script=[says("z" * 5_000_000)]).invoke("x" * 5_000_000)
    (step,) = steps(spans())
    for name in (names.INPUT, names.OUTPUT):
        assert len(value(step, name)) <= 262_144
        assert json.loads(value(step, name))[0]["parts"][0]["type"] == "text"
    assert len(value(step, names.TRUNCATED)) == 2


@contextmanager
def server(answer: Any) -> Iterator[str]:
    """A server on loopback that answers as told."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            answer(self, body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{found.server_port}"
    finally:
        found.shutdown()
        found.server_close()
        thread.join()


def refuse(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    handler.send_response(403)
    handler.end_headers()


def garbage(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    handler.wfile.write(b"\x00\xffthis is not HTTP\r\n\r\n")


def slow(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    time.sleep(3)
    handler.send_response(200)
    handler.end_headers()


def run_agent() -> str:
    @tool
    def lookup(order_id: str) -> str:
        """Look up."""
        return order_id

    model = Scripted(script=[says("", call("lookup", order_id="A-1")), says("done")])
    out = create_agent(model, [lookup], name="a").invoke(QUESTION)
    return str(out["messages"][-1].content)


@pytest.mark.parametrize("answer", [refuse, garbage, slow], ids=["refuse", "garbage", "slow"])
def test_the_agent_does_not_wait_for_a_bad_endpoint(answer: Any, tmp_path: Any) -> None:
    with server(answer) as endpoint:
        tracer.instrument(endpoint, pauses=tmp_path)
        try:
            logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
            begin = time.process_time()
            for _ in range(3):
                assert run_agent() == "done"
            assert time.process_time() - begin < 5
            assert not tracer.flush(0.2)
        finally:
            tracer.uninstrument()


def test_a_dead_endpoint_costs_bounded_memory_and_counts_what_it_drops(tmp_path: Any) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{held.getsockname()[1]}"
        tracer.instrument(endpoint, pauses=tmp_path, queue_bytes=20_000)
        try:
            for _ in range(10):
                assert run_agent() == "done"
            recording = tracer.setup.PROCESS.recording
            assert recording is not None
            assert recording.processor.queue.bytes <= 20_000
            assert tracer.stats().dropped > 0
        finally:
            tracer.uninstrument()


@pytest.mark.parametrize("broken", ["start", "end"])
def test_a_fault_of_the_tracer_is_not_the_agents(
    spans: Spans, broken: str, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    from tracer.models import Models

    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Models, broken, fails)
    assert run_agent() == "done"
    assert spans() is not None


def test_keyboard_interrupt_goes_through_and_is_recorded(spans: Spans) -> None:
    @tool
    def stop() -> str:
        """Somebody presses Ctrl-C."""
        raise KeyboardInterrupt

    agent = create_agent(Scripted(script=[says("", call("stop"))]), [stop], name="a")
    with pytest.raises(KeyboardInterrupt):
        agent.invoke(QUESTION)
    assert "error=KeyboardInterrupt" in tree(spans())


def test_a_cancelled_task_is_abandoned(spans: Spans) -> None:
    @tool
    async def wait() -> str:
        """Waits."""
        await asyncio.sleep(60)
        return "never"

    agent = create_agent(Scripted(script=[says("", call("wait"))]), [wait], name="a")

    async def cancelled() -> None:
        task = asyncio.create_task(agent.ainvoke(QUESTION))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert (
        tree(spans())
        == """\
run(a) !abandoned steps=2
  1 llm scripted t1
  2 tool wait t1 !abandoned"""
    )


PROGRAM = """
import os, signal, sys, threading, time
import tracer
tracer.instrument(sys.argv[1], start_markers="markers" in sys.argv, pauses=sys.argv[3])
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from tests.unit.tracer.scripted import Scripted, call, says

@tool
def hang() -> str:
    "Never comes back."
    print("hanging", flush=True)
    time.sleep(60)

@tool
def fork() -> str:
    "Forks a child that records a run of its own."
    pid = os.fork()
    if pid == 0:
        model.invoke("in the child")
        tracer.flush()
        os._exit(0)
    os.waitpid(pid, 0)
    return "forked"

model = Scripted(model="child", script=[says("ok")])
how = sys.argv[2]
script = {"fork": [says("", call("fork")), says("done")]}.get(how, [says("", call("hang"))])
agent = create_agent(Scripted(script=script), [hang, fork], name="a")
if how == "exit":
    waiting = Scripted(script=[says("x")], io=lambda: time.sleep(60))
    threading.Thread(target=waiting.invoke, args=("q",), daemon=True).start()
    time.sleep(1)
    sys.exit(0)
agent.invoke({"messages": [HumanMessage("q")]})
"""


class Sink:
    """Collects what is exported."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    def __call__(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        assert handler.headers["content-encoding"] == "gzip"
        request = ExportTraceServiceRequest.FromString(gzip.decompress(body))
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        handler.send_response(200)
        handler.send_header("content-length", "0")
        handler.end_headers()

    def attribute(self, span: Any, name: str) -> Any:
        found = [a.value for a in span.attributes if a.key == name]
        return getattr(found[0], found[0].WhichOneof("value")) if found else None

    def shown(self) -> list[tuple[Any, Any, Any]]:
        looked = (names.STEP, names.KIND, names.STATUS)
        rows = [tuple(self.attribute(s, n) for n in looked) for s in self.spans]
        return sorted(rows, key=str)


def start(endpoint: str, how: str, folder: Any, *more: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, endpoint, how, str(folder), *more], cwd=ROOT,
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_sigterm_sends_what_there_is_and_ends_the_process(tmp_path: Any) -> None:
    sink = Sink()
    with server(sink) as endpoint:
        process = start(endpoint, "hang", tmp_path)
        assert process.stdout is not None
        assert process.stdout.readline() == "hanging\n"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM
    assert sink.shown() == [
        (1, "llm", None),
        (2, "tool", "abandoned"),
        (None, None, "abandoned"),
    ]


def test_after_sigkill_the_step_in_flight_is_known_by_its_marker(tmp_path: Any) -> None:
    sink = Sink()
    with server(sink) as endpoint:
        process = start(endpoint, "hang", tmp_path, "markers")
        assert process.stdout is not None
        process.stdout.readline()
        deadline = time.monotonic() + 30
        while (2, "tool", "running") not in sink.shown() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()
        process.communicate(timeout=30)
    assert sink.shown() == [
        (1, "llm", "running"),
        (1, "llm", None),
        (2, "tool", "running"),
    ]
    markers = [s for s in sink.spans if sink.attribute(s, names.STATUS) == "running"]
    assert all(s.start_time_unix_nano == s.end_time_unix_nano for s in markers)
    assert len({s.span_id for s in sink.spans}) == 2


def test_the_end_of_the_interpreter_closes_and_sends(tmp_path: Any) -> None:
    sink = Sink()
    with server(sink) as endpoint:
        process = start(endpoint, "exit", tmp_path)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert (None, None, "abandoned") in sink.shown()


def test_a_forked_child_records_its_own_run(tmp_path: Any) -> None:
    sink = Sink()
    with server(sink) as endpoint:
        process = start(endpoint, "fork", tmp_path)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    by_run: dict[str, list[Any]] = {}
    for span in sink.spans:
        by_run.setdefault(sink.attribute(span, names.TRAJECTORY_ID), []).append(span)
    sizes = sorted(len(found) for found in by_run.values())
    assert sizes == [2, 4]
    assert len({s.span_id for s in sink.spans}) == 6


def test_importing_and_instrumenting_stays_light() -> None:
    program = (
        "import sys; import tracer; assert 'opentelemetry' not in sys.modules;"
        "tracer.instrument();"
        "print([m for m in ('langchain_core', 'langgraph', 'langchain', 'langsmith', 'grpc',"
        "'sqlalchemy', 'psycopg', 'streamlit') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
