"""Health of evaluators: what people found of them, what they cost, what they reach, and why not."""

import datetime as dt

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tests import seed
from waypost.agreement import Agreement, corrected_rate
from waypost.records import Kind, Outcome
from waypost.roles import Person, Role
from waypost.store import health, judges, people, reach, reviews
from waypost.store.judges import Spent
from waypost.store.reach import Reach
from waypost.store.reviews import Review

ANA = Person("ana", Role.REVIEWER)
NOW = dt.datetime.now(dt.UTC)
SINCE = NOW - dt.timedelta(days=3)


def review_all(engine: Engine, *, most: int = 40) -> int:
    """Ana says the opposite of the first verdict and the same of all others."""
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text("""
                select s.trace_id, s.span_id, s.outcome from score s
                join evaluator e on e.id = s.evaluator_id
                where e.name = 'groundedness' and s.outcome in (0, 1)
                order by s.outcome, s.trace_id, s.span_id limit :most"""),
            {"most": most},
        ).all()
    for n, row in enumerate(rows):
        said = (Outcome.FAILED, Outcome.PASSED)[row.outcome if n else 1 - row.outcome]
        span = f"{row.span_id % 2**64:016x}"
        with engine.begin() as connection:
            given = Review(row.trace_id.hex, span, "groundedness", said)
            reviews.write(connection, 1, given, by=ANA)
    return len(rows)


def test_people_give_precision_recall_and_a_corrected_rate(engine: Engine) -> None:
    seed.seed(engine, runs=40)
    n = review_all(engine)
    with engine.connect() as connection:
        (agreed,) = people.agreement(connection, 1)
        (found,) = [h for h in health.of_evaluators(connection, 1, SINCE) if h.agreed]
    assert (found.name, agreed.n, agreed.judge_failed) == ("groundedness", n, 1)
    assert agreed.precision is not None
    assert agreed.precision.share == pytest.approx(1 - 1 / (agreed.both_failed + 1))
    assert found.corrected is not None
    assert found.corrected.low <= found.corrected.value <= found.corrected.high
    assert found.as_json()["people"] == n


def test_what_people_say_is_told_by_cohort(engine: Engine) -> None:
    seed.seed(engine, runs=40)
    n = review_all(engine)
    with engine.connect() as connection:
        found = people.by_cohort(connection, 1, "groundedness", SINCE, by=["region"])
        every = people.by_cohort(connection, 1, "groundedness", SINCE)
    assert sum(one.agreed.n for one in found) == sum(one.agreed.n for one in every) == n
    assert {tuple(one.values) for one in found} == {("region",)}
    assert all(one.rate.n >= one.agreed.n for one in found)


def test_what_people_say_of_replays_is_told_where_replays_are_asked_for(engine: Engine) -> None:
    seed.seed(engine, runs=40)
    n = review_all(engine)
    with engine.begin() as connection:
        connection.execute(
            sa.text("""update cohort set attrs = attrs || '{"environment": "replay"}'""")
        )
        assert people.by_cohort(connection, 1, "groundedness", SINCE, by=["region"]) == []
        (found,) = people.by_cohort(connection, 1, "groundedness", SINCE, by=["environment"])
    assert found.agreed.n == n


def test_a_second_word_on_the_same_target_replaces_the_first(engine: Engine) -> None:
    seed.seed(engine, runs=10)
    n = review_all(engine, most=5)
    review_all(engine, most=5)
    with engine.connect() as connection:
        (agreed,) = people.agreement(connection, 1)
    assert agreed.n == n


def test_what_judges_spent_adds_up_by_evaluator(engine: Engine) -> None:
    seed.seed(engine, runs=3)
    with engine.begin() as connection:
        judge = judges.every(connection, 1, SINCE)[0]
        for cost in (0.01, 0.02):
            taken = Spent(asked=1, tokens_in=1000, tokens_out=100, cost_usd=cost, pairs=3, same=2)
            judges.spend(connection, 1, judge.id, taken, NOW)
        total = judges.spent(connection, 1, SINCE)[judge.id]
        assert judges.spent_by_all(connection, SINCE) == pytest.approx(0.03)
    assert (total.asked, total.tokens_in) == (2, 2000)
    assert total.self_agreement is not None
    assert total.self_agreement.share == pytest.approx(2 / 3)


def test_recent_steps_are_counted_by_what_they_are(engine: Engine) -> None:
    seed.seed(engine, runs=10)
    with engine.connect() as connection:
        seen = reach.recent(connection, 1, SINCE)
        steps = connection.execute(sa.text("select sum(steps) from trajectory")).scalar_one()
    assert sum(s.n for s in seen if s.kind is None) == 10
    assert sum(s.n for s in seen if s.kind is not None) == steps
    assert {s.cohort["region"] for s in seen if s.kind is Kind.LLM} <= {"eu", "us", "ap"}


def test_an_evaluator_that_matches_nothing_says_why(engine: Engine) -> None:
    why = "0 of 4,120 steps: kind is retrieval, this project has none"
    with engine.begin() as connection:
        assert reach.due(connection, NOW) == [1]
        reach.keep(connection, 1, [Reach("quiet", "step", "ann", 4120, 0, why, NOW)])
        assert reach.due(connection, NOW) == []
        (found,) = health.of_evaluators(connection, 1, SINCE)
        assert (found.name, found.owner, found.why) == ("quiet", "ann", why)
        reach.keep(connection, 1, [])
        assert health.of_evaluators(connection, 1, SINCE) == []


def test_precision_and_recall_come_from_counts() -> None:
    found = Agreement("x", 8, 2, 4, 6)
    assert found.precision is not None
    assert found.recall is not None
    assert found.precision.share == 0.8
    assert found.recall.share == pytest.approx(2 / 3)


def test_a_perfect_judge_needs_no_correction() -> None:
    found = corrected_rate(30, 100, Agreement("x", 500, 0, 0, 500))
    assert found is not None
    assert found.value == pytest.approx(0.3)
    assert found.low < 0.3 < found.high


def test_a_biased_judge_is_corrected() -> None:
    recall, specificity, true = 0.8, 0.9, 0.2
    seen = true * recall + (1 - true) * (1 - specificity)
    found = corrected_rate(int(seen * 10_000), 10_000, Agreement("x", 800, 100, 200, 900))
    assert found is not None
    assert found.value == pytest.approx(true, abs=0.01)


def test_a_judge_no_better_than_chance_is_not_corrected() -> None:
    assert corrected_rate(30, 100, Agreement("x", 50, 50, 50, 50)) is None
    assert corrected_rate(0, 0, Agreement("x", 5, 0, 0, 5)) is None
