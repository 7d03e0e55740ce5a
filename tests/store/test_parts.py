"""A part of a long run holds the steps around one, with the numbers they have in the whole."""

import datetime as dt
from collections.abc import Iterator

import pytest
from sqlalchemy.engine import Connection, Engine

from tests import seed
from tests.factories import NOW_NS, SECOND, make_run, trace_id
from waypost.assembly import assemble
from waypost.records import Reading, Score, Trajectory
from waypost.store import parts, runs, scores
from waypost.store.ingest import Writer
from waypost.store.partitions import ensure_days

TRACE = trace_id("long")


@pytest.fixture
def whole(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Trajectory:
    """A run of 60 steps, of which a part has ten on each side; steps 30 and 50 failed."""
    monkeypatch.setattr(parts, "_AROUND", 10)
    monkeypatch.setattr(parts, "LONG", 50)
    built = make_run(30, trace="long", start=NOW_NS - 600 * SECOND)
    day = dt.datetime.fromtimestamp(NOW_NS / SECOND, dt.UTC).date()
    ensure_days(engine, [day + dt.timedelta(days=d) for d in (-1, 0, 1)])
    with Writer(engine).batch() as batch:
        batch.put(
            1, [Reading(s) for s in built], now=dt.datetime.fromtimestamp(NOW_NS / SECOND, dt.UTC)
        )
    run = assemble(built, cohort_keys=seed.KEYS)
    bad = [
        (
            run.steps[n - 1],
            Score.failed("no", step=run.steps[n - 1].span_id, evaluator="goal", version="1"),
        )
        for n in (30, 50)
    ]
    with engine.begin() as connection:
        ids = scores.evaluator_ids(connection, 1, [("goal", "1", "code")])
        seed.settle(connection, run, bad, {"goal": next(iter(ids.values()))})
        found = runs.load(connection, 1, TRACE, cohort_keys=seed.KEYS)
    assert found is not None
    return found


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as made:
        yield made


@pytest.mark.parametrize("number", [1, 17, 30, 59, 60, 10_000])
def test_steps_of_a_part_are_those_of_the_whole(
    whole: Trajectory, connection: Connection, number: int
) -> None:
    part = parts.around(connection, 1, TRACE, number, cohort_keys=seed.KEYS)
    assert part is not None
    assert part.total == 60
    for step in part.run.steps:
        other = whole.step(step.number or 0)
        assert other is not None
        assert (step.span_id, step.input, step.output, step.result) == (
            other.span_id, other.input, other.output, other.result
        )  # fmt: skip
    assert min(number, 60) in {s.number for s in part.run.steps}
    assert part.run.cohort == whole.cohort


def test_without_a_number_a_part_holds_the_first_bad_step(
    whole: Trajectory, connection: Connection
) -> None:
    part = parts.around(connection, 1, TRACE)
    assert part is not None
    assert part.first_bad == 30
    assert part.before < 30 <= part.before + len(part.run.steps)


def test_failures_are_found_beyond_a_part(whole: Trajectory, connection: Connection) -> None:
    assert parts.failing(connection, 1, TRACE, 1, forward=True) == 30
    assert parts.failing(connection, 1, TRACE, 30, forward=True) == 50
    assert parts.failing(connection, 1, TRACE, 50, forward=True) is None
    assert parts.failing(connection, 1, TRACE, 50, forward=False) == 30


def test_an_unknown_run_has_no_part(whole: Trajectory, connection: Connection) -> None:
    assert parts.is_long(connection, 1, TRACE)
    assert not parts.is_long(connection, 1, "f" * 32)
    assert parts.around(connection, 1, "f" * 32) is None
    assert parts.around(connection, 2, TRACE) is None
    assert parts.failing(connection, 1, "f" * 32, 1, forward=True) is None
