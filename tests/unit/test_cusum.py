"""The detector is silent while nothing changes and quick when something does."""

import numpy as np
import pytest

from waypost import cusum
from waypost.cusum import Detector, Floats, Pool, Watch

WEEKLY = 140_000.0
KNOWN = Pool(0.05, 500.0, WEEKLY)


def detector(cohorts: int, watch: Watch | None = None, pool: Pool = KNOWN) -> Detector:
    return Detector(watch or Watch(), pool, cusum.new_cells(cohorts))


def feed(found: Detector, shares: Floats, first: int = 1) -> tuple[list[int], list[int]]:
    """One item a cohort and line; the lines in which any went out, and in which any came back."""
    at = np.arange(shares.shape[1])
    ones = np.ones(len(at))
    fired, back = [], []
    for line, share in enumerate(shares, first):
        out, recovered = found.step(at, share, ones, np.full(len(at), float(line)))
        fired += [line] * len(out)
        back += [line] * len(recovered)
    return fired, back


def coin(rate: float, items: int, cohorts: int, seed: int = 1) -> Floats:
    return (np.random.default_rng(seed).random((items, cohorts)) < rate).astype(float)


def test_run_lengths_agree_with_a_simulation() -> None:
    plan = cusum.steps(0.05, 0.2, 2000.0)
    draws, total = np.random.default_rng(5), np.zeros(4000)
    ended, lengths = np.zeros(4000, bool), np.zeros(4000)
    while not ended.all():
        lengths[~ended] += 1
        failed = draws.random(4000) < 0.05
        total = np.maximum(total + np.where(failed, plan.up, plan.down), 0)
        ended |= total >= plan.limit
    exact = cusum.run_length(0.05, plan.up, plan.down, plan.limit)
    assert exact >= 2000
    assert lengths.mean() == pytest.approx(exact, rel=0.06)


@pytest.mark.parametrize("watch", [Watch(), Watch(level=0.1)])
def test_steady_cohorts_raise_nothing_for_weeks(watch: Watch) -> None:
    fired, _ = feed(detector(200, watch), coin(0.05, 3000, 200))
    assert not fired


@pytest.mark.parametrize(("rate", "most"), [(0.3, 50), (0.2, 120)])
@pytest.mark.parametrize("watch", [Watch(), Watch(level=0.1)])
def test_a_change_is_found_within_the_items_promised(watch: Watch, rate: float, most: int) -> None:
    found = detector(300, watch)
    feed(found, coin(0.05, 1500, 300))
    fired, _ = feed(found, coin(rate, 400, 300, seed=2))
    assert np.median(fired[:300]) <= most


def test_a_new_cohort_that_fails_from_its_start_is_measured_against_the_project() -> None:
    found = detector(100)
    fired, _ = feed(found, coin(0.34, 200, 100))
    assert np.median(fired) <= 50
    assert found.cells["usual"].max() < 0.1


def test_it_is_over_when_the_usual_rate_is_back_and_not_before() -> None:
    found = detector(100)
    feed(found, coin(0.05, 1000, 100))
    out, back = feed(found, coin(0.3, 300, 100, seed=2))
    assert len(out) >= 100
    assert len(back) <= 2
    feed(found, coin(0.05, 800, 100, seed=3))
    assert not found.cells["opened_at"].any()


def test_an_incident_does_not_teach_the_baseline() -> None:
    found = detector(50)
    feed(found, coin(0.05, 1000, 50))
    before = found.usual(found.cells).mean()
    feed(found, coin(0.5, 1000, 50, seed=2))
    assert found.usual(found.cells).mean() == pytest.approx(before, rel=0.1)


def test_a_cohort_that_always_fails_more_is_not_worse_than_usual() -> None:
    found = detector(50, pool=Pool(0.05, 20.0, WEEKLY))
    found.cells["base_k"], found.cells["base_n"] = 120.0, 600.0
    fired, _ = feed(found, coin(0.2, 2000, 50))
    assert not fired


def test_shares_are_never_quicker_than_ones_and_zeros_of_the_same_mean() -> None:
    whole, parts = detector(1), detector(1)
    fired_whole, _ = feed(whole, np.array([[1.0], [0.0]] * 40))
    fired_parts, _ = feed(parts, np.full((80, 1), 0.5))
    assert fired_whole[0] <= fired_parts[0]


def test_a_verdict_taken_back_takes_its_evidence_back() -> None:
    once, never = detector(1), detector(1)
    one, at = np.ones(1), np.zeros(1, np.intp)
    for _ in range(8):
        once.step(at, one, one, one)
        never.step(at, one, one, one)
    once.step(at, one, one, one)
    once.step(at, -one, -one, one)
    assert once.cells["fast"] == pytest.approx(never.cells["fast"])
    assert once.cells["wait_n"] == never.cells["wait_n"]


def test_few_items_never_raise_however_bad() -> None:
    fired, _ = feed(detector(5, Watch(minimum=30)), np.ones((29, 5)))
    assert not fired


def test_more_traffic_asks_for_more_evidence() -> None:
    calm, busy = cusum.plan(None, -29, 40), cusum.plan(None, -29, 50)
    assert busy[0].limit > calm[0].limit + 2
