"""Agreement with people, with itself, and the rate that remains."""

import pytest

from evaluators.agreement import (
    Agreement,
    compare,
    corrected_rate,
    pair_with_people,
    self_agreement,
)
from waypost.records import Outcome, Score

PASS, FAIL = Score.passed(), Score.failed("no")


def test_precision_and_recall_come_from_pairs_and_leave_abstentions_out() -> None:
    pairs = [(FAIL, FAIL)] * 8 + [(FAIL, PASS)] * 2 + [(PASS, FAIL)] * 4 + [(PASS, PASS)] * 6
    found = compare([*pairs, (Score.abstained("?"), FAIL)])
    assert found.n == 20
    assert found.precision is not None
    assert found.recall is not None
    assert found.precision.value == pytest.approx(0.8)
    assert found.recall.value == pytest.approx(2 / 3)


def test_a_perfect_judge_needs_no_correction() -> None:
    found = corrected_rate(30, 100, Agreement(500, 0, 0, 500))
    assert found is not None
    assert found.value == pytest.approx(0.3)
    assert found.low < 0.3 < found.high


def test_a_biased_judge_is_corrected() -> None:
    recall, specificity, true = 0.8, 0.9, 0.2
    seen = true * recall + (1 - true) * (1 - specificity)
    found = corrected_rate(int(seen * 10_000), 10_000, Agreement(800, 100, 200, 900))
    assert found is not None
    assert found.value == pytest.approx(true, abs=0.01)


def test_a_judge_no_better_than_chance_is_not_corrected() -> None:
    assert corrected_rate(30, 100, Agreement(50, 50, 50, 50)) is None
    assert corrected_rate(0, 0, Agreement(5, 0, 0, 5)) is None


def test_people_are_paired_by_target_and_by_name() -> None:
    scores = [
        ("t", Score.failed("x", evaluator="loop")),
        ("t", Score.passed(evaluator="groundedness")),
        ("t", Score.failed("bad", evaluator="groundedness", source="human")),
        ("u", Score.passed(evaluator="loop")),
        ("u", Score.failed("bad", evaluator="review", source="human")),
    ]
    pairs = pair_with_people(scores)
    assert [(a.is_failed, b.is_failed) for a, b in pairs["groundedness"]] == [(False, True)]
    assert [(a.is_failed, b.is_failed) for a, b in pairs["loop"]] == [(False, True)]


def test_self_agreement_counts_pairs() -> None:
    found = self_agreement([[Outcome.PASSED, Outcome.PASSED, Outcome.FAILED], [Outcome.PASSED]])
    assert found is not None
    assert found.value == pytest.approx(1 / 3)
    assert found.n == 3
    assert self_agreement([]) is None
