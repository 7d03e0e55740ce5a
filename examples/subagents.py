"""A LangGraph graph whose nodes are agents of their own: each is a scope below one trajectory.

python examples/subagents.py
"""

from typing import Any, TypedDict

from langchain.agents import create_agent
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph
from scripted import model, says

import tracer


class Desk(TypedDict, total=False):
    """What the desk works on."""

    question: str
    facts: str
    answer: str


@tool
def search_web(query: str) -> str:
    """Search."""
    return f"three pages about {query}"


def ask(agent: Any, text: str) -> str:
    return str(agent.invoke({"messages": [("user", text)]})["messages"][-1].content)


def desk() -> Any:
    """A researcher, then a writer."""
    script = (says(search_web={"query": "heat pumps"}), says("They save 40 % of the energy."))
    researcher = create_agent(model(*script), [search_web], name="researcher")
    writer = create_agent(model(says("A heat pump pays off within nine years.")), [], name="writer")

    def research(state: Desk) -> Desk:
        return {"facts": ask(researcher, state["question"])}

    def write(state: Desk) -> Desk:
        return {"answer": ask(writer, state["facts"])}

    graph = StateGraph(Desk)
    graph.add_node("research", research)
    graph.add_node("write", write)
    graph.add_edge(START, "research")
    graph.add_edge("research", "write")
    graph.add_edge("write", END)
    return graph.compile(name="desk")


def main() -> str:
    """Ask the desk once."""
    metadata = {"session_id": "demo-3", "cohort": {"team": "energy"}}
    found = desk().invoke({"question": "Does a heat pump pay off?"}, {"metadata": metadata})
    return str(found["answer"])


if __name__ == "__main__":
    tracer.instrument(service="example-subagents")
    print(main())
    tracer.flush(5)
