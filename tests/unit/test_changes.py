"""The moment of a change is found, and the version that came with it is named first."""

import datetime as dt

import numpy as np

from waypost.changes import causes, change_point

START = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
TIMES = [START + dt.timedelta(minutes=n) for n in range(1000)]


def outcomes(seed: int, change: int, before: float = 0.05, after: float = 0.3) -> list[bool]:
    chance = np.random.default_rng(seed).random(1000)
    rate = np.where(np.arange(1000) < change, before, after)
    return [bool(c) for c in chance < rate]


def test_the_moment_of_a_change_lies_in_its_interval() -> None:
    inside = 0
    for seed in range(40):
        found = change_point(TIMES, outcomes(seed, 600))
        assert found is not None
        inside += found.low <= TIMES[600] <= found.high
        assert abs((found.at - TIMES[600]).total_seconds()) < 90 * 60
    assert inside >= 36


def test_no_change_has_no_moment() -> None:
    assert sum(change_point(TIMES, outcomes(s, 0, after=0.05)) is not None for s in range(40)) <= 2
    assert change_point(TIMES[:5], [True] * 5) is None


def test_getting_better_is_not_a_moment_since_which_it_fails() -> None:
    assert change_point(TIMES, outcomes(1, 500, before=0.4, after=0.02)) is None


def test_a_session_that_fails_whole_is_not_a_change() -> None:
    failed = [False] * 500 + [True] * 30 + [False] * 470
    sessions = [str(n) for n in range(500)] + ["one"] * 30 + [str(n) for n in range(530, 1000)]
    assert change_point(TIMES, failed) is not None
    assert change_point(TIMES, failed, sessions) is None


def test_the_version_whose_items_fail_comes_before_one_of_the_same_minute() -> None:
    guilty, innocent = ("prompt", "help", "v15"), ("model", "model", "opus-2")
    chance = np.random.default_rng(9)
    place = np.arange(1000)
    carries = (place >= 600) & (chance.random(1000) < 0.5)
    other = (place >= 599) & (chance.random(1000) < 0.5)
    failed = (chance.random(1000) < np.where(carries, 0.4, 0.05)).tolist()
    point = change_point(TIMES, failed)
    assert point is not None
    found = causes(
        TIMES, failed, {guilty: carries, innocent: other},
        {guilty: TIMES[600], innocent: TIMES[599], ("tool", "old", "1"): TIMES[10]}, point,
    )  # fmt: skip
    assert (found[0].kind, found[0].version) == ("prompt", "v15")
    assert all(c.version != "1" for c in found)
    assert found[0].with_it is not None
    assert (found[0].with_it.share or 0) > 0.25
