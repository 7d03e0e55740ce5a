"""Every shape a LangChain agent has comes out as one trajectory without an orphan.

Each test compares the whole exported tree; `docs/reference/langchain.md` tells what each records.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    ToolRetryMiddleware,
)
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import BaseTool, ToolException, tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Send

from tests.unit.tracer.conftest import Spans
from tests.unit.tracer.harness import full_input, roots, steps, tree, truth, value
from tests.unit.tracer.scripted import Scripted, call, says
from waypost import names

QUESTION: Any = {"messages": [HumanMessage("where is A-1?")]}
ONE_CALL = [says("", call("lookup", "c1", order_id="A-1")), says("it is on its way")]
ONE_CALL_TREE = """\
run(support) final=3 steps=3
  1 llm scripted t1
  2 tool lookup t1
  3 llm scripted t2 base=1 keep=1"""
ONE_CALL_TRUTH = [("lookup", {"order_id": "A-1"}, "A-1 was shipped")]


@tool
def lookup(order_id: str) -> str:
    """Look up an order."""
    return f"{order_id} was shipped"


@tool
def fails(order_id: str) -> str:
    """Never works."""
    raise ToolException(f"no order {order_id}")


def support(*script: Any, tools: Any = (lookup,), **more: Any) -> Any:
    """An agent called support with this script."""
    streams = more.pop("streams", False)
    model = Scripted(script=list(script or ONE_CALL), streams=streams)
    return create_agent(model, list(tools), name="support", **more)


def invoke(agent: Any) -> None:
    agent.invoke(QUESTION)


def stream(agent: Any) -> None:
    list(agent.stream(QUESTION, stream_mode="updates"))


def stream_messages(agent: Any) -> None:
    list(agent.stream(QUESTION, stream_mode="messages"))


def ainvoke(agent: Any) -> None:
    asyncio.run(agent.ainvoke(QUESTION))


async def _all(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


def astream(agent: Any) -> None:
    asyncio.run(_all(agent.astream(QUESTION, stream_mode="messages")))


def astream_events(agent: Any) -> None:
    asyncio.run(_all(agent.astream_events(QUESTION, version="v2")))


WAYS = [invoke, stream, stream_messages, ainvoke, astream, astream_events]


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_create_agent_is_one_trajectory_however_it_is_called(
    spans: Spans, way: Any, streams: bool
) -> None:
    way(support(streams=streams))
    assert tree(spans()) == ONE_CALL_TREE
    assert truth(spans()) == ONE_CALL_TRUTH


@pytest.mark.parametrize("way", [stream_messages, astream, astream_events])
def test_a_stream_has_a_time_to_first_token(spans: Spans, way: Any) -> None:
    way(support(says("one two three"), streams=True))
    (step,) = steps(spans())
    assert value(step, names.REQUEST_STREAM) is True
    assert 0 < value(step, names.FIRST_CHUNK) < 1


def test_parallel_tools_share_a_turn(spans: Spans) -> None:
    calls = [call("lookup", f"c{n}", order_id=f"A-{n}") for n in (1, 2, 3)]
    invoke(support(says("", *calls), says("all shipped")))
    assert (
        tree(spans())
        == """\
run(support) final=5 steps=5
  1 llm scripted t1
  2 tool lookup t1
  3 tool lookup t1
  4 tool lookup t1
  5 llm scripted t2 base=1 keep=1"""
    )
    assert sorted(truth(spans()), key=str) == [
        ("lookup", {"order_id": f"A-{n}"}, f"A-{n} was shipped") for n in (1, 2, 3)
    ]


def delegating(agent: Any) -> BaseTool:
    @tool
    def ask(topic: str) -> str:
        """Ask a sub-agent."""
        out = agent.invoke({"messages": [HumanMessage(topic)]})
        return str(out["messages"][-1].content)

    return ask


@pytest.mark.parametrize("name", ["helper", None])
def test_parallel_sub_agents_are_scopes_of_their_own(spans: Spans, name: str | None) -> None:
    def answer(messages: Any) -> Any:
        if messages[-1].type == "tool":
            return says(f"done {messages[0].content}")
        return says("", call("lookup", "c1", order_id=messages[0].content))

    helper = create_agent(Scripted(script=[answer]), [lookup], name=name)
    calls = [call("ask", "c1", topic="A-1"), call("ask", "c2", topic="A-2")]
    invoke(support(says("", *calls), says("both"), tools=[delegating(helper)]))
    found = spans()
    assert len(roots(found)) == 1
    assert [value(s, names.STEP) for s in steps(found)] == list(range(1, 11))
    shown = tree(found)
    assert shown.count("run(helper)" if name else "run(support)") == (2 if name else 3)
    assert shown.count("tool lookup") == 2
    assert sorted(r for n, _, r in truth(found) if n == "ask") == ["done A-1", "done A-2"]


class Fan(TypedDict):
    topics: list[str]
    answers: Annotated[list[str], lambda a, b: a + b]


def test_send_and_a_raw_graph_are_one_trajectory(spans: Spans) -> None:
    model = Scripted(script=[says("ok")])

    def one(state: Any) -> dict[str, Any]:
        return {"answers": [str(model.invoke(f"about {state['topic']}").content)]}

    graph = StateGraph(Fan)
    graph.add_node("one", one)
    graph.add_conditional_edges(START, lambda s: [Send("one", {"topic": t}) for t in s["topics"]])
    graph.add_edge("one", END)
    graph.compile().invoke({"topics": ["a", "b", "c"], "answers": []})
    found = spans()
    assert len(roots(found)) == 1
    assert [value(s, names.STEP) for s in steps(found)] == [1, 2, 3]
    assert tree(found).count("\n  ") == 3


def test_a_raw_graph_with_a_model_and_a_tool_node(spans: Spans) -> None:
    from langgraph.prebuilt import ToolNode, tools_condition

    model = Scripted(script=list(ONE_CALL))
    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda s: {"messages": [model.invoke(s["messages"])]})
    graph.add_node("tools", ToolNode([lookup]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    graph.compile().invoke(QUESTION)
    assert tree(spans()) == ONE_CALL_TREE.replace("support", "")
    assert truth(spans()) == ONE_CALL_TRUTH


def lcel() -> Any:
    prompt = ChatPromptTemplate.from_messages([("system", "Be short."), ("user", "{q}")])
    return prompt | Scripted(script=[says("short")], streams=True) | StrOutputParser()


@pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke", "astream"])
def test_lcel_is_one_trajectory(spans: Spans, way: str) -> None:
    chain = lcel()
    ways: dict[str, Any] = {
        "invoke": lambda: chain.invoke({"q": "hi"}),
        "stream": lambda: list(chain.stream({"q": "hi"})),
        "ainvoke": lambda: asyncio.run(chain.ainvoke({"q": "hi"})),
        "astream": lambda: asyncio.run(_all(chain.astream({"q": "hi"}))),
    }
    ways[way]()
    assert tree(spans()) == "run() final=1 steps=1\n  1 llm scripted t1"
    assert value(steps(spans())[0], names.SYSTEM) == '[{"type":"text","content":"Be short."}]'


@pytest.mark.parametrize("by_id", [True, False])
def test_a_bare_model_with_a_hand_written_loop_is_one_trajectory(spans: Spans, by_id: bool) -> None:
    model = Scripted(script=list(ONE_CALL)).bind_tools([lookup])
    messages: list[Any] = [HumanMessage("where is A-1?")]
    while (answer := model.invoke(messages)).tool_calls:
        messages.append(answer)
        for asked in answer.tool_calls:
            content = lookup.invoke(asked).content if by_id else lookup.invoke(asked["args"])
            messages.append(ToolMessage(content, tool_call_id=asked["id"]))
    assert tree(spans()) == ONE_CALL_TREE.replace("support", "")
    assert truth(spans()) == ONE_CALL_TRUTH


def test_bare_models_alone_are_trajectories_alone(spans: Spans) -> None:
    Scripted(script=[says("one")]).invoke("hi")
    list(Scripted(script=[says("two")], streams=True).stream("hi"))
    assert tree(spans()) == "\n".join(["run() final=1 steps=1\n  1 llm scripted t1"] * 2)


def classic(*script: Any) -> Any:
    from langchain_classic.agents import AgentExecutor, create_tool_calling_agent

    prompt = ChatPromptTemplate.from_messages(
        [("user", "{input}"), ("placeholder", "{agent_scratchpad}")]
    )
    model = Scripted(script=list(script))
    return AgentExecutor(agent=create_tool_calling_agent(model, [lookup], prompt), tools=[lookup])


def test_the_classic_executor_matches_calls_without_ids(spans: Spans) -> None:
    twice = [call("lookup", "c1", order_id="A-1"), call("lookup", "c2", order_id="A-2")]
    classic(says("", *twice), says("done")).invoke({"input": "where?"})
    assert (
        tree(spans())
        == """\
run(AgentExecutor) final=4 steps=4
  1 llm scripted t1
  2 tool lookup t1
  3 tool lookup t1
  4 llm scripted t2 base=1 keep=1"""
    )
    assert [value(s, names.TOOL_CALL_ID) for s in steps(spans())] == [None, "c1", "c2", None]


def test_an_unknown_tool_of_the_classic_executor_was_not_executed(spans: Spans) -> None:
    classic(says("", call("nope", "c1")), says("sorry")).invoke({"input": "where?"})
    assert "2 tool nope t1 !not_executed" in tree(spans())
    assert len(steps(spans())) == 3


def test_deepagents_is_one_trajectory_with_scopes(spans: Spans) -> None:
    deepagents = pytest.importorskip("deepagents", reason="deepagents is not installed")
    sub = {"name": "critic", "description": "d", "system_prompt": "p",
           "model": Scripted(script=[says("fine")]), "tools": [lookup]}  # fmt: skip
    script = [says("", call("task", "c1", description="check", subagent_type="critic")), says("ok")]
    agent = deepagents.create_deep_agent(Scripted(script=script), [lookup], subagents=[sub])
    agent.invoke(QUESTION)
    found = spans()
    assert len(roots(found)) == 1
    assert [value(s, names.KIND) for s in steps(found)] == ["llm", "tool", "llm", "llm"]
    assert tree(found).count("run(") == 2


def test_an_unknown_tool_is_a_step_that_was_not_executed(spans: Spans) -> None:
    invoke(
        support(says("", call("nope", "c1", x=1), call("lookup", "c2", order_id="A-1")), says("k"))
    )
    found = steps(spans())
    nope = next(s for s in found if value(s, names.TOOL_NAME) == "nope")
    assert value(nope, names.EXECUTED) is False
    assert value(nope, names.TOOL_ARGUMENTS) == '{"x":1}'
    assert [value(s, names.STEP) for s in found] == [1, 2, 3, 4]


def test_a_tool_that_raises_is_a_failed_step_and_the_run_goes_on_or_fails(spans: Spans) -> None:
    with pytest.raises(ToolException):
        invoke(support(says("", call("fails", "c1", order_id="A-1")), tools=[fails]))
    assert (
        tree(spans())
        == """\
run(support) error=ToolException steps=2
  1 llm scripted t1
  2 tool fails t1 error=ToolException"""
    )


def test_a_tool_message_that_says_error_is_a_failed_step(spans: Spans) -> None:
    handled = fails.model_copy(update={"handle_tool_error": True})
    invoke(support(says("", call("fails", "c1", order_id="A-1")), says("sorry"), tools=[handled]))
    assert (
        tree(spans())
        == """\
run(support) final=3 steps=3
  1 llm scripted t1
  2 tool fails t1 error=ToolError
  3 llm scripted t2 base=1 keep=1"""
    )
    assert steps(spans())[1].status.description == "no order A-1"


def test_attempts_of_with_retry_are_numbered(spans: Spans) -> None:
    model = Scripted(script=[ConnectionError("1"), ConnectionError("2"), says("ok")])
    model.with_retry(stop_after_attempt=3, wait_exponential_jitter=False).invoke("hi")
    assert (
        tree(spans())
        == """\
run(Scripted) final=3 steps=3
  1 llm scripted t1 error=ConnectionError
  2 llm scripted t1 attempt=2 error=ConnectionError base=1 keep=1
  3 llm scripted t1 attempt=3 base=2 keep=1"""
    )


def test_with_fallbacks_says_what_was_tried_before(spans: Spans) -> None:
    first = Scripted(model="big", script=[ConnectionError("away")])
    second = Scripted(model="small", script=[says("ok")])
    first.with_fallbacks([second]).invoke("hi")
    assert (
        tree(spans())
        == """\
run() final=2 steps=2
  1 llm big t1 error=ConnectionError
  2 llm small t1 attempt=2 base=1 keep=1 after=big"""
    )
    assert value(steps(spans())[1], names.ROUTE) == "fallback"


def test_retry_and_fallback_middleware_are_attempts(spans: Spans) -> None:
    broken = Scripted(model="big", script=[ConnectionError("x")])
    small = Scripted(model="small", script=[says("ok")])
    retry = ModelRetryMiddleware(max_retries=1, initial_delay=0, jitter=False, on_failure="error")
    agent = create_agent(
        broken, [], middleware=[ModelFallbackMiddleware(small), retry], name="support"
    )
    invoke(agent)
    assert (
        tree(spans())
        == """\
run(support) final=3 steps=3
  1 llm big t1 error=ConnectionError
  2 llm big t1 attempt=2 error=ConnectionError base=1 keep=1
  3 llm small t1 attempt=3 base=2 keep=1 after=big"""
    )


def test_tool_retries_are_attempts_of_one_call(spans: Spans) -> None:
    left = [ValueError("1"), ValueError("2")]

    @tool
    def flaky(order_id: str) -> str:
        """Works the third time."""
        if left:
            raise left.pop(0)
        return "ok"

    retry = ToolRetryMiddleware(max_retries=2, initial_delay=0, jitter=False)
    invoke(
        support(
            says("", call("flaky", order_id="A-1")), says("k"), tools=[flaky], middleware=[retry]
        )
    )
    assert (
        tree(spans())
        == """\
run(support) final=5 steps=5
  1 llm scripted t1
  2 tool flaky t1 error=ValueError
  3 tool flaky t1 attempt=2 error=ValueError
  4 tool flaky t1 attempt=3
  5 llm scripted t2 base=1 keep=1"""
    )


def left_after_one(items: Iterator[Any]) -> None:
    for _ in items:
        break


async def aleft_after_one(items: Any) -> None:
    async for _ in items:
        break
    await items.aclose()


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_consumer_that_stops_reading_leaves_no_open_span(spans: Spans, way: str) -> None:
    agent = support(says("one two three"), streams=True)
    if way == "sync":
        items = agent.stream(QUESTION, stream_mode="messages")
        left_after_one(items)
        items.close()
    else:
        asyncio.run(aleft_after_one(agent.astream(QUESTION, stream_mode="messages")))
    found = spans()
    assert len(roots(found)) == 1
    assert value(roots(found)[0], names.STATUS) == "abandoned"
    assert tree(found).startswith("run(support) !abandoned steps=1\n  1 llm scripted t1")


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_model_whose_stream_is_left_is_abandoned(spans: Spans, way: str) -> None:
    model = Scripted(script=[says("one two three")], streams=True)
    if way == "sync":
        left_after_one(model.stream("hi"))
    else:
        asyncio.run(aleft_after_one(model.astream("hi")))
    assert tree(spans()) == "run() !abandoned steps=1\n  1 llm scripted t1 !abandoned"


def test_two_agents_at_once_do_not_mix(spans: Spans) -> None:
    def one(order: str) -> None:
        script = [says("", call("lookup", "c1", order_id=order)), says(f"done {order}")]
        create_agent(Scripted(script=script), [lookup], name=order).invoke(QUESTION)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, ["A-1", "A-2", "A-3", "A-4"]))
    found = spans()
    assert len({value(s, names.TRAJECTORY_ID) for s in found}) == 4
    for order in ("A-1", "A-2", "A-3", "A-4"):
        mine = [s for s in found if value(s, names.AGENT_NAME) == order]
        assert tree(mine) == ONE_CALL_TREE.replace("support", order)
        assert truth(mine) == [("lookup", {"order_id": order}, f"{order} was shipped")]


def test_two_agents_at_once_in_one_loop_do_not_mix(spans: Spans) -> None:
    async def both() -> None:
        await asyncio.gather(*(support().ainvoke(QUESTION) for _ in range(3)))

    asyncio.run(both())
    found = spans()
    ids = {value(s, names.TRAJECTORY_ID) for s in found}
    assert len(ids) == 3
    for one in ids:
        assert tree([s for s in found if value(s, names.TRAJECTORY_ID) == one]) == ONE_CALL_TREE


@pytest.mark.parametrize("where", ["thread", "pool"])
def test_a_model_called_in_a_bare_thread_keeps_its_parent(spans: Spans, where: str) -> None:
    inner = Scripted(model="inner", script=[says("42")])

    @tool
    def think(question: str) -> str:
        """Ask another model in a thread of my own."""
        answers: list[str] = []

        def ask() -> None:
            answers.append(str(inner.invoke(question).content))

        if where == "thread":
            thread = threading.Thread(target=ask)
            thread.start()
            thread.join()
        else:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(ask).result()
        return answers[0]

    invoke(support(says("", call("think", question="6*7")), says("42"), tools=[think]))
    assert (
        tree(spans())
        == """\
run(support) final=4 steps=4
  1 llm scripted t1
  2 tool think t1
    3 llm inner t2 in=2
  4 llm scripted t3 base=1 keep=1"""
    )


def test_a_model_in_a_bare_thread_of_a_runnable_is_no_root(spans: Spans) -> None:
    inner = Scripted(script=[says("42")])

    def ask(_: Any) -> str:
        with ThreadPoolExecutor(1) as pool:
            return str(pool.submit(inner.invoke, "hi").result().content)

    RunnableLambda(ask).invoke("x")
    assert tree(spans()) == "run(ask) final=1 steps=1\n  1 llm scripted t1"


def test_every_delta_resolves_to_the_whole_input(spans: Spans) -> None:
    calls = [says("", call("lookup", f"c{n}", order_id=f"A-{n}")) for n in range(70)]
    agent = support(*calls, says("done"))
    agent.invoke(QUESTION, {"recursion_limit": 500})
    found = spans()
    whole = full_input(found, 141)
    assert len(whole) == 141
    assert whole[-1]["parts"][0]["response"] == "A-69 was shipped"
    keyframes = [value(s, names.STEP) for s in steps(found)
                 if value(s, names.INPUT) and value(s, names.BASE_STEP) is None]  # fmt: skip
    assert keyframes == [1, 129]
