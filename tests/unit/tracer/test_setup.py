"""Switching on and off: environment, providers, idempotence, feedback over the wire."""

import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

import tracer
from tests.unit.tracer.harness import Memory
from tests.unit.tracer.scripted import Scripted, says
from tracer import options
from tracer.imports import Later
from tracer.sayings import Sender, record_of
from tracer.setup import PROCESS
from waypost import names
from waypost.errors import BadSetting


@pytest.fixture(autouse=True)
def off() -> Iterator[None]:
    tracer.uninstrument()
    yield
    tracer.uninstrument()


@pytest.mark.parametrize(
    ("argument", "environment", "endpoint"),
    [
        (None, {}, "http://127.0.0.1:4318/v1/traces"),
        (None, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:1/"}, "http://a:1/v1/traces"),
        (None, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b/x"}, "http://b/x"),
        ("http://c:2", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:1"}, "http://c:2/v1/traces"),
        ("http://c:2/v1/traces", {}, "http://c:2/v1/traces"),
    ],
)
def test_where_spans_go(
    monkeypatch: pytest.MonkeyPatch, argument: Any, environment: dict[str, str], endpoint: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert options.traces_endpoint(argument) == endpoint
    assert options.logs_endpoint("http://c:2/v1/traces") == "http://c:2/v1/logs"


def test_the_key_of_the_project_becomes_a_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYPOST_API_KEY", "from-env")
    assert options.headers(None, {"x": "y"}) == {"authorization": "Bearer from-env", "x": "y"}
    assert options.headers("mine", None) == {"authorization": "Bearer mine"}


def test_the_schedule_is_the_standard_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert options.schedule_delay() == 1.0
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "250")
    assert options.schedule_delay() == 0.25


@pytest.mark.parametrize(
    "wrong", [{"content": "some"}, {"span_names": "mine"}, {"redact": "paranoid"}]
)
def test_unknown_values_are_refused_in_a_sentence(wrong: dict[str, str]) -> None:
    with pytest.raises(BadSetting, match="is not one of"):
        tracer.instrument(**wrong)  # type: ignore[arg-type]  # what is tested


def test_calling_it_twice_changes_nothing(tmp_path: Path) -> None:
    memory = Memory()
    tracer.instrument("http://127.0.0.1:1", exporter=memory, pauses=tmp_path)
    first = PROCESS.recording
    tracer.instrument("http://127.0.0.1:2", pauses=tmp_path)
    assert PROCESS.recording is first
    Scripted(script=[says("x")]).invoke("hi")
    tracer.flush(5)
    assert len(memory.spans) == 2


def test_the_standard_switch_switches_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    tracer.instrument()
    assert PROCESS.recording is None
    assert tracer.flush()
    assert tracer.stats().queued == 0


def test_service_and_resource_come_from_arguments_and_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=prod")
    memory = Memory()
    tracer.instrument("http://127.0.0.1:1", service="shop", exporter=memory, pauses=tmp_path)
    Scripted(script=[says("x")]).invoke("hi")
    tracer.flush(5)
    resource = memory.spans[0].resource.attributes
    assert resource["service.name"] == "shop"
    assert resource["deployment.environment.name"] == "prod"
    scope = memory.spans[0].instrumentation_scope
    assert scope is not None
    assert scope.name == names.SCOPE


def test_the_global_provider_is_never_ours(tmp_path: Path) -> None:
    from opentelemetry import trace

    before = trace.get_tracer_provider()
    tracer.instrument("http://127.0.0.1:1", exporter=Memory(), pauses=tmp_path)
    Scripted(script=[says("x")]).invoke("hi")
    assert trace.get_tracer_provider() is before


def test_after_uninstrument_nothing_is_recorded(tmp_path: Path) -> None:
    memory = Memory()
    tracer.instrument("http://127.0.0.1:1", exporter=memory, pauses=tmp_path)
    tracer.uninstrument()
    Scripted(script=[says("x")]).invoke("hi")
    assert memory.spans == []


class Logs:
    """A collector's door for log records."""

    def __init__(self) -> None:
        self.records: list[Any] = []
        self.headers: list[Any] = []
        self.answers: list[int] = []


@contextmanager
def door(logs: Logs) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = logs.answers.pop(0) if logs.answers else 200
            if status == 200 and self.path == "/v1/logs":
                request = ExportLogsServiceRequest.FromString(body)
                logs.headers.append({k.lower(): v for k, v in self.headers.items()})
                for resource in request.resource_logs:
                    logs.records.extend(resource.scope_logs[0].log_records)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


ID = "0af7651916cd43dd8448eb211c80319c"


def facts(record: Any) -> dict[str, Any]:
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in record.attributes}


def test_feedback_is_a_log_record_of_the_trajectory(tmp_path: Path) -> None:
    logs = Logs()
    with door(logs) as endpoint:
        tracer.instrument(endpoint, project_key="k", exporter=Memory(), pauses=tmp_path)
        assert tracer.feedback(
            ID, "thumbs", value=True, label="pass", explanation="call mara@example.com", by="u-1"
        )
        assert tracer.feedback(ID, "review", value=0.2, step=4, source="human", version="2")
        assert tracer.flush(10)
    first, second = logs.records
    assert first.event_name == names.EVENT_FEEDBACK
    assert first.trace_id.hex() == ID
    assert facts(first) == {
        names.EVALUATION_NAME: "thumbs",
        names.EVALUATION_VALUE: 1.0,
        names.EVALUATION_LABEL: "pass",
        names.EVALUATION_EXPLANATION: "call [EMAIL]",
        names.EVALUATION_SOURCE: "human",
        names.EVALUATION_BY: "u-1",
        names.TARGET: "trajectory",
        names.TRAJECTORY_ID: ID,
    }
    assert second.event_name == names.EVENT_EVALUATION
    assert facts(second)[names.STEP] == 4
    assert facts(second)[names.TARGET] == "step"
    assert logs.headers[0]["authorization"] == "Bearer k"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"trajectory": "xyz"}, "'xyz' is no trajectory id; it has 32 hex digits"),
        ({"source": "me"}, "source='me' is not one of"),
        ({"span": "12"}, "'12' is no span id; it has 16 hex digits"),
    ],
)
def test_wrong_feedback_is_refused_in_a_sentence(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        record_of(**{"trajectory": ID, "name": "thumbs", **wrong})


@pytest.mark.parametrize("source", ["model", "llm"])
def test_feedback_takes_both_words_for_a_model_that_judges(source: str) -> None:
    said = {a.key: a.value.string_value for a in record_of(ID, "tone", source=source).attributes}
    assert said[names.EVALUATION_SOURCE] == source


def test_what_the_server_will_never_take_is_not_sent_for_ever() -> None:
    logs = Logs()
    logs.answers = [400, 429, 503]
    record = record_of(ID, "thumbs", value=1)
    with door(logs) as endpoint:
        send = Sender(f"{endpoint}/v1/logs", {}, {"service.name": "s", "list": ["no"]})
        assert [send([record]) for _ in range(4)] == [True, False, False, True]
    assert not Sender("http://127.0.0.1:1/v1/logs", {}, {})([record])


def test_a_module_is_seen_when_it_is_imported(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "late_module_of_ours.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    seen: list[Any] = []
    later = Later()
    later.install()
    try:
        later.when("json", seen.append)
        later.when("late_module_of_ours", seen.append)
        later.when("no_module_of_this_name", seen.append)
        module = importlib.import_module("late_module_of_ours")
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("no_module_of_this_name")
    finally:
        later.remove()
        sys.modules.pop("late_module_of_ours", None)
    assert seen == [sys.modules["json"], module]
    assert type(module.__loader__).__name__ == "SourceFileLoader"
    assert module.VALUE == 1
