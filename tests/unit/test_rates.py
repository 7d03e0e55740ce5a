"""Intervals, comparisons and priors keep their promises."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from waypost import rates
from waypost.rates import Rate


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_rate_and_stays_within_bounds(counts: tuple[int, int]) -> None:
    found = Rate.of(*counts)
    assert found.share is not None
    assert 0 <= found.low <= found.share + 1e-12
    assert found.share - 1e-12 <= found.high <= 1


@given(st.integers(1, 39).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_few_items_get_scipys_exact_interval(counts: tuple[int, int]) -> None:
    k, n = counts
    known = stats.binomtest(k, n).proportion_ci(method="exact")
    assert rates.interval(k, n) == pytest.approx((known.low, known.high))


@given(st.integers(40, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_many_items_get_scipys_wilson_interval(counts: tuple[int, int]) -> None:
    k, n = counts
    known = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert rates.interval(k, n) == pytest.approx((known.low, known.high), abs=1e-9)


COUNT = st.integers(0, 60) | st.integers(0, 4000)


@settings(deadline=None)
@given(COUNT, COUNT, COUNT, COUNT)
def test_the_exact_test_of_two_rates_is_scipys(a: int, b: int, c: int, d: int) -> None:
    known = stats.fisher_exact([[a, b], [c, d]])[1]
    assert rates.fisher(a, b, c, d) == pytest.approx(known, rel=1e-6, abs=1e-12)


def test_a_rate_reads_as_a_person_would_say_it() -> None:
    assert str(Rate.of(72, 212)) == "34 % of 212 (interval 28–41 %)"
    assert str(Rate.of(0, 0)) == "no data"


def test_dependent_items_widen_the_interval() -> None:
    alone, together = Rate.of(50, 500), Rate.of(50, 500, spread=4)
    assert together.low < alone.low
    assert together.high > alone.high


def test_nothing_seen_says_nothing() -> None:
    assert rates.interval(0, 0) == (0.0, 1.0)
    assert rates.change(Rate.of(0, 0), Rate.of(5, 10)).difference is None


def test_a_worse_cohort_is_worse_and_an_equal_one_is_not() -> None:
    assert rates.change(Rate.of(8, 200), Rate.of(72, 212)).is_worse
    assert not rates.change(Rate.of(40, 800), Rate.of(52, 1000)).is_worse


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.randoms(use_true_random=False))
def test_the_test_of_a_change_is_a_probability(n: int, m: int, chance: random.Random) -> None:
    found = rates.change(Rate.of(chance.randint(0, n), n), Rate.of(chance.randint(0, m), m))
    assert 0 <= found.p <= 1
    assert found.low <= (found.difference or 0) <= found.high


def test_alike_cohorts_are_pulled_together_and_unlike_ones_are_not() -> None:
    alike = rates.prior([(5, 100), (6, 100), (4, 100), (5, 100)])
    unlike = rates.prior([(1, 100), (40, 100), (2, 100), (60, 100)])
    assert alike.weight > 5 * unlike.weight
    assert alike.shrink(0, 0) == pytest.approx(0.05, abs=0.002)
    assert unlike.shrink(80, 100) > 0.6


def test_clusters_that_fail_together_have_a_design_effect() -> None:
    chance = random.Random(3)
    together = [(10.0 if chance.random() < 0.1 else 0.0, 10.0) for _ in range(400)]
    apart = [(sum(chance.random() < 0.1 for _ in range(10)), 10.0) for _ in range(400)]
    assert rates.design_effect(together) == pytest.approx(10, rel=0.1)
    assert rates.design_effect(apart) < 1.3
    assert rates.design_effect([(1.0, 1.0), (0.0, 1.0)]) == 1.0


def test_false_discovery_keeps_the_order_given() -> None:
    assert rates.false_discovery([]) == []
    assert rates.false_discovery([0.04, 0.01]) == pytest.approx([0.04, 0.02])


@pytest.mark.parametrize(
    ("count", "said", "told"),
    [
        (1, "has not run", "has not run"),
        (2, "has not run", "have not run"),
        (2, "is not judged yet", "are not judged yet"),
        (2, "its run did not arrive", "their runs did not arrive"),
        (2, "could not be judged", "could not be judged"),
    ],
)
def test_what_is_said_of_many_is_said_in_many(count: int, said: str, told: str) -> None:
    assert rates.of_many(count, said) == told
