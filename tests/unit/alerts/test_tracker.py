"""The preview and the server agree, however the runs are cut into batches."""

import dataclasses
import random
from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluators.alerts.engine import preview
from evaluators.alerts.rules import Rule
from evaluators.alerts.tracker import Common, Sessions, Tracker, Turn
from waypost.store.feed import Counted, RunChange
from waypost.store.measures import Measure

START = 1_795_000_000.0
COHORTS = {n: {"model": f"m{n % 3}", "region": f"r{n % 2}"} for n in range(6)}


def run_at(
    at: float, cohort: int, fails: bool, *, name: str, session: str | None = None, steps: int = 1
) -> RunChange:
    scores = {"safe": {cohort: (steps if fails else 0, steps, 0)}}
    measures = {int(Measure.RUNS): (1, 1.0), **({int(Measure.ERRORS): (1, 1.0)} if fails else {})}
    counted = Counted(cohort, int(at) // 3600 * 3600, measures, scores, {"": at, "safe": at})
    return RunChange(name, session, at - 5, None, counted)


def history(seed: int, size: int = 700) -> list[RunChange]:
    """A day of runs of six cohorts, of which one goes bad and comes back, or is seen no more."""
    chance = random.Random(seed)
    bad, begin = chance.randrange(6), chance.randrange(size)
    end = begin + chance.randrange(100, 500)
    found, at = [], START
    for n in range(size):
        at += chance.expovariate(1 / 120)
        cohort = chance.randrange(6)
        if seed % 2 and cohort == bad and end <= n < size - 20:
            continue
        rate = 0.6 if cohort == bad and begin < n < end else 0.05
        session = f"s{chance.randrange(size)}" if chance.random() < 0.5 else None
        found.append(run_at(at, cohort, chance.random() < rate, name=f"t{n}", session=session))
    return found


rules = st.builds(
    Rule,
    name=st.just("rule"),
    evaluator=st.sampled_from(["safe", None]),
    rate=st.just("errors"),
    by=st.sampled_from([(), ("model",), ("model", "region")]),
    where=st.sampled_from([{}, {"region": "r1"}]),
    level=st.sampled_from([None, 0.1, 0.2]),
    minimum=st.sampled_from([5.0, 30.0]),
    false_alarms=st.sampled_from([0.05, 5.0]),
).map(lambda r: r if r.evaluator is None else dataclasses.replace(r, rate=None))


def served(rule: Rule, runs: list[RunChange], seed: int) -> list[Turn]:
    """What a server does that takes the runs in random batches and keeps its rows in between."""
    chance, turns = random.Random(seed), []
    common, sessions = Common(), Sessions()
    cells: dict[tuple[str, ...], list[float]] = {}
    first = 0
    while first < len(runs):
        last = first + chance.randrange(1, 200)
        tracker = Tracker(rule, common=Common.from_json(common.as_json()), cells=cells)
        turns += tracker.feed(runs[first:last], COHORTS, sessions, now=START + 1e7)
        common = tracker.common
        turns += tracker.gone(max(arrived(run) for run in runs[:last]))
        cells = {label: tracker.row(label) for label in tracker.places}
        first = last
    turns += Tracker(rule, common=common, cells=cells).gone(START + 1e7)
    return in_order(turns)


def arrived(run: RunChange) -> float:
    assert run.after is not None
    return run.after.at[""]


def in_order(turns: list[Turn]) -> list[Turn]:
    """A silence is noticed late by whoever looks late; what matters is when it began."""
    return sorted(turns, key=lambda turn: (turn.at, turn.label))


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(rules, st.integers(0, 10_000))
def test_preview_and_server_agree_on_random_rules_and_data(rule: Rule, seed: int) -> None:
    runs = history(seed)
    shuffled = random.Random(seed).sample(runs, len(runs))
    expected = served(rule, runs, seed)
    assert in_order(preview(rule, [(shuffled, COHORTS)], now=START + 1e7)) == expected
    parts = [(runs[n : n + 50], COHORTS) for n in range(0, len(runs), 50)]
    assert in_order(preview(rule, parts, now=START + 1e7)) == expected


def test_they_agree_on_something() -> None:
    rule = Rule("rule", evaluator="safe", by=("model", "region"))
    found = [preview(rule, [(history(seed), COHORTS)], now=START + 1e7) for seed in range(8)]
    assert sum(map(len, found)) >= 4
    assert any(turn.gone for turns in found for turn in turns)


def states(runs: list[RunChange], rule: Rule) -> Mapping[str, float]:
    tracker = Tracker(rule)
    tracker.feed(runs, COHORTS, {}, now=START + 1e6)
    return tracker.cell(("m0",))


def test_a_session_counts_once_however_many_runs_it_has() -> None:
    rule = Rule("rule", evaluator="safe", by=("model",))
    ten = [run_at(START + n, 0, True, name=str(n), session="one") for n in range(10)]
    one = states(ten[:1], rule)
    assert states(ten, rule)["wait_n"] == one["wait_n"] == 1
    assert states(ten, rule)["fast"] == pytest.approx(one["fast"])


def test_sessions_of_yesterday_are_forgotten_while_a_preview_runs() -> None:
    rule = Rule("rule", evaluator="safe", by=("model",))
    tracker, sessions = Tracker(rule), Sessions()
    runs = [run_at(START + n * 3600, 0, False, name=str(n), session=f"s{n}") for n in range(72)]
    for run in runs:
        tracker.feed([run], COHORTS, sessions, now=START + 1e7)
        tracker.forget(sessions)
    assert 25 <= len(sessions) <= 33


@pytest.mark.parametrize(("minutes", "hours"), [(1, 6), (60, 18)])
def test_how_long_a_silence_is_waited_for_follows_the_traffic(minutes: int, hours: int) -> None:
    tracker = Tracker(Rule("rule", evaluator="safe", by=("model",)))
    runs = [run_at(START + n * minutes * 60, 0, n >= 40, name=str(n)) for n in range(60)]
    assert [turn.fired for turn in tracker.feed(runs, COHORTS, {}, now=START)] == [True]
    last = arrived(runs[-1])
    assert tracker.gone(last + (hours - 1) * 3600) == []
    assert [turn.gone for turn in tracker.gone(last + (hours + 8) * 3600)] == [True]


def test_a_value_shared_by_a_crowd_is_no_session() -> None:
    rule = Rule("rule", evaluator="safe", by=("model",))
    crowd = [run_at(START + n, 0, False, name=str(n), session="prod") for n in range(400)]
    found = states(crowd, rule)
    assert found["base_n"] + found["wait_n"] > 300


def test_many_steps_of_a_run_are_one_item_with_a_share() -> None:
    rule = Rule("rule", evaluator="safe", by=("model",))
    found = states([run_at(START, 0, True, name="a", steps=50)], rule)
    assert (found["wait_n"], found["wait_k"]) == (1, 1)


def test_a_complaint_counts_once_a_session() -> None:
    rule = Rule("rule", rate="thumbs_down", by=("model",))
    runs = []
    for n in range(4):
        change = run_at(START + n, 0, False, name=str(n), session="one")
        assert change.after is not None
        measures = {**change.after.measures, int(Measure.THUMBS_DOWN): (1, 1.0)}
        after = dataclasses.replace(change.after, measures=measures if n == 1 else
                                    change.after.measures)  # fmt: skip
        runs.append(dataclasses.replace(change, after=after))
    found = states(runs, rule)
    assert found["wait_n"] + found["base_n"] == 1
    assert found["wait_k"] + found["base_k"] == 1


def test_a_run_that_moved_leaves_its_old_cohort_as_if_it_never_came() -> None:
    rule = Rule("rule", evaluator="safe", by=("model",))
    tracker = Tracker(rule)
    first = run_at(START, 0, True, name="a")
    tracker.feed([first], COHORTS, {}, now=START)
    moved = dataclasses.replace(run_at(START, 1, True, name="a"), before=first.after)
    tracker.feed([moved], COHORTS, {}, now=START + 1)
    assert tracker.cell(("m0",))["wait_n"] + tracker.cell(("m0",))["base_n"] == 0
    assert tracker.cell(("m1",))["wait_n"] == 1


@pytest.mark.parametrize(
    ("by", "where", "watched", "fires"),
    [
        ((), {}, [()], False), (("region",), {}, [("eu",)], False),
        (("trial",), {}, [("",), ("v16",)], True), ((), {"environment": "replay"}, [()], True),
        (("environment",), {}, [("",), ("replay",)], True),
    ],
)  # fmt: skip
def test_replays_wake_nobody_but_who_asks_for_them(
    by: tuple[str, ...], where: Mapping[str, str], watched: list[tuple[str, ...]], fires: bool
) -> None:
    cohorts = {0: {"region": "eu"}, 1: {"region": "us", "environment": "replay", "trial": "v16"}}
    tracker = Tracker(Rule(name="r", rate="errors", by=by, where=where, level=0.1))
    runs = [run_at(START + n, n % 2, n % 2 == 1, name=f"t{n}") for n in range(40)]
    turns = tracker.feed(runs, cohorts, Sessions(), now=START + 100)
    assert sorted(tracker.places) == watched
    assert any(turn.fired for turn in turns) == fires
