"""What the tracer sends is what the collector reads: agent → OTLP → trajectory, and → Postgres."""

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan

import tracer
from collector.convention import Reader
from collector.decode import Encoding, decode_traces
from tests.collector.process import collector
from tests.conftest import clone
from tests.unit.tracer.harness import Memory
from tests.unit.tracer.scripted import call, says
from tests.unit.tracer.test_humans import answer, reviewed
from tests.unit.tracer.test_shapes import support
from waypost.assembly import assemble
from waypost.records import Status, Trajectory
from waypost.store import runs
from waypost.store.engine import connect

pytestmark = pytest.mark.slow

Record = Callable[..., list[ReadableSpan]]
QUESTION: Any = {"messages": [HumanMessage("where is A-1?")]}


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    """Run something with these options, and give what was exported."""

    def recorded(run: Callable[[], object], **options: Any) -> list[ReadableSpan]:
        tracer.uninstrument()
        memory = Memory()
        tracer.instrument("http://127.0.0.1:1", exporter=memory, pauses=tmp_path, **options)
        run()
        tracer.uninstrument()
        return memory.spans

    yield recorded
    tracer.uninstrument()


def read(spans: Sequence[ReadableSpan]) -> Trajectory:
    """Over the wire, decoded, read by its convention and put together."""
    body = encode_spans(spans).SerializeToString()
    decoded = decode_traces(body, Encoding.PROTOBUF)
    reader = Reader()
    steps = [reader.read(s).step for s in decoded.spans]
    assert {s.convention for s in steps} == {"waypost"}
    return assemble(steps)


def long_run() -> None:
    turns = [says("", call("lookup", f"c{n}", order_id=f"A-{n}")) for n in range(70)]
    support(*turns, says("done"), system_prompt="Be nice.").invoke(
        QUESTION, {"recursion_limit": 500}
    )


def test_a_run_reads_back_whole(record: Record) -> None:
    run = read(record(lambda: support(system_prompt="Be nice.").invoke(QUESTION)))
    assert [(s.number, s.kind, s.turn) for s in run.steps] == [
        (1, "llm", 1),
        (2, "tool", 1),
        (3, "llm", 2),
    ]
    assert run.status is Status.OK
    assert run.final_step == 3
    assert run.agent == "support"
    assert run.incomplete == frozenset()
    assert run.steps[1].arguments == {"order_id": "A-1"}
    assert run.steps[1].result == "A-1 was shipped"
    assert [m.role for m in run.steps[2].input] == ["user", "assistant", "tool"]
    assert run.steps[2].tokens.cache_read == 64


def test_deltas_read_back_equal_whole_inputs(record: Record) -> None:
    delta = read(record(long_run, content="delta"))
    full = read(record(long_run, content="full"))
    assert len(delta.steps) == 141
    assert all(s.input_complete for s in delta.steps)
    for one, other in zip(delta.steps, full.steps, strict=True):
        assert (one.input, one.system, one.tools) == (other.input, other.system, other.tools)


def test_the_order_and_doubles_of_spans_do_not_matter(record: Record) -> None:
    spans = record(long_run)
    run = read(spans)
    for seed in range(3):
        shuffled = [*spans, *spans[:20]]
        random.Random(seed).shuffle(shuffled)
        assert read(shuffled) == run


def test_semconv_names_read_the_same(record: Record) -> None:
    one = read(record(lambda: support().invoke(QUESTION)))
    other = read(record(lambda: support().invoke(QUESTION), span_names="semconv"))
    assert [(s.kind, s.name, s.arguments) for s in one.steps] == [
        (s.kind, s.name, s.arguments) for s in other.steps
    ]


def test_a_paused_and_resumed_run_is_one_trajectory(record: Record) -> None:
    edited = {"name": "refund", "args": {"order_id": "A-1", "amount": 5}}
    spans = record(lambda: answer(reviewed(), {"type": "edit", "edited_action": edited}))
    run = read(spans)
    assert len(run.traces) == 2
    assert [(s.number, s.kind) for s in run.steps] == [
        (1, "llm"),
        (2, "human"),
        (3, "tool"),
        (4, "llm"),
    ]
    assert run.status is Status.OK
    human = run.steps[1].human
    assert human is not None
    assert human.decision == "edit"


def test_an_unknown_tool_and_its_verdict_read_back(record: Record) -> None:
    agent = support(says("", call("nope", "c1", x=1)), says("sorry"))
    step = read(record(lambda: agent.invoke(QUESTION))).steps[1]
    assert step.status is Status.NOT_EXECUTED
    assert step.executed is False
    assert step.arguments == {"x": 1}


@pytest.mark.store
def test_an_agent_arrives_in_postgres(servers: dict[str, str], tmp_path: Path) -> None:
    seen: list[str | None] = []

    @tool
    def lookup(order_id: str) -> str:
        """Look up."""
        seen.append(tracer.trajectory_id())
        return f"{order_id} was shipped"

    cloned = clone(servers["18"])
    url = next(cloned)
    with collector(url, tmp_path / "collector") as running:
        tracer.uninstrument()
        tracer.instrument(running.address, service="shop", pauses=tmp_path)
        with tracer.context(session="s-1", cohort={"tenant": "acme"}):
            support(tools=[lookup]).invoke(QUESTION)
        assert tracer.flush(30)
        assert tracer.stats().dropped == 0
        tracer.uninstrument()
    engine = connect(url)
    with engine.connect() as connection:
        (run,) = runs.load_many(connection, 1, [str(seen[0])]).values()
    engine.dispose()
    next(cloned, None)
    assert [s.kind for s in run.steps] == ["llm", "tool", "llm"]
    assert run.session == "s-1"
    assert run.cohort["tenant"] == "acme"
    assert run.final_step == 3
