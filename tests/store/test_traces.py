"""The list of runs: a run that goes on in a second trace is found by what happened there."""

import datetime as dt

import pytest
from sqlalchemy.engine import Engine

from tests import seed
from tests.factories import SECOND, make_step, span_id, trace_id
from waypost.assembly import assemble
from waypost.records import Kind, Reading, Score
from waypost.store import scores, traces
from waypost.store.ingest import Writer
from waypost.store.traces import Filter

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
FIRST, SECOND_TRACE = trace_id("asked"), trace_id("approved")


@pytest.fixture
def paused(any_engine: Engine) -> int:
    """A run that waited for a person, and failed a judge after that; the judge's id."""
    began = int(NOW.timestamp() - 600) * SECOND
    made = [
        make_step("agent", kind=Kind.AGENT, trace_id=FIRST, span_id=span_id("a"), started_at=began),
        make_step("ask", trace_id=FIRST, span_id=span_id("b"), started_at=began + SECOND),
        make_step("agent", kind=Kind.AGENT, trace_id=SECOND_TRACE, span_id=span_id("c"),
                  trajectory_id=FIRST, started_at=began + 60 * SECOND),
        make_step("pay", kind=Kind.TOOL, tool="pay", trace_id=SECOND_TRACE, span_id=span_id("d"),
                  trajectory_id=FIRST, started_at=began + 61 * SECOND),
    ]  # fmt: skip
    with Writer(any_engine).batch() as batch:
        batch.put(1, [Reading(s) for s in made], now=NOW)
    run = assemble(made)
    paid = next(s for s in run.steps if s.tool == "pay")
    with any_engine.begin() as connection:
        (known,) = scores.evaluator_ids(connection, 1, [("goal", "1", "code")]).values()
        bad = Score.failed("no", step=paid.span_id, evaluator="goal", version="1")
        seed.settle(connection, run, [(paid, bad)], {"goal": known})
    return known


def test_it_is_found_by_a_failure_and_a_tool_of_its_second_trace(
    any_engine: Engine, paused: int
) -> None:
    window = NOW - dt.timedelta(hours=1), NOW + dt.timedelta(hours=1)
    with any_engine.connect() as connection:
        for wanted in (
            Filter(*window, evaluator_ids=(paused,)), Filter(*window, tool="pay"), Filter(*window),
        ):  # fmt: skip
            (row,) = traces.page(connection, 1, wanted)
            assert (row.trace_id, row.fails) == (FIRST, 1)
            assert traces.failing(connection, 1, [row]) == {FIRST: ["goal"]}
        assert traces.page(connection, 1, Filter(*window, evaluator_ids=(paused + 1,))) == []
