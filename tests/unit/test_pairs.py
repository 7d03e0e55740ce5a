"""The same cases judged twice: counts, the exact test, and an interval that covers."""

import random

import pytest

from waypost.pairs import Pairs
from waypost.rates import Rate, first_enough


def test_pairs_are_counted_by_how_they_turned() -> None:
    found = Pairs.of([(True, True), (False, True), (False, True), (True, False), (False, False)])
    assert (found.both, found.now, found.before, found.neither) == (1, 2, 1, 1)
    assert found.difference == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("now", "before", "p"), [(0, 0, 1.0), (5, 0, 0.0625), (0, 10, 2 / 1024), (3, 3, 1.0)]
)
def test_the_test_is_a_coin_tossed_once_for_each_that_turned(
    now: int, before: int, p: float
) -> None:
    assert Pairs(4, now, before, 9).p == pytest.approx(p)


def test_the_interval_holds_the_true_difference_as_often_as_it_says() -> None:
    chance, held = random.Random(3), 0
    for _ in range(2000):
        cases = [(chance.random() < 0.1, chance.random()) for _ in range(60)]
        pairs = Pairs.of((was, draw < (0.6 if was else 0.15)) for was, draw in cases)
        low, high = pairs.interval()
        held += low <= 0.1 * 0.6 + 0.9 * 0.15 - 0.1 <= high
    assert 0.93 < held / 2000 < 0.99


def test_no_pairs_say_nothing() -> None:
    assert Pairs.of([]).interval() == (-1.0, 1.0)


def test_more_of_the_same_narrows_the_interval() -> None:
    few = Pairs(1, 1, 1, 17)
    assert few.scaled(400).interval()[1] < few.interval()[1]


def test_the_first_number_that_is_enough_is_found() -> None:
    assert first_enough(lambda n: n >= 73, 1) == 73
    assert first_enough(lambda n: n >= 73, 90) == 90
    assert first_enough(lambda n: False, 1) is None
    enough = first_enough(lambda n: Rate.of(0, n).high <= 0.05, 40)
    assert enough is not None
    assert Rate.of(0, enough).high <= 0.05 < Rate.of(0, enough - 1).high
