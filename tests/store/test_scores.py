"""Counters equal a recount whatever was scored, re-scored or moved."""

import datetime as dt
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tests.factories import NOW_NS, SECOND, span_id, trace_id
from waypost.records import Evidence, Score
from waypost.store import scores
from waypost.store.partitions import ensure_days
from waypost.store.scores import Verdict

DAY = dt.datetime.fromtimestamp(NOW_NS / SECOND, dt.UTC).date()
SINCE = dt.datetime.combine(DAY, dt.time(), dt.UTC) - dt.timedelta(days=5)


def verdict(n: int, score: Score, *, cohort: int = 1, evaluator: int = 1) -> Verdict:
    judged = Score(**{f: getattr(score, f) for f in Score.__slots__} | {"step": span_id(n)})
    return Verdict(trace_id(str(n % 7)), NOW_NS + n * 600 * SECOND, cohort, evaluator, judged)


def write(engine: Engine, verdicts: list[Verdict]) -> int:
    with engine.begin() as connection:
        return scores.write(connection, 1, verdicts)


def days(engine: Engine) -> None:
    ensure_days(engine, [DAY + dt.timedelta(days=n) for n in range(3)])


def counters(engine: Engine, table: str) -> list[tuple[object, ...]]:
    query = sa.select(
        sa.column("bucket"), sa.column("cohort_id"), sa.column("evaluator_id"), sa.column("n"),
        sa.column("n_fail"), sa.column("n_abstain"),
        sa.func.round(sa.cast(sa.column("value_sum"), sa.Numeric), 4),
    ).select_from(sa.table(table)).where(
        sa.column("n") + sa.column("n_abstain") > 0
    ).order_by(sa.text("1, 2, 3"))  # fmt: skip
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query)]


def versions(engine: Engine) -> None:
    """Evaluators 1 and 2 are two versions of one, 3 is another."""
    names = [("grounded", "1", "code"), ("grounded", "2", "code"), ("safe", "1", "code")]
    with engine.begin() as connection:
        assert list(scores.evaluator_ids(connection, 1, names).values()) == [1, 2, 3]


def test_counters_equal_a_recount_after_random_scoring(any_engine: Engine) -> None:
    days(any_engine)
    versions(any_engine)
    chance = random.Random(7)
    kinds = [Score.passed(), Score.failed("no"), Score.abstained("cannot tell")]
    for _ in range(12):
        write(
            any_engine,
            [
                verdict(
                    chance.randrange(60), chance.choice(kinds),
                    cohort=chance.randrange(1, 3), evaluator=chance.randrange(1, 4),
                )
                for _ in range(40)
            ],
        )  # fmt: skip
    before = [counters(any_engine, t) for t in ("score_hour", "score_day")]
    with any_engine.begin() as connection:
        scores.recount(connection, 1, SINCE)
    assert [counters(any_engine, t) for t in ("score_hour", "score_day")] == before
    with any_engine.connect() as connection:
        steps = connection.execute(
            sa.text("""
                select count(distinct (trace_id, span_id)) from score
                where evaluator_id in (1, 2)""")
        ).scalar()
    assert (
        sum(int(str(row[3])) + int(str(row[5])) for row in before[1] if row[2] in (1, 2)) == steps
    )


@pytest.mark.parametrize("order", [(1, 2), (2, 1), (1, 2, 1)])
def test_of_two_versions_that_judged_a_step_the_newest_counts(
    any_engine: Engine, order: tuple[int, ...]
) -> None:
    days(any_engine)
    versions(any_engine)
    said = {1: Score.failed("no"), 2: Score.passed()}
    for evaluator in order:
        write(any_engine, [verdict(n, said[evaluator], evaluator=evaluator) for n in range(3)])
    write(any_engine, [verdict(3, said[e], evaluator=e) for e in order[:2]])
    write(any_engine, [verdict(4, said[1], evaluator=1)])
    assert [row[2:5] for row in counters(any_engine, "score_day")] == [(1, 1, 1), (2, 4, 0)]
    with any_engine.connect() as connection:
        assert len(scores.of_trace(connection, 1, [trace_id(str(n)) for n in range(4)], SINCE)) == 8


def test_writing_the_same_verdict_again_changes_nothing(any_engine: Engine) -> None:
    days(any_engine)
    verdicts = [verdict(n, Score.failed("no")) for n in range(5)]
    assert write(any_engine, verdicts) == 5
    assert write(any_engine, verdicts) == 0
    assert [row[3:5] for row in counters(any_engine, "score_day")] == [(5, 5)]


def test_two_writes_of_one_transaction_count_each_verdict_once(any_engine: Engine) -> None:
    days(any_engine)
    with any_engine.begin() as connection:
        scores.write(connection, 1, [verdict(1, Score.failed("no"))])
        scores.write(connection, 1, [verdict(1, Score.failed("no")), verdict(2, Score.passed())])
    assert [row[3:5] for row in counters(any_engine, "score_day")] == [(2, 1)]


def test_a_flipped_verdict_moves_the_failure_and_a_late_cohort_moves_the_score(
    any_engine: Engine,
) -> None:
    days(any_engine)
    write(any_engine, [verdict(1, Score.failed("no"))])
    write(any_engine, [verdict(1, Score.passed(), cohort=2)])
    assert [row[1:6] for row in counters(any_engine, "score_hour")] == [(2, 1, 1, 0, 0)]


def test_abstentions_are_counted_apart(any_engine: Engine) -> None:
    days(any_engine)
    write(any_engine, [verdict(1, Score.abstained("no context")), verdict(2, Score.passed())])
    assert [row[3:6] for row in counters(any_engine, "score_day")] == [(1, 0, 1)]


def test_writers_at_once_agree_with_the_rows(any_engine: Engine) -> None:
    days(any_engine)

    def judge(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(10):
            fails = chance.random() < 0.5
            write(
                any_engine,
                [
                    verdict(chance.randrange(20), Score.failed("no") if fails else Score.passed())
                    for _ in range(10)
                ],
            )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(judge, range(4)))
    before = counters(any_engine, "score_hour")
    with any_engine.begin() as connection:
        scores.recount(connection, 1, SINCE)
    assert counters(any_engine, "score_hour") == before


def test_a_score_comes_back_whole(engine: Engine) -> None:
    days(engine)
    evidence = (Evidence(where="output.0", quote="34 %", start=3, end=7),)
    given = Score.failed(
        "unsupported",
        value=0.25,
        label="contradicted",
        evidence=evidence,
        by="judge",
        cost_usd=0.01,
    )
    with engine.begin() as connection:
        ids = scores.evaluator_ids(connection, 1, [("groundedness", "2", "code")])
    write(engine, [verdict(1, given, evaluator=ids["groundedness", "2"])])
    with engine.connect() as connection:
        (found,) = scores.of_trace(connection, 1, [trace_id("1")], SINCE)
    assert found.score == Score(
        **{f: getattr(given, f) for f in Score.__slots__}
        | {"step": span_id(1), "evaluator": "groundedness", "version": "2"}
    )
