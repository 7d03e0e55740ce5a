"""Our span is the current one where the user's code runs, and nothing of it leaks."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

from tests.unit.tracer.conftest import Spans
from tests.unit.tracer.harness import roots, tree, value
from tests.unit.tracer.scripted import Scripted, call, says
from waypost import names

QUESTION: Any = {"messages": [HumanMessage("q")]}


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[TracerProvider]:
    """The user's own provider, as the global one."""
    mine = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: mine)
    yield mine
    mine.shutdown()


def work(provider: TracerProvider, name: str) -> None:
    with provider.get_tracer("user").start_as_current_span(name):
        pass


def agent(provider: TracerProvider, *, streams: bool = False) -> Any:
    @tool
    def search(q: str) -> str:
        """Search."""
        work(provider, f"SQL {q}")
        with ThreadPoolExecutor(1) as pool:
            pool.submit(work, provider, "SQL pool").result()
        return q

    @tool
    async def fetch(q: str) -> str:
        """Fetch."""
        await asyncio.sleep(0)
        work(provider, f"HTTP {q}")
        return q

    script = [says("", call("search", "c1", q="a")), says("b c d")]
    model = Scripted(script=script, streams=streams, io=lambda: work(provider, "POST"))
    return create_agent(model, [search, fetch], name="support")


TREE = """\
run(support) final=3 steps=3
  1 llm scripted t1
    POST()
  2 tool search t1
    SQL a()
    SQL pool()
  3 llm scripted t2 base=1 keep=1
    POST()"""


async def _drain(items: Any) -> None:
    async for _ in items:
        pass


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke", "astream", "astream_events"])
def test_the_users_spans_hang_below_the_step_that_made_them(
    provider: TracerProvider, spans: Spans, way: str, streams: bool
) -> None:
    one = agent(provider, streams=streams)
    ways: dict[str, Any] = {
        "invoke": lambda: one.invoke(QUESTION),
        "stream": lambda: list(one.stream(QUESTION, stream_mode="messages")),
        "ainvoke": lambda: asyncio.run(one.ainvoke(QUESTION)),
        "astream": lambda: asyncio.run(_drain(one.astream(QUESTION, stream_mode="messages"))),
        "astream_events": lambda: asyncio.run(_drain(one.astream_events(QUESTION, version="v2"))),
    }
    ways[way]()
    assert tree(spans()) == TREE


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_a_models_own_stream_holds_its_requests(
    provider: TracerProvider, spans: Spans, way: str
) -> None:
    model = Scripted(script=[says("a b")], streams=True, io=lambda: work(provider, "POST"))
    if way == "stream":
        list(model.stream("hi"))
    else:
        asyncio.run(_drain(model.astream("hi")))
    assert tree(spans()) == "run() final=1 steps=1\n  1 llm scripted t1\n    POST()"


def test_no_context_is_left_behind(provider: TracerProvider, spans: Spans) -> None:
    async def several() -> None:
        before = otel.get_current()
        one = agent(provider, streams=True)
        await asyncio.gather(*(one.ainvoke(QUESTION) for _ in range(3)))
        await _drain(one.astream(QUESTION, stream_mode="messages"))
        items = one.astream(QUESTION, stream_mode="messages")
        await anext(items)
        assert otel.get_current() == before
        await items.aclose()
        assert otel.get_current() == before

    before = otel.get_current()
    asyncio.run(several())
    one = agent(provider, streams=True)
    for _ in one.stream(QUESTION, stream_mode="messages"):
        assert otel.get_current() == before
    work(provider, "afterwards")
    assert otel.get_current() == before
    assert not [s for s in spans() if s.name == "afterwards"]


def test_the_agent_joins_the_callers_trace(provider: TracerProvider, spans: Spans) -> None:
    with provider.get_tracer("user").start_as_current_span("request") as request:
        agent(provider).invoke(QUESTION)
    (root,) = roots(spans())
    assert root.parent is not None
    assert root.parent.span_id == request.get_span_context().span_id
    assert value(root, names.TRAJECTORY_ID) == f"{request.get_span_context().trace_id:032x}"


def test_two_runs_in_one_request_are_two_trajectories(
    provider: TracerProvider, spans: Spans
) -> None:
    with provider.get_tracer("user").start_as_current_span("request"):
        agent(provider).invoke(QUESTION)
        agent(provider).invoke(QUESTION)
    ids = {value(s, names.TRAJECTORY_ID) for s in spans() if value(s, names.STEP)}
    assert len(ids) == 2


def test_a_span_of_the_users_between_two_steps_is_kept_between(
    provider: TracerProvider, spans: Spans
) -> None:
    inner = Scripted(model="inner", script=[says("x")])

    def node(_: Any) -> Any:
        with provider.get_tracer("user").start_as_current_span("mine"):
            return inner.invoke("hi")

    RunnableLambda(node).invoke("x")
    assert tree(spans()) == "run(node) final=1 steps=1\n  mine()\n    1 llm inner t1"


def test_spans_outside_of_any_run_are_not_ours_to_send(
    provider: TracerProvider, spans: Spans
) -> None:
    work(provider, "before")
    agent(provider).invoke(QUESTION)
    work(provider, "after")
    assert {"before", "after"}.isdisjoint(s.name for s in spans())


def test_the_users_provider_keeps_its_own_exporter(provider: TracerProvider, spans: Spans) -> None:
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    from tests.unit.tracer.harness import Memory

    theirs = Memory()
    provider.add_span_processor(SimpleSpanProcessor(theirs))
    agent(provider).invoke(QUESTION)
    mine = spans()
    assert sorted(_ids(mine)) == sorted(_ids(theirs.spans))


def _ids(spans: list[ReadableSpan]) -> list[int]:
    return [s.context.span_id for s in spans if s.context]


def test_a_suppressed_context_is_not_recorded(spans: Spans) -> None:
    token = otel.attach(otel.set_value("suppress_instrumentation", True))
    try:
        Scripted(script=[says("x")]).invoke("judge this")
    finally:
        otel.detach(token)
    assert spans() == []


def test_a_sampler_that_says_no_costs_nothing_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, spans: Spans
) -> None:
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    off = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: off)
    assert agent(off).invoke(QUESTION)["messages"][-1].content == "b c d"
    assert spans() == []


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_a_run_is_sampled_whole_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, spans: Spans, way: str
) -> None:
    """A child of a run that was not sampled must not become a root of its own."""
    from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

    class FirstNot(Sampler):
        seen = 0

        def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
            self.seen += 1
            decision = Decision.DROP if self.seen == 1 else Decision.RECORD_AND_SAMPLE
            return SamplingResult(decision)

        def get_description(self) -> str:
            return "the first one not"

    mine = TracerProvider(sampler=FirstNot(), shutdown_on_exit=False)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: mine)
    one = agent(mine)
    if way == "invoke":
        one.invoke(QUESTION)
    else:
        asyncio.run(one.ainvoke(QUESTION))
    assert [s for s in spans() if value(s, names.STEP)] == []
    one.invoke(QUESTION)
    assert len([s for s in spans() if value(s, names.STEP)]) == 3


def test_a_processor_that_is_off_stays_silent(
    provider: TracerProvider, record: Any, caplog: Any
) -> None:
    import tracer

    first = record()
    agent(provider).invoke(QUESTION)
    before = len(first())
    tracer.uninstrument()
    second = record()
    agent(provider).invoke(QUESTION)
    assert len(second()) == before
    assert "dropped" not in caplog.text
