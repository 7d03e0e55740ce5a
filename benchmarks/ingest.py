"""CPU seconds of collector and Postgres per 1,000 spans, beside a bare parse and a bare COPY.

`python -m benchmarks.ingest [--spans 6000] [--transport http|grpc] [--dialect openinference|ours]`
prints one line a measure; ratios in one run are what counts, the machine is shared.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import httpx
import psutil
import psycopg
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from waypost.names import SCOPE
from waypost.store.embedded import EmbeddedPostgres
from waypost.store.engine import connect
from waypost.store.migrate import migrate

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
TURNS = 40
BATCH = 50
_WORDS = [f"word{i}" for i in range(3_000)]


def put(span: Span, key: str, value: str | int | float) -> None:
    pair = span.attributes.add()
    pair.key = key
    if isinstance(value, int):
        pair.value.int_value = value
    elif isinstance(value, float):
        pair.value.double_value = value
    else:
        pair.value.string_value = value


class Conversation:
    """A run whose history grows by a call and a result each turn."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.trace = chance.randbytes(16)
        self.root = chance.randbytes(8)
        self.session = f"session-{chance.randrange(10**6)}"
        self.messages: list[tuple[str, str, str]] = [
            ("system", self.text(700), ""), ("user", self.text(200), ""),
        ]  # fmt: skip

    def text(self, size: int) -> str:
        return " ".join(self.chance.choices(_WORDS, k=size // 8))

    def span(self, start: int, name: str) -> Span:
        return Span(
            trace_id=self.trace, span_id=self.chance.randbytes(8), parent_span_id=self.root,
            name=name, start_time_unix_nano=start, end_time_unix_nano=start + 800_000_000,
        )  # fmt: skip

    def grow(self, turn: int) -> None:
        call = f"call_{turn}"
        self.messages += [("assistant", "", call), ("tool", self.text(620), call)]


def openinference(talk: Conversation, turn: int, start: int) -> Iterator[Span]:
    """One model span with the whole history, as OpenInference sends it."""
    span = talk.span(start, "ChatOpenAI")
    for key, value in (
        ("openinference.span.kind", "LLM"), ("session.id", talk.session), ("user.id", "user-77"),
        ("llm.model_name", "gpt-4o-mini-2024-07-18"), ("llm.provider", "openai"),
        ("llm.token_count.prompt", 200 + turn * 90), ("llm.token_count.completion", 20),
        ("llm.token_count.prompt_details.cache_read", 128), ("input.mime_type", "application/json"),
        ("metadata", json.dumps({"region": "eu", "plan": "pro", "prompt_version": "support-v3"})),
        ("llm.invocation_parameters", json.dumps({"model": "gpt-4o-mini", "temperature": 0.2})),
    ):  # fmt: skip
        put(span, key, value)
    for index, (role, content, call) in enumerate(talk.messages):
        head = f"llm.input_messages.{index}.message."
        put(span, head + "role", role)
        if content:
            put(span, head + "content", content)
        if role == "tool":
            put(span, head + "tool_call_id", call)
        elif call:
            called = head + "tool_calls.0.tool_call."
            put(span, called + "id", call)
            put(span, called + "function.name", "search_policy")
            put(span, called + "function.arguments", json.dumps({"query": call, "limit": 2}))
    head = "llm.output_messages.0.message."
    put(span, head + "role", "assistant")
    called = head + "tool_calls.0.tool_call."
    put(span, called + "id", f"call_{turn}")
    put(span, called + "function.name", "search_policy")
    put(span, called + "function.arguments", json.dumps({"query": f"call_{turn}", "limit": 2}))
    talk.grow(turn)
    yield span


def ours(talk: Conversation, turn: int, start: int) -> Iterator[Span]:
    """The same model span in our contract: only what is new."""
    span = talk.span(start, "agent.trajectory.step")
    new = talk.messages if turn == 0 else talk.messages[-2:]
    for key, value in (
        ("agent.trajectory.schema", 1), ("agent.trajectory.step", turn + 1),
        ("agent.trajectory.kind", "llm"), ("agent.trajectory.id", talk.trace.hex()),
        ("session.id", talk.session), ("gen_ai.conversation.id", talk.session),
        ("user.id", "user-77"), ("agent.trajectory.cohort.region", "eu"),
        ("gen_ai.agent.name", "support"), ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai"), ("gen_ai.request.model", "gpt-4o-mini"),
        ("gen_ai.response.model", "gpt-4o-mini-2024-07-18"), ("gen_ai.prompt.version", "v3"),
        ("gen_ai.usage.input_tokens", 200 + turn * 90), ("gen_ai.usage.output_tokens", 20),
        ("gen_ai.usage.cache_read.input_tokens", 128),
        ("gen_ai.input.messages", json.dumps([_message(m) for m in new])),
        ("gen_ai.output.messages", json.dumps([_message(("assistant", "", f"call_{turn}"))])),
    ):  # fmt: skip
        put(span, key, value)
    if turn:
        put(span, "agent.trajectory.input.base_step", turn)
        put(span, "agent.trajectory.input.keep", len(talk.messages) - 2)
    talk.grow(turn)
    yield span


def _message(message: tuple[str, str, str]) -> dict[str, object]:
    role, content, call = message
    if role == "tool":
        part: dict[str, object] = {"type": "tool_call_response", "id": call, "response": content}
    elif call:
        part = {"type": "tool_call", "id": call, "name": "search_policy",
                "arguments": {"query": call, "limit": 2}}  # fmt: skip
    else:
        part = {"type": "text", "content": content}
    return {"role": role, "parts": [part]}


DIALECTS: dict[str, tuple[str, Callable[[Conversation, int, int], Iterator[Span]]]] = {
    "openinference": ("openinference.instrumentation.langchain", openinference),
    "ours": (SCOPE, ours),
}


def requests_of(dialect: str, spans: int) -> list[bytes]:
    """Requests of `BATCH` spans; conversations run side by side, as from several agents."""
    scope, make = DIALECTS[dialect]
    chance = random.Random(1)
    talks = [Conversation(chance) for _ in range(max(1, spans // TURNS))]
    start = time.time_ns() - 3_600 * 10**9
    made = [
        span
        for turn in range(TURNS)
        for talk in talks
        for span in make(talk, turn, start + turn * 10**9)
    ]
    return [_request(scope, made[i : i + BATCH]) for i in range(0, len(made), BATCH)]


def _request(scope: str, spans: list[Span]) -> bytes:
    request = ExportTraceServiceRequest()
    block = request.resource_spans.add()
    pair = block.resource.attributes.add()
    pair.key, pair.value.string_value = "service.name", "shop"
    group = block.scope_spans.add()
    group.scope.name = scope
    group.spans.extend(spans)
    return bytes(request.SerializeToString())


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
        for _ in range(400):
            try:
                if httpx.get(f"http://127.0.0.1:{http}/readyz").status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.05)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def send(requests: list[bytes], transport: str, http: int, port: int, senders: int = 4) -> float:
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
    threads = [threading.Thread(target=work) for _ in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - began


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def measure(dialect: str, transport: str, spans: int) -> None:
    requests = requests_of(dialect, spans)
    warm, timed = requests[: len(requests) // 6], requests
    count = len(timed) * BATCH / 1_000
    size = sum(map(len, timed)) / len(timed) / BATCH
    with tempfile.TemporaryDirectory(prefix="waypost-bench") as folder:
        data = Path(folder)
        data.chmod(0o755)
        with EmbeddedPostgres(data / "pg", buffers_mb=256) as server:
            engine = connect(server.url)
            migrate(engine)
            engine.dispose()
            master = server.postmaster()
            assert master is not None
            postgres = Cpu(master.pid)
            parse = bare_parse(timed)
            client, database = bare_copy(server.url, timed, postgres)
            http, port = free_port(), free_port()
            with running_collector(server.url, data / "c", http, port) as process:
                send(requests_of(dialect, len(warm) * BATCH), transport, http, port)
                cpu = Cpu(process.pid)
                before, pg_before = cpu.seconds(), postgres.seconds()
                took = send(timed, transport, http, port)
                with psycopg.connect(server.url, autocommit=True) as connection:
                    connection.execute("checkpoint")
                own, theirs = cpu.seconds() - before, postgres.seconds() - pg_before
                memory = process.memory_info().rss
    print(f"{dialect} over {transport}: {len(timed) * BATCH} spans of {size / 1000:.1f} KB")
    print(f"  bare parse            {parse / count:.3f} CPU s per 1,000 spans")
    print(f"  bare COPY as jsonb    {(client + database) / count:.3f}"
          f" (client {client / count:.3f}, Postgres {database / count:.3f})")  # fmt: skip
    print(f"  Waypost               {(own + theirs) / count:.3f}"
          f" (collector {own / count:.3f}, Postgres {theirs / count:.3f})")  # fmt: skip
    print(f"  of a bare COPY        {(own + theirs) / (client + database):.2f}")
    print(f"  sustained             {len(timed) * BATCH / took:.0f} spans/s, 4 senders")
    print(f"  memory of collector   {memory / 1e6:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=6_000)
    parser.add_argument("--transport", choices=("http", "grpc"), default="http")
    parser.add_argument("--dialect", choices=sorted(DIALECTS), default="openinference")
    chosen = parser.parse_args()
    measure(chosen.dialect, chosen.transport, chosen.spans)


if __name__ == "__main__":
    main()
