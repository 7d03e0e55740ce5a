"""Small builders of steps and runs for judges' tests; a test says only what matters to it."""

from typing import Any

from waypost.records import Document, Json, Kind, Message, Step, Trajectory

SECOND = 1_000_000_000


def say(role: str, text: str, *calls: dict[str, Json]) -> Message:
    parts: list[dict[str, Json]] = [{"type": "text", "content": text}] if text else []
    return Message(role, (*parts, *({"type": "tool_call", **c} for c in calls)))


def step(kind: Kind, name: str = "", **more: Any) -> Step:
    return Step(
        trace_id="t",
        span_id=more.pop("id", "s"),
        parent_id=None,
        kind=kind,
        name=name or kind.value,
        started_at=more.pop("started_at", SECOND),
        ended_at=more.pop("ended_at", 2 * SECOND),
        **more,
    )


def model(answer: str = "", *, asked: str = "", system: str = "", **more: Any) -> Step:
    messages = (say("user", asked),) if asked else ()
    return step(
        Kind.LLM,
        "chat",
        input=more.pop("input", messages),
        output=more.pop("output", (say("assistant", answer),)),
        system=({"type": "text", "content": system},) if system else None,
        **more,
    )


def tool(name: str, arguments: Json = None, result: Json = "ok", **more: Any) -> Step:
    return step(Kind.TOOL, name, tool=name, arguments=arguments, result=result, **more)


def retrieval(*texts: str, **more: Any) -> Step:
    documents = tuple(Document(content=t) for t in texts)
    return step(Kind.RETRIEVAL, "search", documents=documents, **more)


def run_of(*steps: Step, **more: Any) -> Trajectory:
    """The steps as one run, numbered and with ids and times in order."""
    numbered = tuple(
        s.replace(
            number=n,
            span_id=f"{n:016x}",
            started_at=n * SECOND,
            ended_at=n * SECOND + max(1, s.duration),
        )
        for n, s in enumerate(steps, 1)
    )
    return Trajectory(
        "t",
        ("t",),
        numbered,
        started_at=SECOND,
        ended_at=(len(steps) + 1) * SECOND,
        final_step=len(steps) or None,
        **more,
    )
