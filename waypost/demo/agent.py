"""The benefits assistant: tools, a specialist for housing, a person who approves payroll."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import HumanMessage
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from waypost.demo.clock import Clock
from waypost.demo.knowledge import Pages
from waypost.demo.model import Script, ScriptedModel

PROMPTS = {
    "v13": "You are the benefits assistant. Answer from the handbook. Be brief.",
    "v14": "You are the benefits assistant. Answer only from the pages you retrieved, and say so "
    "when they do not cover the question. Changes of payroll need a person's approval.",
    "v15": "You are the benefits assistant. Be as helpful and complete as you can, so that nobody "
    "has to ask twice. Changes of payroll need a person's approval.",
}


@dataclass(frozen=True, slots=True)
class Office:
    """Everything the demo's runs share."""

    clock: Clock
    script: Script
    pages: Pages
    tools: tuple[BaseTool, ...]
    saver: InMemorySaver


def make_office(clock: Clock) -> Office:
    """An office with its handbook and its tools."""
    script, pages = Script(), Pages(clock)
    return Office(clock, script, pages, _tools(clock, pages, script), InMemorySaver())


def _tools(clock: Clock, pages: Pages, script: Script) -> tuple[BaseTool, ...]:
    @tool
    def search_handbook(query: str) -> str:
        """Search the benefits handbook and return the pages that fit best."""
        found = pages.invoke(query)
        return "\n\n".join(f"[{d.id}] {d.page_content}" for d in found)

    @tool
    def lookup_claim(claim_id: str) -> dict[str, Any]:
        """Look up a claim by its id, such as C-2041."""
        clock.pass_seconds(0.4)
        if not claim_id.startswith("C-"):
            raise ValueError(f"no claim has the id {claim_id!r}")
        amount = 80 + int(claim_id[2:]) % 17 * 12
        return {"claim_id": claim_id, "status": "approved", "amount_eur": amount}

    @tool
    def change_payroll(employee_id: str, amount_eur: float, reason: str) -> str:
        """Change an employee's next payment. A person must approve it."""
        clock.pass_seconds(0.8)
        return f"payroll of {employee_id} changed by {amount_eur} EUR: {reason}"

    @tool
    def send_email(to: str, subject: str, body: str) -> str:
        """Send an e-mail to an employee of the office."""
        clock.pass_seconds(0.5)
        return f"sent to {to}: {subject} ({len(body)} characters)"

    @tool
    def export_payroll(scope: str, destination: str) -> str:
        """Export payroll records. For the payroll department only."""
        clock.pass_seconds(1.5)
        return f"exported {scope} to {destination}: 4,212 records"

    @tool
    def ask_housing_specialist(question: str) -> str:
        """Hand a difficult question about housing over to the specialist."""
        specialist = create_agent(
            ScriptedModel(model="gpt-4o-mini", script=script, clock=clock),
            tools=[search_handbook],
            system_prompt="You know everything about housing benefits. Answer from the handbook.",
            name="housing_specialist",
        )
        answer = specialist.invoke({"messages": [HumanMessage(question)]})
        return str(answer["messages"][-1].content)

    return (
        search_handbook, lookup_claim, change_payroll, send_email, export_payroll,
        ask_housing_specialist,
    )  # fmt: skip


def make_agent(office: Office, *, model: str, prompt: str) -> Any:
    """The assistant on one model and one version of its prompt."""
    return create_agent(
        ScriptedModel(model=model, script=office.script, clock=office.clock),
        tools=list(office.tools),
        system_prompt=PROMPTS[prompt],
        middleware=[HumanInTheLoopMiddleware(interrupt_on={"change_payroll": True})],
        checkpointer=office.saver,
        name="benefits_assistant",
    )


def run(
    agent: Any, office: Office, question: str, *, thread: str, decisions: Sequence[str]
) -> None:
    """One conversation: the question, and a person's decision on each payroll change."""
    config = {"configurable": {"thread_id": thread}}
    result = agent.invoke({"messages": [HumanMessage(question)]}, config)
    for decision in decisions:
        if "__interrupt__" not in result:
            return
        office.clock.pass_seconds(95)
        answer: dict[str, Any] = {"type": decision}
        if decision == "reject":
            answer["message"] = "The amount does not match the claim."
        result = agent.invoke(Command(resume={"decisions": [answer]}), config)
