"""A recorded run executed again: the same answers, no live call, and what differs is said."""

import asyncio
import threading
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRetryMiddleware, ToolRetryMiddleware
from langchain_core.messages import HumanMessage
from langchain_core.tools import ToolException, tool

import tracer
from tests.unit.tracer.replaying import Forbidden, Office, exported, recorded
from tests.unit.tracer.scripted import Scripted, call, says
from tests.unit.tracer.test_shapes import (
    ONE_CALL,
    QUESTION,
    WAYS,
    classic,
    delegating,
    fails,
    invoke,
    lookup,
    support,
)
from waypost.errors import NotRecorded

SEND = [says("", call("send", "c1", to="mara")), says("done")]


def silent(**more: Any) -> Any:
    """The support agent with a model nobody may reach."""
    return create_agent(
        Forbidden(streams=more.pop("streams", False)), more.pop("tools", [lookup]),
        name="support", **more,
    )  # fmt: skip


def stream_events(agent: Any) -> None:
    """The newer protocol of events."""
    for _ in agent.stream_events(QUESTION, version="v3"):
        pass


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("way", [*WAYS, stream_events])
def test_the_same_agent_gets_the_same_answers_however_it_is_called(way: Any, streams: bool) -> None:
    run = recorded(lambda: invoke(support()))
    with tracer.replay(exported(run)) as session:
        way(silent(streams=streams))
    assert session.differences == []
    assert session.counts == {"answered": 3, "live": 0, "missed": 0, "own_code": 0}


def test_a_replay_gives_the_recorded_final_answer_and_no_letter_is_sent_twice() -> None:
    office = Office()
    run = recorded(lambda: invoke(office.agent(*SEND)))
    with tracer.replay(run) as session:
        answer = session.run(office.agent(model=Forbidden))
    assert answer["messages"][-1].content == "done"
    assert [m.type for m in answer["messages"]] == ["human", "ai", "tool", "ai"]
    assert office.sent == ["mara"]


def test_parallel_tools_get_their_own_answers() -> None:
    calls = [call("lookup", f"c{n}", order_id=f"A-{n}") for n in (1, 2, 3)]
    run = recorded(lambda: invoke(support(says("", *calls), says("all shipped"))))
    with tracer.replay(run) as session:
        answer = session.run(silent())
    said = [m.content for m in answer["messages"] if m.type == "tool"]
    assert said == [f"A-{n} was shipped" for n in (1, 2, 3)]
    assert session.differences == []


def helped(model: type[Scripted], *, tools: Any = (lookup,)) -> Any:
    """An agent with a sub-agent that is asked twice at once, with equal call ids inside."""

    def answer(messages: Any) -> Any:
        if messages[-1].type == "tool":
            return says(f"done {messages[0].content}")
        return says("", call("lookup", "c1", order_id=messages[0].content))

    helper = create_agent(model(script=[answer]), list(tools), name="helper")
    calls = [call("ask", "c1", topic="A-1"), call("ask", "c2", topic="A-2")]
    script = [says("", *calls), says("both")]
    return create_agent(model(script=script), [delegating(helper)], name="support")


@pytest.mark.parametrize("way", [*WAYS])
def test_parallel_sub_agents_run_and_what_they_call_is_answered(way: Any) -> None:
    run = recorded(lambda: invoke(helped(Scripted)))
    with tracer.replay(run) as session:
        way(helped(Forbidden))
    assert session.differences == []
    assert session.counts == {"answered": 8, "live": 0, "missed": 0, "own_code": 2}


def test_a_tool_below_which_models_ran_is_answered_whole_if_asked_for() -> None:
    run = recorded(lambda: invoke(helped(Scripted)))
    with tracer.replay(run, answered=["ask"]) as session:
        invoke(helped(Forbidden))
    assert session.counts == {"answered": 4, "live": 0, "missed": 0, "own_code": 0}
    assert session.differences == []


def test_a_tool_that_models_were_recorded_below_does_again_what_it_does_itself_and_is_counted() -> (
    None
):
    letters: list[str] = []

    def agent(model: type[Scripted]) -> Any:
        inner = model(script=[says("short")])

        @tool
        def summarise(topic: str) -> str:
            """Send a summary that a model writes."""
            letters.append(str(inner.invoke(topic).content))
            return "sent"

        script = [says("", call("summarise", topic="A-1")), says("k")]
        return create_agent(model(script=script), [summarise], name="support")

    run = recorded(lambda: invoke(agent(Scripted)))
    with tracer.replay(run) as session:
        session.run(agent(Forbidden))
    assert (letters, session.counts["own_code"]) == (["short", "short"], 1)
    with tracer.replay(run, answered=["summarise"]) as session:
        session.run(agent(Forbidden))
    assert (letters, session.counts["own_code"]) == (["short", "short"], 0)


def test_typed_errors_are_raised_again_so_that_retries_behave_the_same() -> None:
    retry = ModelRetryMiddleware(
        max_retries=1, retry_on=(ConnectionError,), initial_delay=0, jitter=False
    )
    script = [ConnectionError("away"), *ONE_CALL]
    run = recorded(lambda: invoke(support(*script, middleware=[retry])))
    with tracer.replay(run) as session:
        session.run(silent(middleware=[retry]))
    assert session.differences == []
    assert session.counts["answered"] == 4


def test_tools_that_failed_fail_again_as_often() -> None:
    left = [ValueError("1"), ValueError("2")]

    @tool
    def flaky(order_id: str) -> str:
        """Works the third time."""
        if left:
            raise left.pop(0)
        return "ok"

    retry = ToolRetryMiddleware(max_retries=2, initial_delay=0, jitter=False)
    script = [says("", call("flaky", order_id="A-1")), says("k")]
    run = recorded(lambda: invoke(support(*script, tools=[flaky], middleware=[retry])))
    with tracer.replay(run) as session:
        session.run(silent(tools=[flaky], middleware=[retry]))
    assert session.differences == []
    assert session.counts["answered"] == 5


def test_a_tool_that_says_of_itself_that_it_failed_does_so_again() -> None:
    handled = fails.model_copy(update={"handle_tool_error": True})
    script = [says("", call("fails", order_id="A-1")), says("sorry")]
    run = recorded(lambda: invoke(support(*script, tools=[handled])))
    with tracer.replay(run) as session:
        answer = session.run(silent(tools=[handled]))
    assert session.differences == []
    assert answer["messages"][-2].status == "error"
    assert answer["messages"][-2].content == "no order A-1"


def test_a_tool_that_raised_ends_the_run_again() -> None:
    def run_it(agent: Any) -> None:
        with pytest.raises(ToolException, match="no order A-1"):
            invoke(agent)

    script = [says("", call("fails", order_id="A-1"))]
    run = recorded(lambda: run_it(support(*script, tools=[fails])))
    with tracer.replay(run) as session:
        run_it(silent(tools=[fails]))
    assert session.differences == []


def test_a_changed_prompt_is_a_difference_and_the_answers_stay() -> None:
    run = recorded(lambda: invoke(support(system_prompt="Be brief.")))
    with tracer.replay(run) as session:
        session.run(silent(system_prompt="Be thorough."))
    first, second = session.differences
    assert (first.step, first.place, first.what) == (1, "scripted", "system prompt")
    assert (first.recorded, first.now) == ("Be brief.", "Be thorough.")
    assert second.step == 3
    assert "step 1, scripted: system prompt" in str(first)


def test_another_question_another_model_and_other_tools_are_differences() -> None:
    @tool("lookup")
    def changed(order_id: str, fast: bool = False) -> str:
        """Look up an order."""
        raise AssertionError("never")

    run = recorded(lambda: invoke(support(says("ok"))))
    agent = create_agent(Forbidden(model="other"), [changed], name="support")
    with tracer.replay(run) as session:
        agent.invoke({"messages": [HumanMessage("where is A-2?")]})
    assert [d.what for d in session.differences] == ["model", "tools", "message 1"]
    assert session.differences[2].now == "user: where is A-2?"


def test_texts_that_may_change_are_normalised() -> None:
    run = recorded(lambda: invoke(support(system_prompt="Today is Monday.")))
    with tracer.replay(run, normalise=lambda t: t.replace("Monday", "Friday")) as session:
        session.run(silent(system_prompt="Today is Friday."))
    assert session.differences == []


def test_what_redaction_took_out_is_no_difference() -> None:
    office = Office()
    mail = says("", call("send", "c1", to="mara@example.com"))
    prompt = "Write to mara@example.com only."
    for key in (None, b"k"):
        run = recorded(
            lambda: invoke(office.agent(mail, says("k"), system_prompt=prompt)), redact_key=key
        )
        assert "mara" not in str(exported(run))
        with tracer.replay(run) as session:
            session.run(office.agent(model=Forbidden, system_prompt=prompt))
        assert session.differences == []


def test_a_call_that_is_not_made_again_is_a_difference() -> None:
    run = recorded(lambda: invoke(support()))
    with tracer.replay(run) as session:
        Forbidden().invoke(QUESTION["messages"])
    assert [d.what for d in session.differences] == ["tools", "not called", "not called"]


def test_a_missing_answer_aborts_and_the_sentence_says_where() -> None:
    run = recorded(lambda: invoke(support()))
    sentence = r"could not be executed again: scripted was asked once more than was recorded"
    model = Forbidden()
    with pytest.raises(NotRecorded, match=sentence), tracer.replay(run):
        _ = [model.invoke(QUESTION["messages"]) for _ in range(3)]


def test_an_aborted_replay_stays_aborted_whatever_retries_do() -> None:
    office = Office()
    retry = ModelRetryMiddleware(max_retries=3, initial_delay=0, jitter=False)
    run = recorded(lambda: invoke(office.agent(says("", call("lookup", order_id="A-1")), says("k"),
                                               tools=[lookup])))  # fmt: skip
    changed = says("", call("send", "c1", to="mara"))
    body = exported(run)
    body["steps"][0]["output"] = exported(
        recorded(lambda: invoke(office.agent(changed, says(""))))
    )["steps"][0]["output"]
    sent = list(office.sent)
    retries = ToolRetryMiddleware(max_retries=2, initial_delay=0, jitter=False)
    with pytest.raises(NotRecorded, match="send was called with"), tracer.replay(body) as session:
        session.run(office.agent(model=Forbidden, tools=[lookup], middleware=[retry, retries]))
    assert office.sent == sent
    assert session.counts["missed"] == 1


def test_a_recording_answers_only_where_a_session_sits() -> None:
    office = Office()
    run = recorded(lambda: invoke(office.agent(*SEND)))
    office.sent.clear()

    async def beside() -> tuple[Any, Any]:
        started = asyncio.Event()

        async def other() -> Any:
            await started.wait()
            return await office.agent(*SEND).ainvoke(QUESTION)

        traffic = asyncio.create_task(other())
        with tracer.replay(run) as session:
            started.set()
            replayed = await session.arun(office.agent(model=Forbidden))
            await traffic
        return replayed, session

    _, session = asyncio.run(beside())
    assert office.sent == ["mara"]
    assert session.counts == {"answered": 3, "live": 0, "missed": 0, "own_code": 0}


def test_a_model_called_in_a_bare_thread_is_answered() -> None:
    def agent(model: type[Scripted]) -> Any:
        inner = model(script=[says("deep")])

        @tool
        def think(topic: str) -> str:
            """Think in a thread of its own."""
            found: list[str] = []
            thread = threading.Thread(target=lambda: found.append(str(inner.invoke(topic).content)))
            thread.start()
            thread.join()
            return found[0]

        script = [says("", call("think", topic="A-1")), says("k")]
        return create_agent(model(script=script), [think], name="support")

    run = recorded(lambda: invoke(agent(Scripted)))
    with tracer.replay(run) as session:
        answer = session.run(agent(Forbidden))
    assert answer["messages"][-2].content == "deep"
    assert session.differences == []


def test_the_classic_executor_is_answered_without_call_ids() -> None:
    run = recorded(lambda: classic(*ONE_CALL).invoke({"input": "where?"}))
    executor = classic(AssertionError("never"))
    with tracer.replay(run) as session:
        found = executor.invoke({"input": "where?"})
    assert found["output"] == "it is on its way"
    assert session.differences == []


def test_what_was_cut_when_it_was_recorded_is_not_compared_and_is_said() -> None:
    run = exported(recorded(lambda: invoke(support())))
    run["steps"][0] |= {"notes": ["truncated:gen_ai.input.messages=300000"], "input": []}
    run["steps"][2] |= {"input_complete": False, "input": []}
    with tracer.replay(run) as session:
        invoke(silent())
    assert session.differences == []
    assert session.cut == [1, 3]
