"""Rates by cohort and window equal a count of the scores behind them."""

import datetime as dt
import random
from collections import Counter
from collections.abc import Iterator

import pytest
from sqlalchemy.engine import Connection, Engine

from tests.factories import NOW_NS, SECOND, span_id, trace_id
from waypost.records import Score
from waypost.store import cohorts, rates, scores
from waypost.store.partitions import ensure_days
from waypost.store.rates import DAY, HOUR, Window
from waypost.store.scores import Verdict

NOW = dt.datetime.fromtimestamp(NOW_NS / SECOND, dt.UTC)
KINDS = (Score.passed(), Score.failed("no"), Score.abstained("cannot tell"))
COHORTS = (
    {"model": "haiku", "region": "eu"},
    {"model": "haiku", "region": "us"},
    {"model": "opus"},
)


def judged(connection: Connection, hours: int = 100, seed: int = 1) -> list[tuple[int, int, int]]:
    """Random verdicts over some hours: (hours ago, cohort's place, kind's place) of each."""
    chance = random.Random(seed)
    ids = cohorts.ids(connection, 1, COHORTS)
    names = [("grounded", "1", "code"), ("grounded", "2", "code"), ("safe", "1", "code")]
    judges = scores.evaluator_ids(connection, 1, names)
    found, verdicts = [], []
    for n in range(400):
        ago, place, kind = chance.randrange(hours), chance.randrange(3), chance.randrange(3)
        judge = judges["grounded", chance.choice("12")]
        score = Score(**{f: getattr(KINDS[kind], f) for f in Score.__slots__})
        verdicts.append(
            Verdict(
                trace_id(str(n)), NOW_NS - ago * 3600 * SECOND, ids[cohorts.key_of(COHORTS[place])],
                judge, Score(score.outcome, score.value, explanation="no", step=span_id(n)),
            )
        )  # fmt: skip
        found.append((ago, place, kind))
    scores.write(connection, 1, verdicts)
    return found


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    ensure_days(engine, [NOW.date() - n * DAY for n in range(-1, 7)])
    with engine.connect() as opened:
        yield opened


def last(hours: int) -> Window:
    return Window(NOW - (hours - 1) * HOUR, NOW + dt.timedelta(seconds=1))


@pytest.mark.parametrize("hours", [1, 5, 30, 60, 100])
def test_any_window_and_keys_equal_a_count(connection: Connection, hours: int) -> None:
    found = judged(connection)
    cells = rates.by_cohort(connection, 1, last(hours), keys=["model"])
    counted = Counter(
        (COHORTS[place]["model"], kind) for ago, place, kind in found if ago < hours
    )  # fmt: skip
    assert {c.values["model"] for c in cells} == {model for model, _ in counted}
    assert sum(c.rate.k for c in cells) == counted["haiku", 1] + counted["opus", 1]
    for cell in cells:
        model = cell.values["model"]
        assert cell.rate.n == counted[model, 0] + counted[model, 1]
        assert cell.abstained.k == counted[model, 2]


def test_a_condition_and_its_absence_restrict(connection: Connection) -> None:
    found = judged(connection)
    (eu,) = rates.by_cohort(connection, 1, last(100), where={"region": "eu"})
    (none,) = rates.by_cohort(connection, 1, last(100), where={"region": None})
    assert eu.rate.k == sum(1 for _, place, kind in found if (place, kind) == (0, 1))
    assert none.rate.k == sum(1 for _, place, kind in found if (place, kind) == (2, 1))


@pytest.mark.parametrize("step", [HOUR, DAY])
def test_a_line_adds_up_to_its_window(connection: Connection, step: dt.timedelta) -> None:
    judged(connection)
    points = rates.series(connection, 1, last(100), "grounded", step=step)
    (whole,) = rates.by_cohort(
        connection, 1, Window(points[0].at, points[-1].at + step), evaluators=["grounded"]
    )
    assert sum(p.rate.n for p in points) == whole.rate.n
    assert sum(p.rate.k for p in points) == whole.rate.k


def test_the_first_failure_of_a_cell_is_its_moment(connection: Connection) -> None:
    found = judged(connection)
    window = Window(NOW - 100 * HOUR, NOW + HOUR)
    first = rates.first_failing(connection, 1, window, "grounded", where={"region": "eu"})
    oldest = max(ago for ago, place, kind in found if (place, kind) == (0, 1))
    assert first == NOW - oldest * HOUR
    empty = Window(NOW - 200 * HOUR, NOW - 150 * HOUR)
    assert rates.first_failing(connection, 1, empty, "grounded") is None


def test_prompts_are_compared_side_by_side(connection: Connection) -> None:
    judged(connection)
    (found,) = rates.compare(
        connection, 1, last(100), last(100), where={"region": "us"}, where_before={"region": "eu"}
    )
    (eu,) = rates.by_cohort(connection, 1, last(100), where={"region": "eu"})
    assert found.change.before == eu.rate


def test_the_window_before_is_as_long_and_does_not_overlap() -> None:
    window = last(5)
    assert window.before.hours[1] == window.hours[0]
    assert window.before.until - window.before.since == window.hours[1] - window.hours[0]


def test_a_long_window_is_read_by_full_days_and_the_one_before_ends_there() -> None:
    window = Window(NOW - 30 * DAY, NOW)
    since, until = window.hours
    assert since == rates.floor(NOW - 30 * DAY, DAY)
    assert until == rates.ceil(NOW, DAY)
    assert window.before.hours[1] == since


def test_the_newest_failing_runs_of_a_cell_are_found(connection: Connection) -> None:
    judged(connection)
    found = rates.newest_failing(
        connection, 1, last(100), evaluator="grounded", where={"region": "eu"}, most=5
    )
    assert len(found) == 5
    assert [f.at for f in found] == sorted((f.at for f in found), reverse=True)
    assert all(f.explanation == "no" and f.span_id for f in found)


def test_values_and_ids_of_cohorts_are_listed(connection: Connection) -> None:
    judged(connection)
    assert sorted(rates.cohort_values(connection, 1, "model")) == ["haiku", "opus"]
    assert len(rates.cohort_ids(connection, 1, {"model": "haiku"})) == 2
