"""A run that waits for a person and the run that goes on are one trajectory."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

from tests.shared import ROOT
from tests.unit.tracer.conftest import Spans
from tests.unit.tracer.harness import arguments, roots, steps, tree, value
from tests.unit.tracer.scripted import Scripted, call, says
from waypost import names

QUESTION: Any = {"messages": [HumanMessage("refund A-1")]}
CONFIG: Any = {"configurable": {"thread_id": "t-1"}}


@tool
def refund(order_id: str, amount: int) -> str:
    """Pay money back."""
    return f"refunded {amount} on {order_id}"


def reviewed(*calls: Any) -> Any:
    """An agent whose refunds a person reviews."""
    script = [
        says("", *(calls or (call("refund", "c1", order_id="A-1", amount=20),))),
        says("done"),
    ]
    return create_agent(
        Scripted(script=script), [refund], name="refunds", checkpointer=InMemorySaver(),
        middleware=[HumanInTheLoopMiddleware(interrupt_on={"refund": True})],
    )  # fmt: skip


def answer(agent: Any, *decisions: Any) -> None:
    agent.invoke(QUESTION, CONFIG)
    agent.invoke(Command(resume={"decisions": list(decisions)}), CONFIG)


PAUSED = "run(refunds) !interrupted steps=1\n  1 llm scripted t1\n"


def test_approve(spans: Spans) -> None:
    answer(reviewed(), {"type": "approve"})
    assert (
        tree(spans())
        == PAUSED
        + """\
run(refunds) final=4 steps=4
  2 human approve
  3 tool refund t1
  4 llm scripted t2"""
    )
    human = steps(spans())[1]
    assert value(human, names.TOOL_CALL_ID) == "c1"


def test_edit(spans: Spans) -> None:
    edited = {"name": "refund", "args": {"order_id": "A-1", "amount": 5}}
    answer(reviewed(), {"type": "edit", "edited_action": edited})
    _, human, ran, _ = steps(spans())
    assert value(human, names.HUMAN_DECISION) == "edit"
    assert arguments(human) == arguments(ran) == {"order_id": "A-1", "amount": 5}


def test_reject(spans: Spans) -> None:
    answer(reviewed(), {"type": "reject", "message": "too much"})
    assert (
        tree(spans())
        == PAUSED
        + """\
run(refunds) final=4 steps=4
  2 human reject
  3 tool refund t1 !not_executed
  4 llm scripted t2"""
    )
    _, human, refused, _ = steps(spans())
    assert value(human, names.HUMAN_COMMENT) == "too much"
    assert arguments(refused) == {"order_id": "A-1", "amount": 20}
    assert "too much" in value(refused, names.TOOL_RESULT)


def test_two_decisions_are_two_steps(spans: Spans) -> None:
    calls = [call("refund", f"c{n}", order_id=f"A-{n}", amount=n) for n in (1, 2)]
    answer(reviewed(*calls), {"type": "approve"}, {"type": "reject"})
    humans = [s for s in steps(spans()) if value(s, names.KIND) == "human"]
    assert [value(s, names.TOOL_CALL_ID) for s in humans] == ["c1", "c2"]
    assert [value(s, names.HUMAN_DECISION) for s in humans] == ["approve", "reject"]


def test_pause_and_resume_are_one_trajectory_with_a_link(spans: Spans) -> None:
    answer(reviewed(), {"type": "approve"})
    first, second = roots(spans())
    assert value(first, names.TRAJECTORY_ID) == value(second, names.TRAJECTORY_ID)
    (link,) = second.links
    assert first.context is not None
    assert link.context.trace_id == first.context.trace_id
    assert link.context.span_id == first.context.span_id
    assert first.status.is_unset
    assert {value(s, names.TRAJECTORY_ID) for s in spans()} == {value(first, names.TRAJECTORY_ID)}
    assert {value(s, names.SESSION) for s in spans()} == {"t-1"}


@tool
def pay(amount: int) -> str:
    """Asks a person inside of the tool."""
    said = interrupt({"pay": amount})
    return f"paid {said['amount']}"


def paying() -> Any:
    script = [says("", call("pay", "c1", amount=20)), says("done")]
    return create_agent(Scripted(script=script), [pay], name="payer", checkpointer=InMemorySaver())


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_tool_that_waits_is_interrupted_and_runs_again(spans: Spans, way: str) -> None:
    agent = paying()
    go_on: Any = Command(
        resume={"decision": "edit", "amount": 9, "reviewer": "r-3", "comment": "half"}
    )
    if way == "sync":
        agent.invoke(QUESTION, CONFIG)
        agent.invoke(go_on, CONFIG)
    else:

        async def both() -> None:
            await agent.ainvoke(QUESTION, CONFIG)
            await agent.ainvoke(go_on, CONFIG)

        asyncio.run(both())
    assert (
        tree(spans())
        == """\
run(payer) !interrupted steps=2
  1 llm scripted t1
  2 tool pay t1 !interrupted
run(payer) final=5 steps=5
  3 human edit
  4 tool pay t1 attempt=2
  5 llm scripted t2"""
    )
    human = steps(spans())[2]
    assert value(human, names.HUMAN_REVIEWER) == "r-3"
    assert value(human, names.HUMAN_COMMENT) == "half"
    assert value(human, names.TOOL_CALL_ID) == "c1"


def test_a_streamed_run_that_waits_is_interrupted_too(spans: Spans) -> None:
    agent = paying()
    list(agent.stream(QUESTION, CONFIG, stream_mode="updates"))
    list(agent.stream(Command(resume={"amount": 1}), CONFIG, stream_mode="updates"))
    assert [value(r, names.STATUS) for r in roots(spans())] == ["interrupted", None]
    assert [value(s, names.STEP) for s in steps(spans())] == [1, 2, 3, 4, 5]


def test_a_plain_answer_is_a_response(spans: Spans) -> None:
    agent = paying()
    agent.invoke(QUESTION, CONFIG)
    agent.invoke(Command(resume={"amount": 1}), CONFIG)
    assert "3 human respond" in tree(spans())


def test_a_new_question_on_a_thread_is_a_new_trajectory(spans: Spans) -> None:
    agent = create_agent(
        Scripted(script=[says("one"), says("two")]), [], name="a", checkpointer=InMemorySaver()
    )
    agent.invoke(QUESTION, CONFIG)
    agent.invoke(QUESTION, CONFIG)
    assert len({value(r, names.TRAJECTORY_ID) for r in roots(spans())}) == 2


RESUMER = """
import json, sys
import tracer
from tests.unit.tracer.harness import Memory, tree
from tests.unit.tracer.test_humans import CONFIG, QUESTION, reviewed
from langgraph.types import Command
import pickle
memory = Memory()
tracer.instrument(exporter=memory, pauses=sys.argv[1])
agent = reviewed()
store = sys.argv[2]
if sys.argv[3] == "ask":
    agent.invoke(QUESTION, CONFIG)
    saver = agent.checkpointer
    storage = {k: {n: dict(c) for n, c in v.items()} for k, v in saver.storage.items()}
    writes = {k: dict(v) for k, v in saver.writes.items()}
    pickle.dump((storage, writes, dict(saver.blobs)), open(store, "wb"))
else:
    storage, writes, blobs = pickle.load(open(store, "rb"))
    for thread, found in storage.items():
        for ns, checkpoints in found.items():
            agent.checkpointer.storage[thread][ns].update(checkpoints)
    for key, found in writes.items():
        agent.checkpointer.writes[key].update(found)
    agent.checkpointer.blobs.update(blobs)
    agent.invoke(Command(resume={"decisions": [{"type": "reject", "message": "no"}]}), CONFIG)
tracer.flush()
print(json.dumps([tree(memory.spans), memory.spans[-1].attributes["agent.trajectory.id"]]))
"""


def run_in_another_process(*args: str) -> list[str]:
    command = [sys.executable, "-c", RESUMER, *args]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
def test_a_run_resumed_in_another_process_is_the_same_trajectory(tmp_path: Path) -> None:
    places = (str(tmp_path / "pauses"), str(tmp_path / "checkpoints"))
    asked, first = run_in_another_process(*places, "ask")
    went_on, second = run_in_another_process(*places, "answer")
    assert asked + "\n" == PAUSED
    assert first == second
    assert went_on.splitlines()[1:3] == [
        "  2 human reject",
        "  3 tool refund t1 !not_executed",
    ]
    kept = next((tmp_path / "pauses").glob("*.json"))
    assert "A-1" not in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0
