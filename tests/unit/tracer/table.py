"""Writes the table of docs/reference/langchain.md: what is recorded of each shape of an agent.

Run it with `python -m tests.unit.tracer.table`; a test fails when the table is stale.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple

from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware, ModelRetryMiddleware, PIIMiddleware
from langchain_core.messages import HumanMessage
from langchain_core.tools import ToolException
from langgraph.types import Command
from opentelemetry.sdk.trace import ReadableSpan

import tracer
from tests.shared import ROOT
from tests.unit.tracer import test_humans as humans
from tests.unit.tracer import test_shapes as shapes
from tests.unit.tracer.harness import Memory, steps, truth, value
from tests.unit.tracer.scripted import Scripted, call, says
from waypost import names

DOCUMENT: Final = ROOT / "docs" / "reference" / "langchain.md"
BEGIN, END = "<!-- table: shapes -->", "<!-- end of table -->"
Result = Any


class Shape(NamedTuple):
    """One way to build or call an agent, and the tool calls that are true of it."""

    name: str
    run: Callable[[], object]
    truth: Sequence[tuple[str, Any, Any]] = ()


ONE: Final = shapes.ONE_CALL_TRUTH
WAYS: Final = {
    "`create_agent`, invoke": shapes.invoke,
    "… stream": shapes.stream,
    "… ainvoke": shapes.ainvoke,
    "… astream": shapes.astream,
    "… astream_events": shapes.astream_events,
}


def streamed(way: Callable[[Any], None]) -> None:
    way(shapes.support(streams=True))


def by_hand() -> None:
    shapes.test_a_bare_model_with_a_hand_written_loop_is_one_trajectory(list, True)


def parallel_tools() -> None:
    calls = [call("lookup", f"c{n}", order_id=f"A-{n}") for n in (1, 2, 3)]
    shapes.invoke(shapes.support(says("", *calls), says("all shipped")))


def sub_agents() -> None:
    helper = create_agent(Scripted(script=[says("fine")]), [], name="helper")
    calls = [call("ask", "c1", topic="A-1"), call("ask", "c2", topic="A-2")]
    ask = shapes.delegating(helper)
    shapes.invoke(shapes.support(says("", *calls), says("both"), tools=[ask]))


def raw_graph() -> None:
    shapes.test_a_raw_graph_with_a_model_and_a_tool_node(list)


def send() -> None:
    shapes.test_send_and_a_raw_graph_are_one_trajectory(list)


def quietly(run: Callable[..., Any], *args: Any) -> Callable[[], None]:
    """A test's body used as a run: what it asserts is checked elsewhere."""

    def shape() -> None:
        with suppress(AssertionError, ValueError):
            run(*args)

    return shape


def unknown_tool() -> None:
    shapes.invoke(shapes.support(says("", call("nope", "c1", x=1)), says("sorry")))


def tool_raises() -> None:
    with suppress(ToolException):
        shapes.invoke(shapes.support(says("", call("fails", order_id="A-1")), tools=[shapes.fails]))


def tool_says_error() -> None:
    handled = shapes.fails.model_copy(update={"handle_tool_error": True})
    shapes.invoke(
        shapes.support(says("", call("fails", order_id="A-1")), says("k"), tools=[handled])
    )


def fallbacks() -> None:
    first = Scripted(model="big", script=[ConnectionError("away")])
    first.with_fallbacks([Scripted(model="small", script=[says("ok")])]).invoke("hi")


def retries() -> None:
    model = Scripted(script=[ConnectionError("1"), says("ok")])
    model.with_retry(stop_after_attempt=2, wait_exponential_jitter=False).invoke("hi")


def middleware() -> None:
    broken = Scripted(model="big", script=[ConnectionError("x")])
    small = ModelFallbackMiddleware(Scripted(model="small", script=[says("ok")]))
    retry = ModelRetryMiddleware(max_retries=1, initial_delay=0, jitter=False, on_failure="error")
    shapes.invoke(create_agent(broken, [], middleware=[small, retry], name="support"))


def human(decision: dict[str, Any]) -> Callable[[], None]:
    return lambda: humans.answer(humans.reviewed(), decision)


def interrupted_tool() -> None:
    agent = humans.paying()
    agent.invoke(humans.QUESTION, humans.CONFIG)
    agent.invoke(Command(resume={"decision": "approve", "amount": 20}), humans.CONFIG)


def pii() -> None:
    guard = PIIMiddleware("email", apply_to_output=True, apply_to_tool_results=True)
    agent = create_agent(Scripted(script=[says("ok")]), [], middleware=[guard], name="a")
    agent.invoke({"messages": [HumanMessage("I am mara@example.com")]})


def left() -> None:
    with suppress(StopIteration):
        shapes.left_after_one(Scripted(script=[says("a b c")], streams=True).stream("hi"))


def two_at_once() -> None:
    async def both() -> None:
        await asyncio.gather(*(shapes.support().ainvoke(shapes.QUESTION) for _ in range(2)))

    asyncio.run(both())


def bare_thread() -> None:
    quietly(shapes.test_a_model_called_in_a_bare_thread_keeps_its_parent, list, "thread")()


EDITED: Final = {"name": "refund", "args": {"order_id": "A-1", "amount": 5}}
PAID: Final = [("refund", {"order_id": "A-1", "amount": 20}, "refunded 20 on A-1")]
LESS: Final = [("refund", {"order_id": "A-1", "amount": 5}, "refunded 5 on A-1")]
ALL: Final = [
    *(Shape(name, partial(streamed, way), ONE) for name, way in WAYS.items()),
    Shape("parallel tools", parallel_tools,
          [("lookup", {"order_id": f"A-{n}"}, f"A-{n} was shipped") for n in (1, 2, 3)]),
    Shape("parallel sub-agents", sub_agents,
          [("ask", {"topic": "A-1"}, "fine"), ("ask", {"topic": "A-2"}, "fine")]),
    Shape("`Send`", quietly(send)),
    Shape("raw LangGraph with a tool node", quietly(raw_graph), ONE),
    Shape("LCEL chain", lambda: shapes.lcel().invoke({"q": "hi"})),
    Shape("bare model, hand-written loop",
          quietly(by_hand), ONE),
    Shape("classic `AgentExecutor`",
          lambda: shapes.classic(*shapes.ONE_CALL).invoke({"input": "where?"}), ONE),
    Shape("unknown tool", unknown_tool,
          [("nope", {"x": 1}, "Error: nope is not a valid tool, try one of [lookup].")]),
    Shape("tool that raises", tool_raises, [("fails", {"order_id": "A-1"}, None)]),
    Shape("`ToolMessage(status=\"error\")`", tool_says_error,
          [("fails", {"order_id": "A-1"}, "no order A-1")]),
    Shape("`with_retry`", retries),
    Shape("`with_fallbacks`", fallbacks),
    Shape("retry and fallback middleware", middleware),
    Shape("human review: approve", human({"type": "approve"}), PAID),
    Shape("human review: edit", human({"type": "edit", "edited_action": EDITED}), LESS),
    Shape("human review: reject", human({"type": "reject", "message": "no"})),
    Shape("`interrupt()` in a tool", interrupted_tool),
    Shape("`PIIMiddleware` rewrites", pii),
    Shape("a consumer that stops reading", left),
    Shape("two agents at once", two_at_once, [*ONE, *ONE]),
    Shape("model in a bare thread of a tool", bare_thread),
]  # fmt: skip


def recorded(shape: Shape) -> list[ReadableSpan]:
    """What one shape exports."""
    tracer.uninstrument()
    memory = Memory()
    with tempfile.TemporaryDirectory() as folder:
        tracer.instrument("http://127.0.0.1:1", exporter=memory, pauses=folder)
        shape.run()
        tracer.flush(10)
        tracer.uninstrument()
    return memory.spans


def row(shape: Shape) -> str:
    """One line of the table."""
    spans = recorded(shape)
    found = steps(spans)
    runs = {value(s, names.TRAJECTORY_ID) for s in spans}
    by_run = [[s for s in found if value(s, names.TRAJECTORY_ID) == run] for run in runs]
    gapless = all(
        [value(s, names.STEP) for s in some] == list(range(1, len(some) + 1)) for some in by_run
    )
    cells = [shape.name, str(len(runs)), str(_orphans(spans)), "yes" if gapless else "NO",
             _kinds(found), _true(shape, found), _notes(spans)]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def _orphans(spans: Sequence[ReadableSpan]) -> int:
    """Spans whose parent is not there, roots excepted."""
    ids = {s.context.span_id for s in spans if s.context}
    return sum(s.parent is not None and s.parent.span_id not in ids for s in spans)


def _kinds(found: Sequence[ReadableSpan]) -> str:
    counted = Counter(value(s, names.KIND) for s in found)
    return " · ".join(f"{n} {kind}" for kind, n in sorted(counted.items()))


def _true(shape: Shape, found: Sequence[ReadableSpan]) -> str:
    if not shape.truth:
        return "–"
    return "equal" if sorted(truth(found), key=str) == sorted(shape.truth, key=str) else "DIFFER"


def _notes(spans: Sequence[ReadableSpan]) -> str:
    notes: dict[str, None] = {}
    for span in sorted(spans, key=lambda s: value(s, names.STEP) or 0):
        for note in _note(span):
            notes[note] = None
    return ", ".join(notes)


def _note(span: ReadableSpan) -> Iterator[str]:
    kind = value(span, names.KIND) or "run"
    if status := value(span, names.STATUS):
        yield f"{kind} {status}"
    if value(span, names.ERROR_TYPE):
        yield f"{kind} failed"
    if attempt := value(span, names.ATTEMPT):
        yield f"attempt {attempt}"
    if tried := value(span, names.FALLBACKS):
        yield f"after {', '.join(tried)}"
    for name in (names.HUMAN_DECISION, names.GUARD_ACTION):
        if value(span, name):
            yield str(value(span, name))
    if value(span, names.FIRST_CHUNK) is not None:
        yield "time to first token"


def table() -> str:
    """The whole table."""
    head = [
        "| shape | trajectories | orphans | gapless | steps | arguments and results | also |",
        "|---|---:|---:|---|---|---|---|",
    ]
    return "\n".join([*head, *map(row, ALL)])


def main() -> None:
    text = DOCUMENT.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main()
