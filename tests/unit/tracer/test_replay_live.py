"""A candidate tried on a recorded run: its models run, its tools are answered as recorded."""

import asyncio
from typing import Any

import pytest
from langchain.agents import AgentState, create_agent
from langchain.tools import ToolRuntime
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.messages import ToolMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import BaseTool, ToolException, tool
from langgraph.types import Command

import tracer
from tests.unit.tracer.replaying import Forbidden, Office, recorded
from tests.unit.tracer.scripted import Scripted, call, says
from tests.unit.tracer.test_replay import SEND
from tests.unit.tracer.test_shapes import ONE_CALL, QUESTION, delegating, invoke, lookup
from waypost.errors import BadSetting, NotRecorded
from waypost.records import Trajectory

OTHERWISE = [says("", call("send", "x9", to="ole")), says("I could not.")]


@pytest.fixture(scope="module")
def sent_to_mara() -> Trajectory:
    return recorded(lambda: invoke(Office().agent(*SEND)))


def answers(found: Any) -> list[ToolMessage]:
    return [m for m in found["messages"] if m.type == "tool"]


@pytest.mark.parametrize("streams", [False, True])
def test_a_candidates_models_run_and_equal_calls_are_answered(
    sent_to_mara: Trajectory, streams: bool
) -> None:
    office = Office()
    candidate = [says("", call("send", "live-7", to="mara")), says("The letter is out.")]
    with tracer.replay(sent_to_mara, models="live") as session:
        found = session.run(office.agent(*candidate, streams=streams))
    assert found["messages"][-1].content.strip() == "The letter is out."
    assert answers(found)[0].content == "sent to mara"
    assert office.sent == []
    assert session.counts == {"answered": 1, "live": 2, "missed": 0, "own_code": 0}
    assert session.differences == []


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_call_that_was_never_made_is_answered_with_an_error(
    sent_to_mara: Trajectory, way: str
) -> None:
    office = Office()
    with tracer.replay(sent_to_mara, models="live") as session:
        agent = office.agent(*OTHERWISE)
        found = session.run(agent) if way == "sync" else asyncio.run(session.arun(agent))
    (message,) = answers(found)
    assert message.status == "error"
    assert "holds no answer" in str(message.content)
    assert office.sent == []
    assert [(d.what, d.now) for d in session.differences] == [
        ("new call", '{"to": "ole"}'),
        ("not called", None),
    ]


def test_on_miss_live_is_the_only_one_that_touches_the_world(sent_to_mara: Trajectory) -> None:
    office = Office()
    with tracer.replay(sent_to_mara, models="live", on_miss="live") as session:
        found = session.run(office.agent(*OTHERWISE))
    assert answers(found)[0].content == "sent to ole"
    assert office.sent == ["ole"]


def test_on_miss_can_be_a_function(sent_to_mara: Trajectory) -> None:
    office, asked = Office(), []

    def invent(name: str, arguments: Any) -> str:
        asked.append((name, arguments))
        return "as if it was sent"

    with tracer.replay(sent_to_mara, models="live", on_miss=invent) as session:
        found = session.run(office.agent(*OTHERWISE))
    assert answers(found)[0].content == "as if it was sent"
    assert asked == [("send", {"to": "ole"})]
    assert office.sent == []


def test_on_miss_can_be_awaited(sent_to_mara: Trajectory) -> None:
    async def invent(name: str, arguments: Any) -> str:
        await asyncio.sleep(0)
        return "as if"

    with tracer.replay(sent_to_mara, models="live", on_miss=invent) as session:
        found = asyncio.run(session.arun(Office().agent(*OTHERWISE)))
    assert answers(found)[0].content == "as if"


def test_a_call_made_twice_gets_the_recorded_answer_twice(sent_to_mara: Trajectory) -> None:
    office = Office()
    twice = [says("", call("send", f"c{n}", to="mara")) for n in (1, 2)]
    with tracer.replay(sent_to_mara, models="live") as session:
        found = session.run(office.agent(*twice, says("k")))
    assert [m.content for m in answers(found)] == ["sent to mara", "sent to mara"]
    assert [d.what for d in session.differences] == ["called again"]
    assert office.sent == []


def test_tools_named_live_run(sent_to_mara: Trajectory) -> None:
    office = Office()
    with tracer.replay(sent_to_mara, live=["send"]) as session:
        session.run(office.agent(model=Forbidden))
    assert office.sent == ["mara"]
    assert session.differences == []


def test_models_are_answered_until_a_step_and_run_from_there() -> None:
    calls = [says("", call("lookup", f"c{n}", order_id=f"A-{n}")) for n in (1, 2)]
    run = recorded(lambda: invoke(create_agent(Scripted(script=[*calls, says("k")]), [lookup])))
    model = Scripted(script=[says("Two are on their way.")])
    with tracer.replay(run, until=5) as session:
        found = session.run(create_agent(model, [lookup]))
    assert found["messages"][-1].content == "Two are on their way."
    assert session.counts == {"answered": 4, "live": 1, "missed": 0, "own_code": 0}


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_a_bare_stream_is_answered_until_a_step(way: str) -> None:
    def ask(model: Scripted) -> list[str]:
        async def pieces() -> list[str]:
            return [str(c.content) async for c in model.astream("hi")]

        if way == "stream":
            return [str(c.content) for c in model.stream("hi")]
        return asyncio.run(pieces())

    run = recorded(lambda: ask(Scripted(script=[says("one two")], streams=True)))
    with tracer.replay(run, until=2):
        said = ask(Forbidden(streams=True))
        live = ask(Scripted(script=[says("three four")], streams=True))
    assert "".join(said).strip() == "one two"
    with tracer.replay(run, models="live"):
        also = ask(Scripted(script=[says("three four")], streams=True))
    assert "".join(live).strip() == "".join(also).strip() == "three four"


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_a_live_model_is_counted_once_however_it_is_streamed(sent_to_mara: Trajectory) -> None:
    candidate = Office().agent(*SEND, streams=True)
    with tracer.replay(sent_to_mara, models="live") as session:
        for _ in candidate.stream_events(QUESTION, version="v3"):
            pass
    assert session.counts == {"answered": 1, "live": 2, "missed": 0, "own_code": 0}


def test_a_sub_agent_that_is_asked_otherwise_still_runs_its_own_code() -> None:
    def agent(question: str, topic: str) -> Any:
        inner = [says("", call("lookup", "c1", order_id="A-1")), says(f"fine {topic}")]
        helper = create_agent(Scripted(script=inner), [lookup], name="helper")
        script = [says("", call("ask", "c1", topic=question)), says("k")]
        return create_agent(Scripted(script=script), [delegating(helper)], name="support")

    run = recorded(lambda: invoke(agent("A-1?", "old")))
    with tracer.replay(run, models="live") as session:
        found = session.run(agent("and A-1?", "new"))
    assert answers(found)[0].content == "fine new"
    assert [d.what for d in session.differences] == ["arguments"]
    assert session.counts == {"answered": 1, "live": 4, "missed": 0, "own_code": 1}


class Shelf(BaseRetriever):
    """Counts how often somebody searches it."""

    searched: list[str]

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        self.searched.append(query)
        return [Document(f"about {query}", id="d1", metadata={"score": 0.5})]


class OldShelf(BaseRetriever):
    """Written before retrievers were told of their run."""

    def _get_relevant_documents(self, query: str) -> list[Document]:  # type: ignore[override]  # the old way
        return [Document(f"old {query}")]


@pytest.mark.parametrize("way", ["sync", "async"])
def test_retrievers_find_what_they_found(way: str) -> None:
    run = recorded(lambda: Shelf(searched=[]).invoke("refunds"))
    shelf = Shelf(searched=[])
    with tracer.replay(run) as session:
        found = shelf.invoke("refunds") if way == "sync" else asyncio.run(shelf.ainvoke("refunds"))
    assert found == [Document("about refunds", id="d1", metadata={"score": 0.5})]
    assert shelf.searched == []
    assert session.differences == []


def test_a_query_that_was_never_asked() -> None:
    run = recorded(lambda: Shelf(searched=[]).invoke("refunds"))
    shelf = Shelf(searched=[])
    with pytest.raises(NotRecorded, match="could not be executed again"), tracer.replay(run):
        shelf.invoke("sick pay")
    with tracer.replay(run, models="live"), pytest.raises(NotRecorded, match="Shelf was not run"):
        shelf.invoke("sick pay")
    with tracer.replay(run, models="live", on_miss=lambda name, query: [f"{name}: {query}"]):
        assert shelf.invoke("sick pay") == [Document("Shelf: sick pay")]
    assert shelf.searched == []


@pytest.mark.parametrize("shelf", [Shelf(searched=[]), OldShelf()])
@pytest.mark.parametrize("way", ["sync", "async"])
def test_retrievers_named_live_search(shelf: BaseRetriever, way: str) -> None:
    run = recorded(lambda: shelf.invoke("refunds"))
    ways: list[dict[str, Any]] = [
        {"live": [shelf.get_name()]}, {"models": "live", "on_miss": "live"},
        {"live": [shelf.get_name()], "models": "live"},
    ]  # fmt: skip
    for options in ways:
        with tracer.replay(run, **options):
            query = "sick pay" if "models" in options else "refunds"
            found = shelf.invoke(query) if way == "sync" else asyncio.run(shelf.ainvoke(query))
        assert query in found[0].page_content


def test_a_retriever_that_failed_fails_again() -> None:
    class Broken(Shelf):
        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
            raise TimeoutError("the shelf is away")

    def search() -> None:
        with pytest.raises(TimeoutError, match="the shelf is away"):
            Broken(searched=[]).invoke("refunds")

    run = recorded(search)
    with tracer.replay(run):
        search()


def test_tools_without_a_call_id_give_their_bare_values() -> None:
    @tool
    def claim(number: str) -> dict[str, Any]:
        """Look up a claim."""
        return {"number": number, "amount": 20}

    run = recorded(lambda: claim.invoke({"number": "C-1"}))
    with tracer.replay(run):
        assert claim.invoke({"number": "C-1"}) == {"number": "C-1", "amount": 20}
    with tracer.replay(run, models="live"), pytest.raises(ToolException, match="holds no answer"):
        claim.invoke({"number": "C-2"})


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_tool_with_an_artifact_is_answered_without_it(way: str) -> None:
    @tool(response_format="content_and_artifact")
    def chart(topic: str) -> tuple[str, list[int]]:
        """Draw."""
        return f"chart of {topic}", [1, 2]

    asked = call("chart", "c1", topic="sick pay")
    run = recorded(lambda: chart.invoke(asked))
    with tracer.replay(run):
        found = chart.invoke(asked) if way == "sync" else asyncio.run(chart.ainvoke(asked))
    assert (found.content, found.artifact) == ("chart of sick pay", None)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"models": "some"}, "models='some' is not one of recorded, live"),
        ({"models": "live", "on_miss": "guess"}, "on_miss='guess' is not error, live or a"),
        ({"on_miss": "live"}, "give models='live' or until=N"),
    ],
)
def test_what_makes_no_sense_is_refused(
    sent_to_mara: Trajectory, options: Any, sentence: str
) -> None:
    with pytest.raises(BadSetting, match=sentence):
        tracer.replay(sent_to_mara, **options)


def test_a_tool_that_wants_its_config_gets_it() -> None:
    from langchain_core.runnables import RunnableConfig

    @tool
    def who(config: RunnableConfig) -> str:
        """Say who asks."""
        return str((config.get("configurable") or {}).get("user"))

    script = [says("", call("who", "c1")), says("k")]
    agent = create_agent(Scripted(script=script), [who])
    run = recorded(lambda: agent.invoke(QUESTION, {"configurable": {"user": "mara"}}))
    for way in ("sync", "async"):
        with tracer.replay(run, models="live", live=["who"]):
            settings: Any = {"configurable": {"user": "ole"}}
            found = (
                agent.invoke(QUESTION, settings)
                if way == "sync"
                else asyncio.run(agent.ainvoke(QUESTION, settings))
            )
        assert answers(found)[0].content == "ole"


def test_a_command_is_answered_by_its_message_and_that_is_said() -> None:
    @tool
    def note(text: str, runtime: ToolRuntime) -> Command[Any]:
        """Take a note."""
        message = ToolMessage("noted", tool_call_id=runtime.tool_call_id or "")
        return Command(update={"messages": [message], "notes": [text]})

    class Notes(AgentState[Any]):
        notes: list[str]

    def agent(model: type[Scripted]) -> Any:
        script = [says("", call("note", "c1", text="hello")), says("k")]
        return create_agent(model(script=script), [note], state_schema=Notes)

    run = recorded(lambda: invoke(agent(Scripted)))
    with tracer.replay(run) as session:
        assert "notes" not in session.run(agent(Forbidden))
    assert [d.what for d in session.differences] == ["command"]
    with tracer.replay(run, live=["note"]) as session:
        assert session.run(agent(Forbidden))["notes"] == ["hello"]
    assert session.differences == []


class Caller(BaseTool):
    """A tool with a coroutine of its own, as some clients of tool servers have."""

    name: str = "ring"
    description: str = "Ring somebody up."
    rung: Any  # a list would be copied

    def _run(self, to: str) -> str:
        raise NotImplementedError

    async def _arun(self, to: str, run_manager: Any = None) -> str:
        assert run_manager is not None
        self.rung.append(to)
        return f"rang {to}"


def coroutine(rung: list[str]) -> BaseTool:
    @tool
    async def ring(to: str) -> str:
        """Ring somebody up."""
        rung.append(to)
        return f"rang {to}"

    return ring


@pytest.mark.parametrize("make", [coroutine, lambda rung: Caller(rung=rung)])
def test_tools_that_are_coroutines_are_answered_and_run_only_when_live(make: Any) -> None:
    def agent(model: type[Scripted], to: str, rung: list[str]) -> Any:
        script = [says("", call("ring", "c1", to=to)), says("k")]
        return create_agent(model(script=script), [make(rung)])

    async def invent(name: str, arguments: Any) -> str:
        return f"as if {arguments['to']}"

    run = recorded(lambda: asyncio.run(agent(Scripted, "mara", []).ainvoke(QUESTION)))
    rung: list[str] = []
    said = []
    ways: list[dict[str, Any]] = [
        {}, {"models": "live", "on_miss": invent}, {"models": "live", "on_miss": "live"},
        {"live": ["ring"]},
    ]  # fmt: skip
    for options in ways:
        model = Scripted if "models" in options else Forbidden
        with tracer.replay(run, **options) as session:
            found = asyncio.run(session.arun(agent(model, "ole", rung)))
        said.append(answers(found)[0].content)
    assert said == ["rang mara", "as if ole", "rang ole", "rang mara"]
    assert rung == ["ole", "mara"]


def test_an_answer_that_was_given_elsewhere_will_do_at_last() -> None:
    inner = create_agent(Scripted(script=ONE_CALL), [lookup], name="helper")
    script = [says("", call("ask", "c9", topic="A-1")), says("k")]
    outer = create_agent(Scripted(script=script), [delegating(inner)], name="support")
    run = recorded(lambda: invoke(outer))
    with tracer.replay(run, models="live") as session:
        found = session.run(create_agent(Scripted(script=ONE_CALL), [lookup], name="support"))
    assert answers(found)[0].content == "A-1 was shipped"
    assert [d.what for d in session.differences] == ["not called"]
