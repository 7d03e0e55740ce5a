"""In which form recorded answers come back, and what is read of recordings of other clients."""

import sys
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import START, MessagesState, StateGraph

import tracer
from tests.unit.tracer.replaying import Forbidden, exported, recorded
from tests.unit.tracer.scripted import Scripted, says
from tests.unit.tracer.test_replay import silent
from tests.unit.tracer.test_replay_live import Shelf
from tests.unit.tracer.test_shapes import invoke, support
from tracer.replays.agents import text_of
from tracer.replays.alike import Alike
from tracer.replays.langchain import chunks_of, error_of
from tracer.replays.recording import read
from waypost.errors import WaypostError


def test_what_ran_below_a_retriever_runs_again_and_is_answered() -> None:
    class Rewriting(Shelf):
        model: Any

        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
            query = str(self.model.invoke(query, {"callbacks": run_manager.get_child()}).content)
            return super()._get_relevant_documents(query, run_manager=run_manager)

    run = recorded(
        lambda: Rewriting(searched=[], model=Scripted(script=[says("better")])).invoke("refunds")
    )
    with tracer.replay(run) as session:
        found = Rewriting(searched=[], model=Forbidden()).invoke("refunds")
    assert found[0].page_content == "about better"
    assert session.differences == []


def test_an_agent_that_is_a_node_is_a_place_of_its_own() -> None:
    def team(model: type[Scripted]) -> Any:
        graph = StateGraph(MessagesState)
        for name in ("first", "second"):
            graph.add_node(name, create_agent(model(script=[says(name)]), [], name=name))
        graph.add_edge(START, "first")
        graph.add_edge("first", "second")
        return graph.compile(name="team")

    run = recorded(lambda: invoke(team(Scripted)))
    with tracer.replay(run) as session:
        found = session.run(team(Forbidden))
    assert [m.content for m in found["messages"][1:]] == ["first", "second"]
    assert session.differences == []
    assert {a.place for a in session.recording.models} == {
        (("agent", "first", ""),), (("agent", "second", ""),)
    }  # fmt: skip


def test_errors_are_raised_as_their_own_class() -> None:
    class RateLimited(Exception):
        def __init__(self, message: str, *, response: object) -> None:
            super().__init__(message)

    assert isinstance(error_of("ValueError", "no"), ValueError)
    assert isinstance(error_of("openai.RateLimited", "slow"), RateLimited)
    assert str(error_of("RateLimited", "slow")) == "slow"
    assert str(error_of("GoneForGood", "away")) == "GoneForGood: away"
    assert isinstance(error_of("print", "no class"), RuntimeError)


def test_reasoning_and_broken_calls_come_back_as_they_were() -> None:
    message = AIMessage(
        [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "yes"}],
        invalid_tool_calls=[
            {"type": "invalid_tool_call", "name": "lookup", "args": "{a", "id": "c1", "error": None}
        ],
    )
    run = recorded(lambda: Scripted(script=[message]).invoke("hi"))
    with tracer.replay(run):
        found = Forbidden().invoke("hi")
    assert found.content_blocks[:2] == message.content_blocks[:2]
    assert found.invalid_tool_calls[0]["args"] == "{a"
    with tracer.replay(run):
        pieces = list(Forbidden(streams=True).stream("hi"))
    whole: Any = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    assert [b["type"] for b in whole.content][:2] == ["reasoning", "text"]
    assert len(list(chunks_of(AIMessage("")))) == 1


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (None, ""),
        ("plain", "plain"),
        (7, "7"),
        (AIMessage("said"), "said"),
        ({"messages": [AIMessage("last")]}, "last"),
        ({"output": "only"}, "only"),
        ({"messages": [], "a": 1}, "{'messages': [], 'a': 1}"),
    ],
)
def test_an_answer_has_a_text_whatever_it_is(found: Any, text: str) -> None:
    assert text_of(found) == text


def test_a_place_is_found_without_spans_above() -> None:
    run = exported(recorded(lambda: invoke(support())))
    step = {**run["steps"][1], "number": 4, "parent_id": None, "parent_step": 2, "span_id": "f"}
    run["steps"].append(step)
    (inner,) = [a for a in read(run).tools if a.number == 4]
    assert inner.place == (("tool", "lookup", "c1"),)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "base64": "aGVsbG8=", "mime_type": "image/png"},
        {"type": "image", "url": "https://example.com/a.png"},
        {"type": "file", "file_id": "f-1"},
        {"type": "odd", "value": 1},
    ],
)
def test_pictures_and_files_of_a_question_are_given_again(block: Any) -> None:
    first = {"messages": [HumanMessage([{"type": "text", "text": "what is it?"}, block])]}
    run = recorded(lambda: support(says("ok")).invoke(first))
    with tracer.replay(exported(run)) as session:
        found = session.run(silent())
    assert found["messages"][0].content[1] == block
    assert session.differences == []


def test_an_answer_that_is_no_json_has_no_object() -> None:
    message = AIMessage("not json")
    run = recorded(lambda: Scripted(script=[message]).invoke("hi"))
    with tracer.replay(run):
        found = Forbidden().invoke("hi", response_format={"type": "json_object"})
    assert found.additional_kwargs == {}
    assert found.usage_metadata is None


def test_usage_comes_back_as_far_as_it_was_told() -> None:
    usage: Any = {"input_tokens": 3, "output_tokens": 0, "total_tokens": 3}
    message = AIMessage("ok", usage_metadata=usage)
    run = recorded(lambda: Scripted(script=[message]).invoke("hi"))
    with tracer.replay(run):
        found = Forbidden().invoke("hi")
    assert found.usage_metadata == usage


def test_without_langgraph_a_bare_model_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    run = recorded(lambda: Scripted(script=[says("ok")]).invoke("hi"))
    monkeypatch.setitem(sys.modules, "langgraph.pregel.main", None)
    with tracer.replay(run):
        assert Forbidden().invoke("hi").content == "ok"
    monkeypatch.setitem(sys.modules, "langchain_core.tracers.context", None)
    with pytest.raises(WaypostError, match="where langchain-core is installed"), tracer.replay(run):
        pass


def test_recordings_of_other_clients_are_read_as_far_as_they_tell() -> None:
    def step(number: int, *said: str, **more: Any) -> dict[str, Any]:
        parts = [{"type": kind, "content": "so"} for kind in said]
        output = [{"role": "assistant", "parts": parts}]
        return {"number": number, "kind": "llm", "system": ["Be brief."], "output": output, **more}

    steps = [
        {"number": 1, "kind": "plan", "parent_step": 9},
        step(2, "reasoning", "text", parent_step=1),
        step(3, "text", input=[
            {"role": "assistant", "parts": [{"type": "reasoning"}]},
            {"role": "tool", "parts": [{"type": "tool_call_response", "response": {"a": 1}}]},
        ]),
    ]  # fmt: skip
    first, second = read({"id": "x", "steps": steps}).models
    assert (first.place, second.place) == ((), ())
    assert first.above is None
    assert Alike().recorded(second).messages == (
        "assistant: <reasoning> ",
        'tool: <answer None> {"a": 1}',
    )
    assert Alike().recorded(second).system == "Be brief."
