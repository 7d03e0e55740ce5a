"""A LangChain agent that looks things up: the retrieval is a step inside of the tool's step.

python examples/retrieval.py
"""

from typing import Any

from langchain.agents import create_agent
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import tool
from scripted import model, says

import tracer

POLICIES = [
    Document("Orders more than 3 days late get a 10 % refund.", id="P-7", metadata={"year": 2026}),
    Document("Refunds are paid within 5 working days.", id="P-2", metadata={"year": 2025}),
    Document("Batteries may not be sent by air.", id="P-9", metadata={"year": 2024}),
]


class Policies(BaseRetriever):
    """Finds the policies that share most words with the question."""

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        words = set(query.lower().split())
        return sorted(POLICIES, key=lambda d: -len(words & set(d.page_content.lower().split())))[:2]


@tool
def search_policy(query: str) -> str:
    """Search the refund and shipping policy."""
    return "\n".join(d.page_content for d in Policies().invoke(query))


def main() -> str:
    """Ask once, and let a check of the answer stand beside it."""
    agent: Any = create_agent(
        model(
            says(search_policy={"query": "late orders refund"}),
            says("Orders more than three days late get 10 % back, within five working days."),
        ),
        [search_policy],
        system_prompt="Answer from the policy only.",
        name="policy_bot",
    )
    with tracer.trajectory("policy_desk", session="demo-2") as run:
        answer = str(
            agent.invoke({"messages": [("user", "Is a late order refunded?")]})["messages"][
                -1
            ].content
        )
        tracer.evaluation("Groundedness", 1.0, "pass", "both claims stand in P-7 and P-2")
        run.answer(answer)
    if run.id:
        tracer.feedback(run.id, "thumbs", value=1, label="pass", by="user-77")
    return answer


if __name__ == "__main__":
    tracer.instrument(service="example-retrieval")
    print(main())
    tracer.flush(5)
