"""A LangChain agent with tools: two calls at once, one of them fails and is mended.

waypost up                      # in another terminal; then open the page it names
python examples/tools.py
"""

from typing import Any

from langchain.agents import create_agent
from langchain_core.tools import ToolException, tool
from scripted import model, says

import tracer

ORDERS = {"A-1042": {"status": "shipped", "days_late": 4, "total": 129.9}}


@tool
def look_up_order(order_id: str) -> dict[str, object]:
    """Look up an order by its id."""
    if order_id not in ORDERS:
        raise ToolException(f"there is no order {order_id}")
    return ORDERS[order_id]


@tool
def issue_refund(order_id: str, percent: int) -> str:
    """Pay a part of the price back."""
    total = float(str(ORDERS[order_id]["total"]))
    return f"refunded {total * percent / 100:.2f} on {order_id}"


look_up_order.handle_tool_error = True


def main() -> str:
    """Ask once, and give the answer."""
    agent: Any = create_agent(
        model(
            says(look_up_order={"order_id": "1042"}),
            says(look_up_order={"order_id": "A-1042"}),
            says(issue_refund={"order_id": "A-1042", "percent": 10}),
            says("Your order is four days late; 12.99 are on their way back to you."),
        ),
        [look_up_order, issue_refund],
        system_prompt="You are a support agent. Refund 10 % if an order is over 3 days late.",
        name="support",
    )
    question = {"messages": [("user", "Where is my order 1042? Am I owed a refund?")]}
    with tracer.context(session="demo-1", user="user-77", cohort={"region": "eu", "plan": "pro"}):
        answer = agent.invoke(question)
    return str(answer["messages"][-1].content)


if __name__ == "__main__":
    tracer.instrument(service="example-tools")
    print(main())
    tracer.flush(5)
