"""What people say of a session is counted, with the run it belongs to."""

import datetime as dt

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tests.factories import NOW_NS, SECOND, make_run, readings, trace_id
from tests.planted import count_all
from tests.unit.evaluators.test_worker import work
from waypost.records import Feedback, Outcome
from waypost.roles import Person, Role
from waypost.store import cohorts, feedback_counts, rates, reviews, run_rates, runs, traces
from waypost.store.ingest import Writer
from waypost.store.measures import Measure
from waypost.store.rates import DAY, HOUR, Window
from waypost.store.reviews import Review

NOW = dt.datetime.fromtimestamp(NOW_NS / SECOND, dt.UTC)
WINDOW = Window(NOW - DAY, NOW + DAY)
EU = {"region": "eu"}


def send(engine: Engine, name: str, minute: int, session: str = "chat") -> None:
    steps = [s.replace(session=session) for s in make_run(1, trace=name, start=at(minute))]
    with Writer(engine).batch() as batch:
        batch.put(1, readings(steps), now=NOW)


def at(minute: int) -> int:
    return NOW_NS + minute * 60 * SECOND


def thumb(engine: Engine, minute: int, session: str = "chat") -> None:
    said = Feedback("thumbs", "session", session=session, passed=False, at=at(minute))
    with Writer(engine).batch() as batch:
        batch.put(1, [], feedback=[said], now=NOW)


def waiting(engine: Engine) -> set[str]:
    """The runs that a worker will settle, which are settled here and now."""
    with engine.begin() as connection:
        found = connection.execute(sa.text("delete from job returning trace_id"))
        names = {row.trace_id.hex for row in found}
        (cohort,) = cohorts.ids(connection, 1, [EU]).values()
        for run in runs.load_many(connection, 1, sorted(names)).values():
            nothing = traces.Verdicts(0, None, None, "")
            traces.settle(connection, 1, run, cohort_id=cohort, verdicts=nothing, now=NOW)
        count_all(connection)
    return names


def thumbs(engine: Engine) -> tuple[int, int]:
    """Sessions and runs with a thumb down."""
    with engine.connect() as connection:
        (said,) = feedback_counts.by_cohort(connection, 1, WINDOW)
        (cell,) = run_rates.by_cohort(connection, 1, WINDOW)
    return int(said.rates[Measure.THUMBS_DOWN].k), cell.counts[Measure.THUMBS_DOWN]


@pytest.mark.parametrize(("minute", "meant"), [(-3, "one"), (5, "one"), (15, "two"), (99, "two")])
def test_a_thumb_on_a_session_settles_the_run_before_it(
    any_engine: Engine, minute: int, meant: str
) -> None:
    send(any_engine, "one", 0)
    send(any_engine, "two", 10)
    send(any_engine, "other", 0, session="other chat")
    assert len(waiting(any_engine)) == 3
    assert thumbs(any_engine) == (0, 0)
    thumb(any_engine, minute)
    assert waiting(any_engine) == {trace_id(meant)}
    assert thumbs(any_engine) == (1, 1)


def test_a_thumb_that_comes_before_its_run_waits_for_it(any_engine: Engine) -> None:
    thumb(any_engine, 5)
    assert waiting(any_engine) == set()
    send(any_engine, "one", 0)
    waiting(any_engine)
    assert thumbs(any_engine) == (1, 1)


def test_two_thumbs_on_a_session_are_one_session_with_a_complaint(engine: Engine) -> None:
    send(engine, "one", 0)
    send(engine, "two", 10)
    thumb(engine, 5)
    thumb(engine, 15)
    waiting(engine)
    assert thumbs(engine) == (1, 2)


def test_a_word_on_another_projects_session_says_nothing_here(engine: Engine) -> None:
    send(engine, "one", 0)
    with engine.begin() as connection:
        connection.execute(sa.text("insert into project (name) values ('other')"))
    said = Feedback("thumbs", "session", session="chat", passed=False, at=at(5))
    with Writer(engine).batch() as batch:
        batch.put(2, [], feedback=[said], now=NOW)
    assert waiting(engine) == {trace_id("one")}
    assert thumbs(engine) == (0, 0)


def test_the_hour_window_holds_the_session(engine: Engine) -> None:
    send(engine, "one", 0)
    thumb(engine, 5)
    waiting(engine)
    with engine.connect() as connection:
        (said,) = feedback_counts.by_cohort(
            connection, 1, Window(NOW - HOUR, NOW + HOUR), keys=["region"]
        )
    assert (said.values, said.per_thousand(Measure.THUMBS_DOWN)) == (EU, 1000.0)


def test_a_review_of_a_run_that_is_not_settled_counts_as_soon_as_it_is(engine: Engine) -> None:
    send(engine, "one", 0)
    given = Review(trace_id("one"), None, "goal", Outcome.FAILED)
    with engine.begin() as connection:
        reviews.write(connection, 1, given, by=Person("ana", Role.REVIEWER), now=NOW)
        assert rates.by_cohort(connection, 1, WINDOW) == []
    work(engine, rounds=1)
    with engine.begin() as connection:
        (cell,) = rates.by_cohort(connection, 1, WINDOW)
        (change,) = count_all(connection)
    assert (cell.evaluator, cell.rate.k, cell.rate.n) == ("review:goal", 1, 1)
    assert change.after is not None
    assert set(change.after.scores) == {"review:goal"}


def test_a_review_moves_with_its_run_to_another_cohort(engine: Engine) -> None:
    send(engine, "one", 0)
    work(engine, rounds=1)
    with engine.begin() as connection:
        given = Review(trace_id("one"), None, "goal", Outcome.FAILED)
        reviews.write(connection, 1, given, by=Person("ana", Role.REVIEWER), now=NOW)
        (moved,) = cohorts.ids(connection, 1, [EU]).values()
        reviews.settle(connection, 1, {trace_id("one"): moved})
        (cell,) = rates.by_cohort(connection, 1, WINDOW, where=EU)
    assert (cell.rate.k, cell.rate.n) == (1, 1)
