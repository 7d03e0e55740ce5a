"""Guardrails' decisions are steps, and what they took back leaves by no other way."""

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    PIIMiddleware,
    ToolCallLimitMiddleware,
    hook_config,
)
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool

import tracer
from tests.unit.tracer.conftest import Spans
from tests.unit.tracer.harness import steps, tree, value
from tests.unit.tracer.scripted import Scripted, call, says
from waypost import names

SECRET = "customer 555-CODE"


@tool
def lookup(order_id: str) -> str:
    """Look up."""
    return f"{order_id} of {SECRET}"


def guarded(*script: Any, **flags: bool) -> Any:
    """An agent that takes `555-CODE` back; our own redaction does not know this word."""
    pii = PIIMiddleware("code", detector=r"555-CODE", strategy="redact", **flags)
    return create_agent(Scripted(script=list(script)), [lookup], middleware=[pii], name="a")


@pytest.fixture
def off(record: Any) -> Spans:
    found: Spans = record(redact="off")
    return found


def everything(spans: Spans) -> str:
    return "\n".join(str(s.attributes) + str(s.events) + str(s.status.description) for s in spans())


ALL = {"apply_to_input": True, "apply_to_output": True, "apply_to_tool_results": True}


def test_what_pii_middleware_removed_is_exported_nowhere(off: Spans) -> None:
    script = [says("", call("lookup", order_id="A-1")), says(f"it is {SECRET}")]
    guarded(*script, **ALL).invoke({"messages": [HumanMessage(f"I am {SECRET}")]})
    assert "555-CODE" not in everything(off)
    found = [s for s in steps(off()) if value(s, names.KIND) != "guardrail"]
    assert "[REDACTED_CODE]" in value(found[1], names.TOOL_RESULT)
    assert "[REDACTED_CODE]" in value(found[2], names.OUTPUT)
    assert "[REDACTED_CODE]" in value(off()[-1], names.OUTPUT)
    assert value(off()[-1], names.FINAL_STEP) == value(found[2], names.STEP)


def test_each_rewrite_is_a_guardrail_step(off: Spans) -> None:
    guarded(says("ok"), **ALL).invoke({"messages": [HumanMessage(f"I am {SECRET}")]})
    assert (
        tree(off())
        == """\
run(a) final=2 steps=2
  1 guardrail PIIMiddleware[code]
  2 llm scripted t1"""
    )
    assert value(steps(off())[0], names.GUARD_ACTION) == "rewrite"


def test_pii_that_blocks_is_a_blocked_step_without_the_text(off: Spans) -> None:
    pii = PIIMiddleware("code", detector=r"555-CODE", strategy="block")
    agent = create_agent(Scripted(script=[says("x")]), [], middleware=[pii], name="a")
    with pytest.raises(Exception, match="code"):
        agent.invoke({"messages": [HumanMessage(f"I am {SECRET}")]})
    assert "555-CODE" not in everything(off)
    assert "1 guardrail PIIMiddleware[code] !blocked" in tree(off())


def test_without_such_a_middleware_nothing_waits(off: Spans) -> None:
    agent = create_agent(Scripted(script=[says(f"it is {SECRET}")]), [], name="a")
    agent.invoke({"messages": [HumanMessage("q")]})
    assert SECRET in everything(off)


class NoRefunds(AgentMiddleware[Any, Any]):
    """A guard as its user writes it."""

    @hook_config(can_jump_to=["end"])
    def before_agent(self, state: Any, runtime: Any) -> Any:
        return {"messages": [AIMessage("not here")], "jump_to": "end"}


def test_a_guard_that_ends_the_run_is_a_blocked_step(spans: Spans) -> None:
    agent = create_agent(Scripted(script=[says("x")]), [], middleware=[NoRefunds()], name="a")
    agent.invoke({"messages": [HumanMessage("refund")]})
    (step,) = steps(spans())
    assert tree(spans()).splitlines()[1] == "  1 guardrail NoRefunds !blocked"
    assert value(step, names.GUARD_REASON) == "not here"
    assert value(step, names.GUARD_STAGE) == "input"


def test_a_call_over_the_limit_was_not_executed(spans: Spans) -> None:
    script = [says("", call("lookup", f"c{n}", order_id="A")) for n in range(3)]
    limit = ToolCallLimitMiddleware(run_limit=1, exit_behavior="continue")
    agent = create_agent(
        Scripted(script=[*script[:2], says("ok")]), [lookup], middleware=[limit], name="a"
    )
    agent.invoke({"messages": [HumanMessage("q")]})
    shown = tree(spans())
    assert shown.count("tool lookup t1\n") == 1
    assert "tool lookup t2 !not_executed" in shown


def test_a_guardrail_of_ones_own(spans: Spans) -> None:
    with tracer.trajectory("a"), tracer.guardrail("Injection", stage="input", policy="p1") as here:
        here.set(action="block", reason="it says ignore all")
    (step,) = steps(spans())
    assert value(step, names.STATUS) == "blocked"
    assert value(step, names.GUARD_NAME) == "Injection"
    assert value(step, names.GUARD_POLICY) == "p1"
    assert value(step, names.OPERATION) == "apply_guardrail"
