"""Agents without LangChain: every verb of the interface, and what it writes."""

import asyncio
import json
import threading
from typing import Any

import pytest

import tracer
from tests.unit.tracer.conftest import Spans
from tests.unit.tracer.harness import arguments, roots, steps, tree, value
from tests.unit.tracer.scripted import Scripted, says
from waypost import names
from waypost.errors import BadSetting


def test_a_run_with_every_kind_of_step(spans: Spans) -> None:
    with tracer.trajectory("planner", input="go", session="s", user="u") as run:
        with tracer.step("plan", "outline", result=["a", "b"]):
            pass
        with tracer.step("llm", model="m-1", provider="p", input="q", system="be nice") as model:
            model.set(output="answer", tokens_in=10, tokens_out=3)
        with tracer.step("tool", "search", arguments={"q": 1}) as found:
            with tracer.retrieval("docs", "what?", top_k=2) as here:
                here.set(documents=[{"id": "d1", "content": "text", "score": 0.5}])
            found.set(result={"n": 1})
        with tracer.memory("search", "profiles", query="likes", records=[{"id": "m1"}]):
            pass
        with tracer.handoff("billing", sender="planner"):
            pass
        with tracer.guardrail("pii", "rewrite", stage="output"):
            pass
        with tracer.step("human", "review", decision="approve", reviewer="r", comment="fine"):
            pass
        run.answer("done")
    assert (
        tree(spans())
        == """\
run(planner) final=2 steps=8
  1 plan
  2 llm m-1 t1
  3 tool search
    4 retrieval docs in=3
  5 memory profiles
  6 handoff billing
  7 guardrail pii
  8 human approve"""
    )
    assert json.loads(value(roots(spans())[0], names.OUTPUT))[0]["parts"][0]["content"] == "done"
    assert {value(s, names.SESSION) for s in spans()} == {"s"}


def test_what_each_kind_writes(spans: Spans) -> None:
    with tracer.trajectory("a"):
        with tracer.retrieval("docs", "what?", top_k=2) as here:
            here.set(documents=[{"id": "d1", "content": "text"}])
        with tracer.memory("search", "profiles", query="likes", records=[{"id": "m1"}]):
            pass
        with tracer.handoff("billing", sender="a"):
            pass
    found, memory, handoff = steps(spans())
    assert value(found, names.DATA_SOURCE) == "docs"
    assert value(found, names.RETRIEVAL_QUERY) == "what?"
    assert json.loads(value(found, names.RETRIEVAL_DOCUMENTS)) == [{"id": "d1", "content": "text"}]
    assert value(memory, names.OPERATION) == "search_memory"
    assert value(memory, names.MEMORY_COUNT) == 1
    assert value(handoff, names.HANDOFF_FROM) == "a"
    assert value(handoff, names.HANDOFF_TO) == "billing"
    assert found.kind.name == memory.kind.name == "CLIENT"


@tracer.step
def add(a: int, b: int = 2) -> int:
    return a + b


@tracer.step("plan")
async def think(topic: str) -> str:
    await asyncio.sleep(0)
    return topic.upper()


def test_decorated_functions_record_arguments_and_results(spans: Spans) -> None:
    with tracer.trajectory("a"):
        assert add(1) == 3
        assert asyncio.run(think("x")) == "X"
    added, thought = steps(spans())
    assert arguments(added) == {"a": 1}
    assert value(added, names.TOOL_RESULT) == "3"
    assert value(added, names.TOOL_NAME) == "add"
    assert value(thought, names.KIND) == "plan"


def test_a_step_outside_of_a_run_is_a_run(spans: Spans) -> None:
    with tracer.step("tool", "alone"):
        pass
    assert tree(spans()) == "run() steps=1\n  1 tool alone"


def test_an_error_in_a_step_goes_on_and_is_recorded(spans: Spans) -> None:
    with pytest.raises(ValueError, match="mail"), tracer.trajectory("a"), tracer.step("tool", "t"):
        raise ValueError("mail mara@example.com")
    (step,) = steps(spans())
    assert step.status.description == "mail [EMAIL]"
    assert value(step, names.ERROR_TYPE) == "ValueError"


def test_unknown_kinds_and_fields_are_refused_or_told(spans: Spans, caplog: Any) -> None:
    with pytest.raises(BadSetting, match="'dance' is not one of"):
        tracer.step("dance")
    with tracer.step("tool", "t") as here:
        here.set(colour="red")
    assert "no field 'colour'" in caplog.text


def test_without_instrument_everything_is_a_no_op() -> None:
    tracer.uninstrument()
    with tracer.trajectory("a") as run, tracer.step("tool", "t") as here:
        here.set(result=1)
    assert run.id is None
    assert add(1) == 3
    assert not tracer.evaluation("x", 1.0)
    assert not tracer.feedback("0" * 32, "thumbs", value=1)


def test_context_holds_for_everything_inside(spans: Spans) -> None:
    model = Scripted(script=[says("x")])
    with tracer.context(session="s-1", user="u-1", route="fast", prompt=("support", "v14")):
        with tracer.context(cohort={"tenant": "acme"}, user="u-2"):
            model.invoke("hi")
        thread = threading.Thread(target=model.invoke, args=("hi",))
        thread.start()
        thread.join()
    first, second = steps(spans())
    assert value(first, names.USER) == "u-2"
    assert value(second, names.USER) == "u-1"
    assert value(first, f"{names.COHORT}tenant") == "acme"
    for span in (first, second):
        assert value(span, names.SESSION) == value(span, names.CONVERSATION) == "s-1"
        assert value(span, names.ROUTE) == "fast"
        assert value(span, names.PROMPT_NAME) == "support"
        assert value(span, names.PROMPT_VERSION) == "v14"


def test_context_holds_in_tasks(spans: Spans) -> None:
    async def one(session: str) -> None:
        with tracer.context(session=session):
            await Scripted(script=[says("x")]).ainvoke("hi")

    async def all_of_them() -> None:
        await asyncio.gather(*(one(f"s-{n}") for n in range(5)))

    asyncio.run(all_of_them())
    assert sorted(value(s, names.SESSION) for s in steps(spans())) == [f"s-{n}" for n in range(5)]


def test_metadata_and_configurable_say_the_same(spans: Spans) -> None:
    from langchain_core.runnables import RunnableLambda

    model = Scripted(script=[says("x")])
    chain = RunnableLambda(lambda x: x) | model
    chain.invoke("hi", {"metadata": {"session_id": "m", "cohort": {"tenant": "a"}, "route": "r"}})
    chain.invoke("hi", {"configurable": {"session_id": "c", "user_id": 7}})
    first, second = steps(spans())
    assert (value(first, names.SESSION), value(first, f"{names.COHORT}tenant")) == ("m", "a")
    assert value(first, names.ROUTE) == "r"
    assert (value(second, names.SESSION), value(second, names.USER)) == ("c", "7")


def test_a_langchain_prompts_version_is_found(spans: Spans) -> None:
    from langchain_core.prompts import ChatPromptTemplate

    prompt = ChatPromptTemplate.from_messages([("system", "s"), ("user", "{q}")])
    prompt.metadata = {"lc_hub_repo": "greeter", "lc_hub_commit_hash": "abc123"}
    (prompt | Scripted(script=[says("x")])).invoke({"q": "hi"})
    (step,) = steps(spans())
    assert value(step, names.PROMPT_NAME) == "greeter"
    assert value(step, names.PROMPT_VERSION) == "abc123"


def test_an_undeclared_prompt_has_the_hash_of_the_system_prompt(spans: Spans) -> None:
    Scripted(script=[says("x")]).invoke([("system", "Be nice."), ("user", "hi")])
    (step,) = steps(spans())
    assert value(step, names.PROMPT_VERSION) == "sha256:84f4a0eee0aa3a6c"


def test_an_evaluation_is_an_event_on_the_step_in_progress(spans: Spans) -> None:
    with tracer.trajectory("a"), tracer.step("llm", model="m"):
        assert tracer.evaluation("Groundedness", 0.9, "pass", "both claims hold", version="3")
    (step,) = steps(spans())
    (event,) = step.events
    assert event.name == names.EVENT_EVALUATION
    assert dict(event.attributes or {}) == {
        names.EVALUATION_NAME: "Groundedness",
        names.EVALUATION_VALUE: 0.9,
        names.EVALUATION_LABEL: "pass",
        names.EVALUATION_EXPLANATION: "both claims hold",
        names.EVALUATION_VERSION: "3",
        names.STEP: 1,
    }


def test_langchain_runs_inside_a_run_belong_to_it(spans: Spans) -> None:
    with tracer.trajectory("outer"), tracer.step("plan", "think"):
        Scripted(script=[says("x")]).invoke("hi")
    assert (
        tree(spans())
        == """\
run(outer) final=2 steps=2
  1 plan
    2 llm scripted t1 in=1"""
    )


def test_a_context_inside_of_a_run_holds_for_its_models(spans: Spans) -> None:
    model = Scripted(script=[says("x")])
    with tracer.context(route="slow", session="s"), tracer.trajectory("outer"):
        with tracer.context(route="fast", prompt=("writer", "v2")):
            model.invoke("hi")
        model.invoke("hi")
    first, second = steps(spans())
    assert (value(first, names.ROUTE), value(first, names.PROMPT_NAME)) == ("fast", "writer")
    assert (value(second, names.ROUTE), value(second, names.PROMPT_NAME)) == ("slow", None)
    assert value(second, names.SESSION) == "s"


def test_many_runs_leave_nothing_behind(spans: Spans) -> None:
    model = Scripted(script=[says("x")])
    for _ in range(20):
        model.invoke("hi")
    recording = tracer.setup.PROCESS.recording
    assert recording is not None
    assert recording.handler.runs == {}
    assert recording.handler.skipped == set()
    assert recording.recorder.roots == {}
