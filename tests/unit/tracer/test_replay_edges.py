"""What a replay leaves alone, what it leaves behind, and what it cannot execute again."""

import asyncio
import contextvars
import importlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from langchain_core.language_models.llms import LLM
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import interrupt
from pydantic import BaseModel, SecretStr

import tracer
from tests.unit.tracer.conftest import Spans
from tests.unit.tracer.harness import roots, steps, value
from tests.unit.tracer.replaying import Forbidden, Office, exported, recorded
from tests.unit.tracer.scripted import Scripted, call, says
from tests.unit.tracer.test_humans import answer, reviewed
from tests.unit.tracer.test_replay import SEND, silent
from tests.unit.tracer.test_shapes import QUESTION, invoke, lookup, support
from tracer.replays.agents import text_of
from tracer.replays.interception import PATCHES
from waypost import names
from waypost.errors import NotRecorded, WaypostError, WrongUse


def wrapped() -> list[Any]:
    found: list[Any] = [threading.Thread.start]
    for patch in PATCHES:
        module: Any = importlib.import_module(patch.module)
        found.append(getattr(getattr(module, patch.owner or ""), patch.name))
    return found


def test_every_name_is_put_back_after_the_last_session() -> None:
    run = recorded(lambda: invoke(support()))
    before = wrapped()
    with tracer.replay(run) as outer:
        assert wrapped() != before
        with tracer.replay(run) as inner:
            inner.run(silent())
        outer.run(silent())
    assert wrapped() == before
    assert inner.differences == outer.differences == []


def test_a_tracer_switched_on_inside_a_session_does_not_disturb_later_ones() -> None:
    run = recorded(lambda: invoke(support()))
    with tracer.replay(run):
        tracer.instrument("http://127.0.0.1:1")
        invoke(silent())
    for _ in range(2):
        with tracer.replay(run) as session:
            session.run(silent())
        assert session.counts == {"answered": 3, "live": 0, "missed": 0, "own_code": 0}
    tracer.uninstrument()
    with tracer.replay(run) as session:
        session.run(silent())
    assert session.counts["answered"] == 3


def test_a_replay_is_marked_and_never_production(record: Any) -> None:
    run = recorded(lambda: invoke(support()))
    spans = record(cohort={"environment": "production", "region": "eu"})
    with tracer.context(cohort={"environment": "production"}), tracer.replay(run) as session:
        session.run(silent())
    (root,) = roots(spans())
    for span in [root, *steps(spans())]:
        assert value(span, names.REPLAY_OF) == run.id
        assert value(span, f"{names.COHORT}environment") == "replay"
        assert value(span, f"{names.COHORT}region") == "eu"
    assert root.context is not None
    assert session.trace_id == f"{root.context.trace_id:032x}"


def test_a_pools_worker_made_in_a_session_runs_production_again_afterwards(record: Any) -> None:
    run = recorded(lambda: invoke(support()))
    spans = record()
    with ThreadPoolExecutor(1) as pool:
        with tracer.replay(run) as session:
            pool.submit(session.run, silent()).result()
            contextvars.Context().run(pool.submit, invoke, support()).result()
        pool.submit(invoke, support()).result()
    marks = [value(root, names.REPLAY_OF) for root in roots(spans())]
    assert marks == [run.id, None, None]
    assert session.counts["answered"] == 3


def test_a_pools_worker_keeps_no_context_of_the_step_that_made_it(record: Any) -> None:
    spans = record()
    with ThreadPoolExecutor(1) as pool:
        with tracer.context(user="mara"):
            pool.submit(int).result()
        pool.submit(invoke, support()).result()
    assert value(roots(spans())[0], names.USER) is None


def test_a_thread_that_outlives_its_session_is_answered_by_none(record: Any) -> None:
    run = recorded(lambda: invoke(support()))
    spans, go_on = record(), threading.Event()

    def later() -> None:
        go_on.wait(60)
        invoke(support())

    thread = threading.Thread(target=later)
    with tracer.replay(run) as session:
        thread.start()
    with tracer.replay(run):
        go_on.set()
        thread.join()
    assert value(roots(spans())[0], names.REPLAY_OF) is None
    assert session.counts["answered"] == 0


def test_a_run_outside_of_a_session_has_no_mark(spans: Spans) -> None:
    invoke(support())
    assert value(roots(spans())[0], names.REPLAY_OF) is None


def test_without_a_tracer_there_is_no_trace() -> None:
    run = recorded(lambda: invoke(support()))
    with tracer.replay(run) as session:
        session.run(silent())
    assert session.trace_id is None


@pytest.mark.parametrize("way", ["sync", "async"])
def test_the_agents_own_checkpointer_store_and_cache_are_never_touched(way: str) -> None:
    office, saver, store = Office(), InMemorySaver(), InMemoryStore()
    run = recorded(lambda: invoke(office.agent(*SEND)))
    agent = office.agent(model=Forbidden, checkpointer=saver, store=store, cache=InMemoryCache())
    settings: Any = {"configurable": {"thread_id": "production-1"}}
    with tracer.replay(run) as session:
        if way == "sync":
            agent.invoke(QUESTION, settings)
        else:
            asyncio.run(agent.ainvoke(QUESTION, settings))
    assert list(saver.list(None)) == []
    assert session.differences == []
    assert agent.checkpointer is saver


EDITED = {
    "type": "edit",
    "edited_action": {"name": "refund", "args": {"order_id": "A-1", "amount": 5}},
}


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize(
    "decision", [{"type": "approve"}, EDITED, {"type": "reject", "message": "too much"}]
)
def test_a_run_that_waited_is_decided_as_it_was(decision: Any, way: str) -> None:
    run = recorded(lambda: answer(reviewed(), decision))
    agent = reviewed()
    with tracer.replay(run) as session:
        found = session.run(agent) if way == "sync" else asyncio.run(session.arun(agent))
    assert text_of(found) == "done"
    assert session.differences == []


def asking(*, resume: Any) -> Any:
    """A graph that asks a question of its own."""

    def ask(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(f"said {interrupt('how much?')}")]}

    graph = StateGraph(MessagesState)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    return graph.compile(checkpointer=InMemorySaver())


def test_a_graphs_own_question_gets_the_recorded_words() -> None:
    from langgraph.types import Command

    def both(agent: Any) -> None:
        settings: Any = {"configurable": {"thread_id": "t-1"}}
        agent.invoke(QUESTION, settings)
        agent.invoke(Command(resume="twenty"), settings)

    run = recorded(lambda: both(asking(resume="twenty")))
    with tracer.replay(run) as session:
        assert text_of(session.run(asking(resume=None))) == "said twenty"


@contextmanager
def provider(*answers: str) -> Iterator[tuple[str, list[Any]]]:
    """Speaks chat completions on loopback, and keeps what it was asked."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            message = {"role": "assistant", "content": answers[len(asked) - 1]}
            choice = {"index": 0, "finish_reason": "stop", "message": message}
            body = json.dumps({"id": "chatcmpl-1", "object": "chat.completion", "created": 1,
                               "model": "gpt-4o-mini", "choices": [choice]}).encode()  # fmt: skip
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked
    server.shutdown()
    server.server_close()
    thread.join()


class Verdict(BaseModel):
    """A structured answer."""

    city: str


def test_a_real_client_sends_no_request_and_its_structured_output_is_an_object_again() -> None:
    with provider('{"city": "Graz"}', "hello") as (url, asked):
        model = ChatOpenAI(
            model="gpt-4o-mini", base_url=url, api_key=SecretStr("none"), max_retries=0
        )

        def both() -> Any:
            verdict = model.with_structured_output(Verdict).invoke("where?")
            return verdict, model.invoke("hi").content

        first: list[Any] = []
        run = recorded(lambda: first.append(RunnableLambda(lambda _: both()).invoke("x")))
        assert len(asked) == 2
        with tracer.replay(run) as session:
            again = RunnableLambda(lambda _: both()).invoke("x")
        assert len(asked) == 2
    assert again == first[0] == (Verdict(city="Graz"), "hello")
    assert session.differences == []


def test_deepagents_runs_with_its_file_tools_live() -> None:
    deepagents = pytest.importorskip("deepagents", reason="deepagents is not installed")

    def agent(model: type[Scripted]) -> Any:
        write = call("write_file", "c1", file_path="/a.txt", content="hello")
        task = call("task", "c2", description="check", subagent_type="critic")
        sub = {"name": "critic", "description": "d", "system_prompt": "p",
               "model": model(script=[says("fine")]), "tools": [lookup]}  # fmt: skip
        script = [says("", write), says("", task), says("ok")]
        return deepagents.create_deep_agent(model(script=script), [lookup], subagents=[sub])

    run = recorded(lambda: invoke(agent(Scripted)))
    with tracer.replay(run, live=["write_file"]) as session:
        found = session.run(agent(Forbidden))
    assert list(found["files"]) == ["/a.txt"]
    assert session.differences == []


class Plain(LLM):
    """A text model that says one thing."""

    says: str

    @property
    def _llm_type(self) -> str:
        return "plain"

    def _call(self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> str:
        assert self.says, "a model was really called"
        return self.says

    def _stream(
        self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[Any]:
        from langchain_core.outputs import GenerationChunk

        assert self.says, "a model was really called"
        yield GenerationChunk(text=self.says)


async def _joined(pieces: Any) -> str:
    return "".join([piece async for piece in pieces])


TEXT_WAYS: dict[str, Any] = {
    "invoke": lambda model: model.invoke("hi"),
    "ainvoke": lambda model: asyncio.run(model.ainvoke("hi")),
    "stream": lambda model: "".join(model.stream("hi")),
    "astream": lambda model: asyncio.run(_joined(model.astream("hi"))),
}


@pytest.mark.parametrize("way", TEXT_WAYS.values(), ids=TEXT_WAYS)
def test_text_models_are_answered_too(way: Any) -> None:
    run = recorded(lambda: Plain(says="hello").invoke("hi"))
    with tracer.replay(run) as session:
        assert way(Plain(says="")) == "hello"
    assert session.differences == []
    with tracer.replay(run, until=1):
        assert way(Plain(says="live")) == "live"
    assert way(Plain(says="outside")) == "outside"
    with tracer.replay(run, models="live"):
        assert way(Plain(says="live")) == "live"


def test_functions_get_the_users_text_and_may_be_awaited() -> None:
    run = recorded(lambda: invoke(support()))

    async def later(text: str) -> str:
        return text.upper()

    with tracer.replay(run, models="live") as session:
        assert session.run(lambda text: text.upper()) == "WHERE IS A-1?"
        assert session.run(later) == "WHERE IS A-1?"
        assert asyncio.run(session.arun(later)) == "WHERE IS A-1?"
        assert asyncio.run(session.arun(str.upper)) == "WHERE IS A-1?"
        with pytest.raises(WrongUse, match="int is no agent"):
            session.run(7)


def test_a_conversation_is_given_as_it_was() -> None:
    first: list[Any] = [("user", "hi"), *ONE_TURN, ("user", "and A-2?")]
    run = recorded(lambda: support(says("ok")).invoke({"messages": first}))
    with tracer.replay(run) as session:
        found = session.run(silent())
    assert [m.type for m in found["messages"]] == ["human", "ai", "tool", "ai", "human", "ai"]
    assert session.differences == []
    assert session.recording.question == "and A-2?"


ONE_TURN: list[Any] = [
    AIMessage("", tool_calls=[call("lookup", "c0", order_id="A-0")]),
    {"role": "tool", "content": "A-0 was shipped", "tool_call_id": "c0"},
    ("assistant", "shipped"),
]


@pytest.mark.parametrize("given", [{}, {"run": {"id": "x"}}, {"id": "x", "steps": "none"}])
def test_what_is_no_run_is_refused(given: Any) -> None:
    with pytest.raises(WrongUse, match="That is no recorded run"):
        tracer.replay(given)


def test_a_case_of_a_dataset_is_a_recording() -> None:
    run = recorded(lambda: invoke(support()))
    case = {"dataset": "refunds", "key": run.id, "run": exported(run)}
    with tracer.replay(case) as session:
        session.run(silent())
    assert session.differences == []


def test_a_run_without_its_content_cannot_be_executed_again() -> None:
    run = recorded(lambda: invoke(support()), content="none")
    with pytest.raises(WrongUse, match="recorded without its content"):
        tracer.replay(run)


def test_a_session_is_for_one_block() -> None:
    session = tracer.replay(recorded(lambda: invoke(support())))
    with session:
        session.run(silent())
    with pytest.raises(WrongUse, match="A replay runs once"), session:
        pass


def test_outside_of_its_block_a_session_runs_no_agent() -> None:
    asked: list[str] = []
    session = tracer.replay(recorded(lambda: invoke(support())))

    def refused() -> None:
        with pytest.raises(WrongUse, match="not open here"):
            session.run(asked.append)
        with pytest.raises(WrongUse, match="not open here"):
            asyncio.run(session.arun(asked.append))

    refused()
    with session:
        contextvars.Context().run(refused)
    refused()
    assert asked == []


def test_a_block_that_ends_in_another_context_still_puts_every_name_back() -> None:
    before = wrapped()
    session = tracer.replay(recorded(lambda: invoke(support())))
    contextvars.copy_context().run(session.__enter__)
    with pytest.raises(ValueError, match="different Context"):
        session.__exit__(None, None, None)
    assert wrapped() == before


def test_an_agents_own_error_does_not_hide_what_was_missing() -> None:
    run = recorded(lambda: invoke(support()))
    with pytest.raises(NotRecorded), tracer.replay(run) as session:
        session.run(_stubborn)
    with pytest.raises(KeyboardInterrupt), tracer.replay(run) as session:
        session.run(_interrupted)


def _stubborn(text: str) -> None:
    for _ in range(3):
        with suppress(NotRecorded):
            Forbidden().invoke(text)
    raise RuntimeError("something else")


def _interrupted(text: str) -> None:
    try:
        _stubborn(text)
    except RuntimeError:
        raise KeyboardInterrupt from None


def test_a_name_that_is_gone_is_an_error_for_what_has_no_answer_would_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from langchain_core.language_models.chat_models import BaseChatModel

    run = recorded(lambda: invoke(support()))
    before = wrapped()
    monkeypatch.delattr(BaseChatModel, "_iter_v2_events")
    with tracer.replay(run) as session:
        session.run(silent())
    monkeypatch.delattr(BaseChatModel, "_agenerate_with_cache")
    sentence = "_agenerate_with_cache is gone from this LangChain"
    with pytest.raises(WaypostError, match=sentence), tracer.replay(run):
        pass
    monkeypatch.undo()
    assert wrapped() == before


async def _aevents(model: Any) -> list[Any]:
    stream = await model.astream_events("hi", version="v3")
    return [event async for event in stream]


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_the_newer_protocol_of_a_bare_model_is_answered() -> None:
    run = recorded(lambda: Scripted(script=[says("one two")]).invoke("hi"))
    model = Forbidden(streams=True)
    with tracer.replay(run):
        found = list(model.stream_events("hi", version="v3"))
    with tracer.replay(run):
        also = asyncio.run(_aevents(model))
    assert [e["event"] for e in found] == [e["event"] for e in also]
    assert found[-1]["event"] == "message-finish"
    live = Scripted(script=[says("live")], streams=True)
    with tracer.replay(run, until=1) as session:
        assert list(live.stream_events("hi", version="v3"))
        assert asyncio.run(_aevents(live))
    assert session.counts == {"answered": 0, "live": 2, "missed": 0, "own_code": 0}
