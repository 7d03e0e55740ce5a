"""An agent without LangChain: a loop of one's own, recorded with the tracer's verbs.

    python examples/plain.py

With WAYPOST_EXAMPLE_MODEL set, the two answers come from that model.
"""

from scripted import model, says

import tracer

NOTES = [{"id": "n1", "content": "prefers e-mail"}]
MODEL = "scripted"


def ask(question: str, scripted: str) -> str:
    """One call of a model, as any client makes it."""
    return str(model(says(scripted)).invoke(question).content)


@tracer.step("tool")
def convert(amount: float, rate: float) -> float:
    """A tool: its arguments and its result are recorded."""
    return round(amount * rate, 2)


def main() -> str:
    """Plan, remember, calculate, check, answer."""
    with tracer.trajectory("travel_desk", input="What is 100 CHF in EUR?", session="demo-5") as run:
        with tracer.step("plan", "outline") as plan:
            plan.set(result=ask("Plan in one line.", "Look up the rate, then convert."))
        with tracer.memory("search", "profiles", query="user-12", records=NOTES):
            pass
        with tracer.retrieval("rates", "CHF EUR", top_k=1) as found:
            found.set(documents=[{"id": "2026-11-20", "content": "1 CHF = 1.07 EUR", "score": 1.0}])
        euros = convert(100, rate=1.07)
        answer = ask(f"Say that it is {euros} EUR.", f"100 CHF are {euros} EUR.")
        with tracer.guardrail("numbers", stage="output") as guard:
            guard.set(action="allow" if str(euros) in answer else "review")
        with tracer.handoff("mailer", sender="travel_desk"):
            pass
        run.answer(answer)
    return answer


if __name__ == "__main__":
    tracer.instrument(service="example-plain")
    print(main())
    tracer.flush(5)
