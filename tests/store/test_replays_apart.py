"""A replay is an experiment: what names no environment counts none, what names it counts it."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.engine import Connection, Engine

from tests.factories import NOW_NS, SECOND
from tests.planted import Planted, count_all, plant, verdict_of
from waypost.store import explain, rates, run_rates
from waypost.store.measures import Measure
from waypost.store.partitions import ensure_days
from waypost.store.rates import HOUR, Where, Window

NOW = dt.datetime.fromtimestamp(NOW_NS / SECOND, dt.UTC)
WINDOW = Window(NOW - 5 * HOUR, NOW + HOUR)
AGENT = {"model": "haiku"}
OTHER: dict[str, str] = {**AGENT, "environment": "production"}
REPLAY: dict[str, str] = {**AGENT, "environment": "replay", "trial": "v16"}
Count = Callable[[Connection, Where | None], float]


@pytest.fixture
def connection(engine: Engine) -> Any:
    """Two runs of no environment, three of production, five replays of which all fail."""
    ensure_days(engine, [NOW.date() + dt.timedelta(days=n) for n in range(-1, 2)])
    cohorts = [AGENT] * 2 + [OTHER] * 3 + [REPLAY] * 5
    with engine.begin() as opened:
        runs = [
            Planted(f"run {n}", NOW - dt.timedelta(minutes=n), values,
                    {"grounded": verdict_of(values is REPLAY)}, errors=int(values is REPLAY))
            for n, values in enumerate(cohorts)
        ]  # fmt: skip
        plant(opened, runs, now=NOW)
        count_all(opened)
    with engine.connect() as opened:
        yield opened


def by_rate(connection: Connection, where: Where | None) -> float:
    return sum(c.rate.n for c in rates.by_cohort(connection, 1, WINDOW, where=where))


def by_line(connection: Connection, where: Where | None) -> float:
    points = rates.series(connection, 1, WINDOW, "grounded", where=where)
    return sum(p.rate.n for p in points)


def by_change(connection: Connection, where: Where | None) -> float:
    found = rates.compare(connection, 1, WINDOW.before, WINDOW, where=where)
    return sum(c.change.after.n for c in found)


def by_runs(connection: Connection, where: Where | None) -> float:
    return sum(c.runs for c in run_rates.by_cohort(connection, 1, WINDOW, where=where))


def by_line_of_runs(connection: Connection, where: Where | None) -> float:
    points = run_rates.series(connection, 1, WINDOW, Measure.ERRORS, where=where)
    return sum(p.rate.n for p in points if p.rate.n)


def by_verdicts(connection: Connection, where: Where | None) -> float:
    return len(explain.of_evaluator(connection, 1, WINDOW, "grounded", where=where).traces)


def by_faults(connection: Connection, where: Where | None) -> float:
    return len(explain.of_runs(connection, 1, WINDOW, Measure.ERRORS, where=where).traces)


@pytest.mark.parametrize(
    "count", [by_rate, by_line, by_change, by_runs, by_line_of_runs, by_verdicts, by_faults]
)
def test_replays_count_only_where_they_are_named(connection: Connection, count: Count) -> None:
    assert count(connection, None) == 5
    assert count(connection, AGENT) == 5
    assert count(connection, {"environment": None}) == 2
    assert count(connection, {"environment": "replay"}) == 5
    assert count(connection, {"trial": "v16"}) == 5


def test_the_newest_failing_runs_are_no_replays(connection: Connection) -> None:
    assert rates.newest_failing(connection, 1, WINDOW) == []
    found = rates.newest_failing(connection, 1, WINDOW, where={"environment": "replay"})
    assert len(found) == 5


def test_the_runs_behind_a_cell_are_those_it_counts(connection: Connection) -> None:
    assert len(rates.cohort_ids(connection, 1, AGENT)) == 2
    assert len(rates.cohort_ids(connection, 1, {**AGENT, "environment": "replay"})) == 1


def test_a_row_for_each_environment_has_one_for_replays(connection: Connection) -> None:
    found = rates.by_cohort(connection, 1, WINDOW, keys=["environment"])
    assert {c.values["environment"]: c.rate.n for c in found} == {
        "": 2,
        "production": 3,
        "replay": 5,
    }
    items = explain.of_evaluator(connection, 1, WINDOW, "grounded", keys=["environment"])
    assert len(items.traces) == 10
