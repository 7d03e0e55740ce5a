"""Writes docs/reference/conventions.md: what each recorded client sends, and what is won back.

Run it with `python -m tests.conventions_table`.
"""

from collections.abc import Callable
from typing import Final

from tests.samples import load, sample
from tests.shared import ROOT
from waypost.records import Status, Step, Trajectory

DOCUMENT: Final = ROOT / "docs" / "reference" / "conventions.md"
RIGHT, RECOVERED, ABSENT, NOT_APPLICABLE = "●", "◐", "○", ""
_HEAD: Final = """# Conventions Waypost reads

A convention, or dialect, is how a client writes an agent's spans. These are the clients whose spans
become steps, and how much of each field their spans hold. The table is made from recorded spans
of the released clients by `python -m tests.conventions_table`; a test fails when it is stale.

● on the span itself · ◐ won back from a neighbour: the model's message, a log record, a nested
span · ○ not in the data this client sends · empty: the recorded runs have no such case

"""


def _share(found: list[bool | None]) -> str:
    """One mark for a field over all steps: every one right, some, or none."""
    known = [f for f in found if f is not None]
    if not known:
        return NOT_APPLICABLE
    return RIGHT if all(known) else ABSENT if not any(known) else RECOVERED


def _arguments(runs: list[Trajectory]) -> str:
    tools = [s for t in runs for s in t.tool_steps]
    if not tools:
        return NOT_APPLICABLE
    if all(s.arguments is None for s in tools):
        return ABSENT
    return RECOVERED if any(s.arguments_from == "model_message" for s in tools) else RIGHT


def _results(runs: list[Trajectory]) -> str:
    tools = [s for t in runs for s in t.tool_steps if s.status is Status.OK]
    if tools and any(s.derived and s.result is not None for s in tools):
        return RECOVERED
    return _share([s.result is not None for s in tools])


def _call_ids(runs: list[Trajectory], single: list[Step]) -> str:
    tools = [s for t in runs for s in t.tool_steps]
    own = {s.span_id for s in single if s.call_id}
    if tools and all(s.call_id for s in tools):
        return RIGHT if all(s.span_id in own for s in tools) else RECOVERED
    return _share([s.call_id is not None for s in tools])


def _messages(runs: list[Trajectory], single: list[Step]) -> str:
    models = [s for t in runs for s in t.model_steps]
    if not models:
        return ABSENT
    own = {s.span_id for s in single if s.input and s.output}
    if all(s.input and s.output for s in models):
        return RIGHT if all(s.span_id in own for s in models) else RECOVERED
    return _share([bool(s.input and s.output) for s in models])


def _of_models(runs: list[Trajectory], pick: Callable[[Step], object]) -> str:
    return _share([pick(s) is not None for t in runs for s in t.model_steps]) or ABSENT


def _of_runs(runs: list[Trajectory], pick: Callable[[Trajectory], object]) -> str:
    return _share([bool(pick(t)) for t in runs])


def _cached(runs: list[Trajectory]) -> str:
    """A client may leave a count out when it is zero."""
    known = any(s.tokens.cache_read is not None for t in runs for s in t.model_steps)
    return RIGHT if known else ABSENT


def _interrupt(runs: list[Trajectory], scenarios: list[str]) -> str:
    if not any("interrupt" in s for s in scenarios):
        return NOT_APPLICABLE
    told = any(
        s.status is Status.INTERRUPTED for t in runs for s in (*t.steps, *t.scopes) if not s.derived
    )
    return RIGHT if told else RECOVERED


def _row(name: str) -> list[str]:
    truth = load("expected.json")[name]
    samples = [sample(name, found["trajectory_trace_ids"]) for found in truth.values()]
    runs = [s.assembled() for s in samples]
    single = [r.step for s in samples for r in s.readings]
    readers = sorted({c for t in runs for c in t.conventions})
    return [
        f"`{name}`",
        ", ".join(readers),
        _messages(runs, single),
        _arguments(runs),
        _results(runs),
        _call_ids(runs, single),
        _of_models(runs, lambda s: s.tokens.input),
        _cached(runs),
        _of_models(runs, lambda s: s.model or s.model_requested),
        _of_runs(runs, lambda t: t.session),
        _of_runs(runs, lambda t: t.user),
        _of_runs(runs, lambda t: t.cohort),
        _interrupt(runs, list(truth)),
    ]


_COLUMNS: Final = (
    "recorded client", "read as", "messages", "arguments", "results", "call ids", "tokens",
    "cached", "model", "session", "user", "cohort", "interrupt",
)  # fmt: skip


def render() -> str:
    """The whole document."""
    rows = [_row(name) for name in sorted(load("expected.json"))]
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|" + "---|" * len(_COLUMNS)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return _HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    DOCUMENT.parent.mkdir(parents=True, exist_ok=True)
    DOCUMENT.write_text(render())
