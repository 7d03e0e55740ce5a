"""Less common things LangChain programs do."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ToolStrategy
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models.fake import FakeListLLM
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, interrupt
from pydantic import BaseModel

import tracer
from tests.unit.tracer.conftest import Spans
from tests.unit.tracer.harness import roots, steps, tree, truth, value
from tests.unit.tracer.scripted import Scripted, call, says
from tests.unit.tracer.test_shapes import QUESTION, lookup, support
from waypost import names

CONFIG: Any = {"configurable": {"thread_id": "t"}}


def test_a_text_model_is_a_model(spans: Spans) -> None:
    assert FakeListLLM(responses=["hello"]).invoke("hi") == "hello"
    (step,) = steps(spans())
    assert json.loads(value(step, names.INPUT))[0]["parts"][0]["content"] == "hi"
    assert json.loads(value(step, names.OUTPUT))[0]["parts"][0]["content"] == "hello"
    assert value(step, names.OPERATION) == "text_completion"
    assert value(roots(spans())[0], names.FINAL_STEP) == 1


class Weather(BaseModel):
    """A structured answer."""

    degrees: int


def test_a_structured_answer_is_no_tool_nobody_ran(spans: Spans) -> None:
    model = Scripted(script=[says("", call("Weather", degrees=7))])
    agent = create_agent(model, [], response_format=ToolStrategy(Weather), name="a")
    assert agent.invoke(QUESTION)["structured_response"] == Weather(degrees=7)
    assert tree(spans()) == "run(a) steps=1\n  1 llm scripted t1"


def test_a_broken_call_is_a_step_that_was_not_executed(spans: Spans) -> None:
    broken = AIMessage(
        "",
        invalid_tool_calls=[
            {"name": "lookup", "args": "{oh", "id": "c1", "error": "x", "type": "invalid_tool_call"}
        ],
    )
    support(broken).invoke(QUESTION)
    assert "2 tool lookup t1 !not_executed" in tree(spans())
    assert truth(spans()) == [("lookup", {"input": "{oh"}, None)]


def test_a_tool_that_returns_a_command(spans: Spans) -> None:
    @tool
    def update() -> Any:
        """Change the state."""
        return Command(update={"messages": [ToolMessage("changed", tool_call_id="c1")]})

    support(says("", call("update", "c1")), says("ok"), tools=[update]).invoke(QUESTION)
    assert truth(spans()) == [("update", {}, "changed")]
    assert len(steps(spans())) == 3


class Broken(BaseRetriever):
    """Finds nothing, ever."""

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        raise ConnectionError("index away")


def test_a_retriever_that_fails(spans: Spans) -> None:
    with pytest.raises(ConnectionError):
        Broken().invoke("q")
    assert tree(spans()) == (
        "run() error=ConnectionError steps=1\n  1 retrieval Broken t1 error=ConnectionError"
    )


def test_a_bare_tool_that_fails_is_a_run_that_fails(spans: Spans) -> None:
    @tool
    def fails() -> str:
        """Fails."""
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fails.invoke({})
    assert tree(spans()) == "run() error=ValueError steps=1\n  1 tool fails t1 error=ValueError"


def test_a_static_breakpoint_is_a_pause_and_going_on_is_the_same_run(spans: Spans) -> None:
    script = [says("", call("lookup", "c1", order_id="A-1")), says("done")]
    agent = create_agent(
        Scripted(script=script), [lookup], name="a", checkpointer=InMemorySaver(),
        interrupt_before=["tools"],
    )  # fmt: skip
    agent.invoke(QUESTION, CONFIG)
    agent.invoke(None, CONFIG)
    assert (
        tree(spans())
        == """\
run(a) !interrupted steps=1
  1 llm scripted t1
run(a) final=3 steps=3
  2 tool lookup t1
  3 llm scripted t2"""
    )


def test_a_sub_agent_that_waits_goes_on_in_its_scope(spans: Spans) -> None:
    @tool
    def confirm(order_id: str) -> str:
        """Asks."""
        return str(interrupt({"ok": order_id}))

    inner_script = [says("", call("confirm", "i1", order_id="A-1")), says("confirmed")]
    inner: Any = create_agent(Scripted(script=inner_script), [confirm], name="inner")

    def ask(state: Any) -> Any:
        return {"messages": inner.invoke({"messages": state["messages"]})["messages"][-1:]}

    graph: Any = StateGraph(MessagesState)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    desk = graph.compile(checkpointer=InMemorySaver(), name="desk")
    desk.invoke(QUESTION, CONFIG)
    desk.invoke(Command(resume="yes"), CONFIG)
    found = spans()
    assert len({value(s, names.TRAJECTORY_ID) for s in found}) == 1
    numbers = [value(s, names.STEP) for s in steps(found)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [value(r, names.STATUS) for r in roots(found)] == ["interrupted", None]


@pytest.mark.parametrize(
    ("answer", "word", "comment"),
    [
        ("approved", "approve", None),
        ("Rejected", "reject", None),
        (True, "approve", None),
        (False, "reject", None),
        ("looks odd", "respond", "looks odd"),
        (7, "respond", "7"),
        ({"type": "approve"}, "approve", None),
        ({"a" * 32: {"type": "reject", "message": "no"}}, "reject", "no"),
    ],
)
def test_whatever_a_run_is_resumed_with_is_a_decision(
    spans: Spans, answer: Any, word: str, comment: str | None
) -> None:
    @tool
    def pay() -> str:
        """Asks."""
        return str(interrupt("may I?"))

    script = [says("", call("pay", "c1")), says("done")]
    agent = create_agent(Scripted(script=script), [pay], name="a", checkpointer=InMemorySaver())
    agent.invoke(QUESTION, CONFIG)
    agent.invoke(Command(resume=answer), CONFIG)
    human = next(s for s in steps(spans()) if value(s, names.KIND) == "human")
    assert value(human, names.HUMAN_DECISION) == word
    assert value(human, names.HUMAN_COMMENT) == comment


def test_a_resume_nobody_remembers_is_a_run_of_its_own(record: Any, tmp_path: Path) -> None:
    spans = record(pauses=tmp_path / "one")
    script = [says("", call("lookup", "c1", order_id="A-1")), says("done")]
    agent = create_agent(
        Scripted(script=script), [lookup], name="a", checkpointer=InMemorySaver(),
        interrupt_before=["tools"],
    )  # fmt: skip
    agent.invoke(QUESTION, CONFIG)
    assert len(spans()) == 2
    tracer.uninstrument()
    spans = record(pauses=tmp_path / "two")
    agent.invoke(None, CONFIG)
    assert tree(spans()).startswith("run(a) final=2 steps=2\n  1 tool lookup")


@pytest.mark.parametrize("content", ["{", '{"trajectory": 1}', "[]"])
def test_a_pause_that_cannot_be_read_is_none(tmp_path: Path, content: str) -> None:
    from tracer.pauses import Pauses

    pauses = Pauses(tmp_path)
    pauses._path(tmp_path, "c").write_text(content)
    assert pauses.find("c") is None
    assert Pauses(None).find("c") is None


def test_a_folder_that_cannot_be_written_is_no_fault(tmp_path: Path) -> None:
    from tracer.pauses import Pauses
    from tracer.run import Pause

    (tmp_path / "file").write_text("")
    pauses = Pauses(tmp_path / "file" / "inside")
    pause = Pause("t", "t", "s", 1, {}, {})
    pauses.save("c", pause)
    assert pauses.find("c") is pause


def test_old_pauses_are_forgotten(tmp_path: Path) -> None:
    import os

    from tracer.pauses import Pauses
    from tracer.run import Pause

    pauses = Pauses(tmp_path)
    pauses.save("old", Pause("t", "t", "s", 1, {}, {}))
    (old,) = tmp_path.glob("*.json")
    os.utime(old, (0, 0))
    pauses.save("new", Pause("t", "t", "s", 1, {}, {}))
    assert not old.exists()
    assert len(list(tmp_path.glob("*.json"))) == 1


def test_the_default_folder_follows_the_users_state(monkeypatch: pytest.MonkeyPatch) -> None:
    from tracer.pauses import default_folder

    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert default_folder() == Path("/state/waypost/pauses")
    monkeypatch.delenv("XDG_STATE_HOME")

    def homeless() -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", homeless)
    assert default_folder() is None


def test_content_of_a_failed_guarded_run_stays_withheld(record: Any) -> None:
    from langchain.agents.middleware import PIIMiddleware

    spans = record(redact="off")
    pii = PIIMiddleware("code", detector=r"555-CODE", strategy="redact", apply_to_tool_results=True)

    @tool
    def leak() -> str:
        """Says too much."""
        return "it is 555-CODE"

    script = [says("", call("leak", "c1")), ConnectionError("away")]
    agent = create_agent(Scripted(script=script), [leak], middleware=[pii], name="a")
    with pytest.raises(ConnectionError):
        agent.invoke(QUESTION)
    assert "555-CODE" not in str([s.attributes for s in spans()])


def test_a_loop_that_nobody_continues_is_closed_in_time(spans: Spans) -> None:
    Scripted(script=[says("", call("lookup", "c1", order_id="A-1"))]).invoke("hi")
    assert [s.name for s in spans()] == [names.SPAN_STEP]
    recording = tracer.setup.PROCESS.recording
    assert recording is not None
    clock = recording.recorder.clock
    assert hasattr(clock, "now")
    clock.now += 200 * 1_000_000_000
    assert (
        tree(spans())
        == """\
run() steps=2
  1 llm scripted t1
  2 tool lookup t1 !not_executed"""
    )


def test_loops_do_not_take_calls_of_others(spans: Spans) -> None:
    one = Scripted(script=[says("", call("lookup", "c1", order_id="A-1"))]).bind_tools([lookup])
    one.invoke("hi")
    lookup.invoke({"order_id": "A-2"})
    lookup.invoke({"name": "lookup", "args": {"order_id": "A-3"}, "id": "zz", "type": "tool_call"})
    Scripted(script=[says("other")]).invoke([HumanMessage("another talk")])
    found = spans()
    assert len({value(s, names.TRAJECTORY_ID) for s in found}) == 4


def test_a_model_may_stream_below_a_lambda_in_a_task(spans: Spans) -> None:
    model = Scripted(script=[says("a b")], streams=True)

    async def talk(_: Any) -> str:
        return "".join([str(c.content) async for c in model.astream("hi")])

    assert asyncio.run(RunnableLambda(talk).ainvoke("x")) == "a b "
    assert tree(spans()) == "run(talk) final=1 steps=1\n  1 llm scripted t1"


def test_an_error_in_the_middle_of_a_stream_is_recorded(spans: Spans) -> None:
    model = Scripted(script=[ConnectionError("cut")], streams=True)
    with pytest.raises(ConnectionError):
        list(model.stream("hi"))

    async def drain() -> None:
        async for _ in model.astream("hi"):
            continue

    with pytest.raises(ConnectionError):
        asyncio.run(drain())
    assert tree(spans()).count("error=ConnectionError") == 4


def test_user_spans_can_stay_at_home(record: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    mine = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: mine)
    spans = record(user_spans=False)

    def work(_: Any) -> None:
        with mine.get_tracer("user").start_as_current_span("SQL"):
            Scripted(script=[says("x")]).invoke("hi")

    RunnableLambda(work).invoke("x")
    assert "SQL" not in {s.name for s in spans()}


def test_an_evaluation_in_a_node_names_the_step_before(spans: Spans) -> None:
    def judge(_: Any) -> None:
        Scripted(script=[says("x")]).invoke("hi")
        assert tracer.evaluation("Tone", label="fail")

    RunnableLambda(judge).invoke("x")
    (event,) = roots(spans())[0].events
    assert (event.attributes or {})[names.STEP] == 1


def test_start_markers_are_sent_before_the_end(record: Any) -> None:
    spans = record(start_markers=True)
    with tracer.trajectory("a"), tracer.step("tool", "t", arguments={"q": 1}):
        (marker,) = spans()
    _, step, _ = spans()
    assert value(marker, names.STATUS) == "running"
    assert value(step, names.STATUS) is None
    assert marker.context == step.context
    assert marker.start_time == marker.end_time == step.start_time
    assert value(marker, names.TOOL_ARGUMENTS) == '{"q":1}'


def test_a_cancelled_stream_is_abandoned(spans: Spans) -> None:
    class Slow(Scripted):
        """Never gets to its second word."""

        async def _astream(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
            from langchain_core.messages import AIMessageChunk
            from langchain_core.outputs import ChatGenerationChunk

            yield ChatGenerationChunk(message=AIMessageChunk(content="one "))
            await asyncio.sleep(60)

    async def cancelled() -> list[str]:
        seen: list[str] = []

        async def read() -> None:
            async for chunk in Slow(streams=True).astream("hi"):
                seen.append(str(chunk.content))

        task = asyncio.create_task(read())
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return seen

    assert asyncio.run(cancelled()) == ["one "]
    assert tree(spans()) == "run() !abandoned steps=1\n  1 llm scripted t1 !abandoned"


def test_switching_off_in_the_middle_of_a_run_does_not_hurt_it(spans: Spans) -> None:
    @tool
    def switch_off() -> str:
        """Somebody uninstruments."""
        tracer.uninstrument()
        return "off"

    script = [says("", call("switch_off", "c1")), says("done")]
    assert support(*script, tools=[switch_off]).invoke(QUESTION)["messages"][-1].content == "done"


def test_a_hand_off_to_another_node_is_a_plain_tool(spans: Spans) -> None:
    @tool
    def transfer_to_billing() -> Any:
        """Hand over."""
        return Command(goto="billing", graph=Command.PARENT, update={"messages": []})

    inner = create_agent(
        Scripted(script=[says("", call("transfer_to_billing", "c1"))]), [transfer_to_billing]
    )
    graph: Any = StateGraph(MessagesState)
    graph.add_node("front", inner)
    graph.add_node("billing", lambda s: {"messages": [AIMessage("billing here")]})
    graph.add_edge(START, "front")
    graph.add_edge("billing", END)
    out = graph.compile(name="desk").invoke(QUESTION)
    assert out["messages"][-1].content == "billing here"
    found = spans()
    assert len(roots(found)) == 1
    assert [value(s, names.TOOL_NAME) for s in steps(found)] == [None, "transfer_to_billing"]
    assert all(s.status.is_ok or s.status.is_unset for s in found)


def test_a_classic_tool_with_one_text_is_matched_to_its_call(spans: Spans) -> None:
    from langchain_core.tools import Tool

    single = Tool(name="search", description="Search.", func=lambda q: f"found {q}")
    model = Scripted(script=[says("", call("search", "c1", __arg1="boats"))]).bind_tools([single])
    model.invoke("hi")
    single.invoke("boats")
    assert value(steps(spans())[-1], names.TOOL_CALL_ID) == "c1"
    assert len({value(s, names.TRAJECTORY_ID) for s in spans()}) == 1


def test_a_graph_without_model_ends_with_its_steps(spans: Spans) -> None:
    @tool
    def direct(q: str) -> str:
        """Answers itself."""
        return q.upper()

    RunnableLambda(lambda q: direct.invoke({"q": q})).invoke("x")
    assert tree(spans()) == "run() steps=1\n  1 tool direct t1"


def test_hostile_metadata_is_ignored(spans: Spans) -> None:
    metadata: Any = {
        "session_id": object(), "user_id": True, "cohort": "not a map", "route": "",
        "cohort.region": "eu", "prompt_name": 7,
    }  # fmt: skip
    (RunnableLambda(lambda x: x) | Scripted(script=[says("x")])).invoke("q", {"metadata": metadata})
    (step,) = steps(spans())
    assert value(step, names.SESSION) is None
    assert value(step, names.USER) is None
    assert value(step, f"{names.COHORT}region") == "eu"
    assert value(step, names.PROMPT_NAME) == "7"


def test_cohorts_are_bounded(spans: Spans) -> None:
    cohort = {f"k{n}" + "x" * 100: "v" * 1000 for n in range(40)}
    with tracer.context(cohort=cohort):
        Scripted(script=[says("x")]).invoke("hi")
    found = {
        k: v for k, v in (steps(spans())[0].attributes or {}).items() if k.startswith(names.COHORT)
    }
    assert len(found) == 16
    assert all(len(k) <= 64 + len(names.COHORT) and len(str(v)) == 256 for k, v in found.items())
