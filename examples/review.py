"""A LangChain agent that waits for a person: pause and resume are one trajectory.

python examples/review.py [approve|edit|reject]
"""

import sys
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from scripted import model, says

import tracer

DECISIONS: dict[str, dict[str, Any]] = {
    "approve": {"type": "approve"},
    "edit": {
        "type": "edit",
        "edited_action": {"name": "issue_refund", "args": {"order_id": "C-56", "amount": 9.99}},
    },
    "reject": {"type": "reject", "message": "The order is older than a year."},
}


@tool
def issue_refund(order_id: str, amount: float) -> str:
    """Pay money back."""
    return f"refunded {amount} on {order_id}"


def main(decision: str = "edit") -> str:
    """Ask, wait, decide, and go on."""
    agent: Any = create_agent(
        model(
            says(issue_refund={"order_id": "C-56", "amount": 19.99}),
            says("I have done what the reviewer allowed."),
        ),
        [issue_refund],
        name="refunds",
        checkpointer=InMemorySaver(),
        middleware=[HumanInTheLoopMiddleware(interrupt_on={"issue_refund": True})],
    )
    thread: Any = {"configurable": {"thread_id": "demo-4"}}
    agent.invoke({"messages": [("user", "Please refund order C-56.")]}, thread)
    with tracer.context(reviewer="reviewer-3"):
        answer = agent.invoke(Command(resume={"decisions": [DECISIONS[decision]]}), thread)
    return str(answer["messages"][-1].content)


if __name__ == "__main__":
    tracer.instrument(service="example-review")
    print(main(*sys.argv[1:2]))
    tracer.flush(5)
