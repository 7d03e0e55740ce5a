"""One builder per record; a test says only what matters to it."""

import hashlib
from typing import Any

from waypost.records import Kind, Message, Reading, Score, Step, Tokens

NOW_NS = 1_795_000_000 * 10**9
SECOND = 10**9


def trace_id(name: str = "trace") -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def span_id(name: object = "span") -> str:
    return hashlib.sha256(str(name).encode()).hexdigest()[:16]


def user(text: str) -> Message:
    return Message("user", ({"type": "text", "content": text},))


def assistant(text: str) -> Message:
    return Message("assistant", ({"type": "text", "content": text},))


def make_step(name: str = "gpt-4o-mini", **fields: Any) -> Step:
    start = fields.pop("started_at", NOW_NS)
    return Step(
        trace_id=fields.pop("trace_id", trace_id()),
        span_id=fields.pop("span_id", span_id(name)),
        parent_id=fields.pop("parent_id", None),
        kind=fields.pop("kind", Kind.LLM),
        name=name,
        started_at=start,
        ended_at=fields.pop("ended_at", start + SECOND),
        **fields,
    )


def make_tool(name: str = "lookup_order", **fields: Any) -> Step:
    return make_step(name, kind=Kind.TOOL, tool=name, **fields)


def make_run(turns: int = 3, *, trace: str = "run", start: int = NOW_NS) -> list[Step]:
    """A root, then a model and a tool step a turn; inputs hold the whole history."""
    trace_hex = trace_id(trace)
    root = make_step(
        "agent", kind=Kind.AGENT, agent="support", trace_id=trace_hex,
        span_id=span_id((trace, "root")), started_at=start, ended_at=start + turns * 10 * SECOND,
    )  # fmt: skip
    steps, history = [root], [user(f"Question of {trace}, please answer in full.")]
    for turn in range(turns):
        answer = assistant(f"Answer {turn} of {trace}: " + "a sentence of some length. " * 8)
        began = start + turn * 10 * SECOND + 1000
        common: dict[str, Any] = {"trace_id": trace_hex, "parent_id": root.span_id}
        steps.append(
            make_step(
                "gpt-4o-mini", model="gpt-4o-mini", span_id=span_id((trace, turn, "llm")),
                started_at=began, input=tuple(history), output=(answer,),
                tokens=Tokens(100 + turn, 10), cost_usd=0.001, agent="support", **common,
            )
        )  # fmt: skip
        steps.append(
            make_tool(
                span_id=span_id((trace, turn, "tool")), started_at=began + 2 * SECOND,
                arguments={"order_id": f"A-{turn}"}, result={"status": "shipped " * 100}, **common,
            )
        )  # fmt: skip
        history += [answer, user(f"And then, number {turn} of {trace}?")]
    return steps


def readings(steps: list[Step]) -> list[Reading]:
    return [Reading(step) for step in steps]


def failed(step: Step, why: str = "wrong", **fields: Any) -> Score:
    return Score.failed(why, step=step.span_id, **fields)
