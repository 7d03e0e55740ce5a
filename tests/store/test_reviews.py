"""People's verdicts become scores with source human, and say how far judges agree with them."""

import datetime as dt

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tests import seed
from waypost.agreement import Agreement
from waypost.errors import NotAllowed, NotFound
from waypost.records import Outcome
from waypost.roles import Person, Role
from waypost.store import people, reviews, runs, scores
from waypost.store.reviews import Candidate, Review

ANA = Person("ana", Role.REVIEWER)
SINCE = dt.datetime.now(dt.UTC) - dt.timedelta(days=3)


def first(engine: Engine) -> Candidate:
    with engine.connect() as connection:
        return reviews.candidates(connection, 1, SINCE, reviewer="ana")[0]


def give(engine: Engine, one: Candidate, outcome: Outcome, by: Person = ANA) -> None:
    with engine.begin() as connection:
        given = Review(one.trace_id, one.span_id, one.evaluator, outcome, "because")
        reviews.write(connection, 1, given, by=by)


def test_a_verdict_becomes_a_score_and_leaves_the_queue(engine: Engine) -> None:
    seed.seed(engine, runs=30)
    one = first(engine)
    give(engine, one, Outcome.PASSED)
    with engine.connect() as connection:
        said = scores.of_trace(connection, 1, [one.trace_id], SINCE)
        left = reviews.candidates(connection, 1, SINCE, reviewer="ana")
    human = [s.score for s in said if s.score.source == "human"]
    assert [(h.evaluator, h.by, h.outcome) for h in human] == [
        (f"review:{one.evaluator}", "ana", Outcome.PASSED)
    ]
    assert one not in left


def test_agreement_counts_each_pair_once(engine: Engine) -> None:
    seed.seed(engine, runs=30)
    one = first(engine)
    assert one.outcome is Outcome.FAILED
    give(engine, one, Outcome.PASSED)
    give(engine, one, Outcome.FAILED)
    with engine.connect() as connection:
        (found,) = people.agreement(connection, 1)
        given = reviews.count_by(connection, 1, "ana", SINCE)
    assert (found.both_failed, found.judge_failed, found.n, given) == (1, 0, 1, 1)


def test_kappa_is_agreement_beyond_chance() -> None:
    assert Agreement("x", 20, 5, 10, 15).kappa == pytest.approx(0.4)
    assert Agreement("x", 0, 0, 0, 9).kappa is None
    assert Agreement("x", 0, 0, 0, 0).share is None


def test_a_viewer_and_an_unknown_step_are_refused(engine: Engine) -> None:
    traces = seed.seed(engine, runs=5)
    given = Review(traces[0], "00" * 8, "groundedness", Outcome.FAILED)
    with engine.begin() as connection:
        with pytest.raises(NotAllowed):
            reviews.write(connection, 1, given, by=Person("vic", Role.VIEWER))
        with pytest.raises(NotFound):
            reviews.write(connection, 1, given, by=ANA)


def test_a_whole_run_can_be_reviewed_and_is_in_the_audit_log(engine: Engine) -> None:
    traces = seed.seed(engine, runs=5)
    with engine.begin() as connection:
        reviews.write(connection, 1, Review(traces[0], None, "goal", Outcome.FAILED), by=ANA)
        actions = connection.execute(sa.text("select action from audit")).scalars().all()
        run = runs.load(connection, 1, traces[0])
    assert run is not None
    assert actions == ["review.write"]


@pytest.mark.parametrize(("value", "is_sure"), [(0.9, True), (0.89, False)])
def test_a_verdict_that_was_sure_is_not_asked_about(
    engine: Engine, value: float, *, is_sure: bool
) -> None:
    seed.seed(engine, runs=5)
    with engine.begin() as connection:
        connection.execute(sa.text("update score set outcome = 1, value = :v"), {"v": value})
        found = reviews.candidates(connection, 1, SINCE, reviewer="ana")
    assert (found == []) is is_sure


def test_of_many_verdicts_those_of_the_newest_runs_are_asked_about(engine: Engine) -> None:
    seed.seed(engine, runs=40)
    with engine.connect() as connection:
        few = reviews.candidates(connection, 1, SINCE, reviewer="ana", most=5)
        every = reviews.candidates(connection, 1, SINCE, reviewer="ana", most=10_000)
    failed = [one for one in every if one.outcome is Outcome.FAILED]
    newest = sorted(failed, key=lambda one: one.started_at)[-20:]
    asked = [one for one in few if one.outcome is Outcome.FAILED]
    assert len(asked) == 5
    assert {one.trace_id for one in asked} <= {one.trace_id for one in newest}
