"""The gate says yes or no only where the interval does, and else how many cases are missing."""

from typing import Any

import pytest

from evaluators.conditions import Condition, parse_gates, read_condition
from evaluators.gates import Judged, decide, judge
from evaluators.tried import Fate, Outcomes, Tried, standing
from waypost.errors import BadSetting, WrongUse
from waypost.store.trials import Word

GROUNDED = Condition("groundedness", limit=0.05)


def case(key: object, *, fails: bool = False, **more: Any) -> Tried:
    scores = {"groundedness": Outcomes(failed=int(fails), passed=2)}
    return Tried(str(key), **{"trace_id": "a" * 32, "scores": scores, **more})


def cases(failing: int, of: int) -> list[Tried]:
    return [case(n, fails=n < failing) for n in range(of)]


def test_a_rate_wholly_over_the_limit_is_a_no_with_its_interval() -> None:
    said = decide([GROUNDED], cases(7, 40))
    assert said.word is Word.NO
    assert said.sentence == (
        "No: groundedness fails in 7 of 40 cases, 17.5 % (interval 8.7–31.9 %), "
        "at most 5 % allowed."
    )
    assert set(said.failing) == {str(n) for n in range(7)}


def test_a_rate_wholly_under_the_limit_is_a_yes() -> None:
    said = decide([GROUNDED, Condition("errors", limit=0.1)], cases(0, 80))
    assert (said.word, said.sentence) == (Word.YES, "Yes: all 2 conditions are met over 80 cases.")


def test_in_between_it_says_how_many_cases_are_missing() -> None:
    said = judge(GROUNDED, cases(1, 40))
    assert said.word is Word.UNKNOWN
    assert said.needed is not None
    assert f"{said.needed:,} more cases needed at this rate" in said.sentence
    more = 40 + said.needed
    assert judge(GROUNDED, cases(round(more / 40), more)).word is Word.YES


def test_a_rate_over_the_limit_is_not_reachable_at_that_rate() -> None:
    said = judge(GROUNDED, cases(3, 40))
    assert said.word is Word.UNKNOWN
    assert said.needed is None
    assert "not reachable at this rate; " in said.sentence
    assert "needed with no further failure" in said.sentence


@pytest.mark.parametrize(
    ("more", "why", "of_all"),
    [
        ({"error": "boom", "scores": {}}, "ended in an error", "ended in an error"),
        ({"ran": False, "scores": {}}, "has not run", "have not run"),
        ({"waiting": frozenset({""})}, "is not judged yet", "are not judged yet"),
        ({"arrived": False, "scores": {}}, "its run did not arrive", "their runs did not arrive"),
        ({"given_up": frozenset({"groundedness"}), "scores": {}}, *["could not be judged"] * 2),
    ],
)
def test_a_case_without_a_verdict_could_be_either(
    more: dict[str, Any], why: str, of_all: str
) -> None:
    found = judge(GROUNDED, [*cases(0, 80), *(case(f"m{n}", **more) for n in range(40))])
    assert found.word is Word.UNKNOWN
    assert found.missing == {why: 40}
    assert f"40 cases {of_all}" in found.sentence


def test_missing_cases_cannot_turn_a_clear_answer() -> None:
    gone = [case(f"m{n}", ran=False) for n in range(2)]
    assert judge(GROUNDED, [*cases(40, 80), *gone]).word is Word.NO
    assert judge(GROUNDED, [*cases(0, 400), *gone]).word is Word.YES


def test_abstentions_are_counted_apart() -> None:
    silent = {"groundedness": Outcomes(abstained=1)}
    found = judge(GROUNDED, [*cases(0, 80), case("s", scores=silent), case("t", scores={})])
    assert (found.word, found.rate.n) == (Word.YES, 80)
    assert found.apart == {"abstained": 1, "not scored": 1}


def test_a_yes_names_the_cases_that_were_judged() -> None:
    silent = {"groundedness": Outcomes(abstained=1)}
    held = [*cases(0, 80), *(case(f"s{n}", scores=silent) for n in range(7))]
    one, two = decide([GROUNDED], held), decide([GROUNDED, Condition("errors", limit=0.1)], held)
    assert one.sentence == "Yes: the condition is met over 80 judged cases of 87."
    assert two.sentence == "Yes: all 2 conditions are met over 80 to 87 judged cases of 87."


def test_where_nothing_was_judged_nothing_can_be_known() -> None:
    found = judge(Condition("toxicity", limit=0.5), cases(0, 80))
    assert found.word is Word.UNKNOWN
    assert found.sentence.startswith(
        "no case has a verdict of toxicity, at most 50 % allowed: is it switched on?"
    )


def test_a_limit_of_zero_is_about_these_cases() -> None:
    none = Condition("groundedness", limit=0.0)
    assert judge(none, cases(0, 3)).word is Word.YES
    assert judge(none, cases(1, 3)).word is Word.NO
    assert judge(none, [*cases(0, 3), case("m", ran=False)]).needed == 1


def test_fewer_cases_than_asked_for_are_no_yes() -> None:
    wanted = Condition("groundedness", limit=0.0, min_cases=30)
    found = judge(wanted, cases(0, 3))
    assert (found.word, found.needed) == (Word.UNKNOWN, 27)


def against(worse: float, now: list[Tried], before: list[Tried]) -> Judged:
    return judge(Condition("groundedness", worse=worse), now, before)


def test_against_a_baseline_the_same_cases_are_compared_and_the_regressed_named() -> None:
    before = [case(n, fails=n in (0, 1)) for n in range(200)]
    now = [case(n, fails=n in (1, 2, 3)) for n in range(200)]
    found = against(0.05, now, before)
    assert found.compared is not None
    assert (found.compared.regressed, found.compared.mended) == (("2", "3"), ("0",))
    assert found.word is Word.YES
    assert "2 fail only now and 1 only before" in found.sentence


def test_a_candidate_that_is_clearly_worse_is_a_no_and_one_that_breaks_no_yes() -> None:
    before = cases(0, 100)
    assert against(0.05, cases(30, 100), before).word is Word.NO
    broken = [case(n, error="boom" if n < 30 else "", scores={} if n < 30 else {
        "groundedness": Outcomes(passed=1)}) for n in range(100)]  # fmt: skip
    assert against(0.05, broken, before).word is Word.UNKNOWN


def test_no_case_that_passed_may_fail_where_nothing_worse_is_allowed() -> None:
    assert against(0.0, cases(2, 10), cases(3, 10)).word is Word.YES
    assert against(0.0, [case(9, fails=True)], [case(9)]).word is Word.NO


def test_a_case_the_baseline_does_not_tell_of_may_have_passed_before() -> None:
    now = [*cases(0, 10), case("new", fails=True)]
    found = against(0.0, now, cases(0, 10))
    assert found.word is Word.UNKNOWN
    assert "1 case must have a verdict in both first" in found.sentence
    assert against(0.0, [*cases(0, 10), case("new")], cases(0, 10)).word is Word.YES


def test_pairs_that_would_be_enough_wait_for_the_missing_ones() -> None:
    now = [*cases(0, 300), *(case(f"m{n}", ran=False) for n in range(30))]
    before = [*cases(0, 300), *(case(f"m{n}") for n in range(30))]
    found = against(0.05, now, before)
    assert (found.word, found.needed) == (Word.UNKNOWN, 0)
    assert "30 cases must have a verdict in both first" in found.sentence


def test_a_case_that_the_baseline_has_no_verdict_of_may_have_passed_there() -> None:
    before = [*cases(0, 200), *(case(f"m{n}", arrived=False, scores={}) for n in range(60))]
    failing = [*cases(0, 200), *(case(f"m{n}", fails=True) for n in range(60))]
    found = against(0.05, failing, before)
    assert found.word is Word.UNKNOWN
    assert "60 cases must have a verdict in both first" in found.sentence
    passing = [*cases(0, 200), *(case(f"m{n}") for n in range(60))]
    assert against(0.05, passing, before).word is Word.YES
    assert against(0.0, failing, before).word is Word.UNKNOWN
    assert against(0.0, passing, before).word is Word.YES


def test_too_few_pairs_say_how_many_are_missing() -> None:
    found = against(0.05, cases(0, 20), cases(0, 20))
    assert found.word is Word.UNKNOWN
    assert found.needed is not None
    assert found.needed > 0
    assert against(0.05, cases(0, 3), []).word is Word.UNKNOWN


@pytest.mark.parametrize(
    ("expectation", "fate"),
    [
        ({"must": "five days"}, Fate.PASSED),
        ({"must": ["five", "days"], "must_not": "never"}, Fate.PASSED),
        ({"must": "six days"}, Fate.FAILED),
        ({"must_not": "days"}, Fate.FAILED),
        ({"evaluators": ["groundedness"]}, Fate.PASSED),
        ({"evaluators": ["tone"]}, Fate.MISSING),
        ({"must": 7}, Fate.MISSING),
        ({"must": "", "first_bad_step": 4}, Fate.APART),
    ],
)
def test_a_case_is_held_against_its_own_expectation(
    expectation: dict[str, Any], fate: Fate
) -> None:
    tried = case(1, answer="It takes five days.", expectation=expectation)
    assert standing(Condition("expectation"), tried).fate is fate


def test_an_evaluator_that_must_pass_and_failed_fails_the_case() -> None:
    tried = case(1, fails=True, expectation={"evaluators": ["groundedness"]})
    assert standing(Condition("expectation"), tried).why == "groundedness failed"
    assert standing(Condition("expectation"), case(1, error="boom")).fate is Fate.FAILED


@pytest.mark.parametrize(
    ("differences", "fate"),
    [(None, Fate.APART), ({}, Fate.PASSED), ({"unknown_calls": 0}, Fate.PASSED),
     ({"unknown_calls": 2}, Fate.FAILED)],
)  # fmt: skip
def test_a_run_that_left_the_recorded_one_differs(
    differences: dict[str, Any] | None, fate: Fate
) -> None:
    tried = case(1, differences=differences)
    assert standing(Condition("differences"), tried).fate is fate


def test_errors_are_those_recorded_and_those_of_the_run() -> None:
    found = judge(Condition("errors", limit=0.5), [case(1, error="boom"), case(2, broke=True)])
    assert found.failing == {"1": "boom", "2": "its run broke"}


@pytest.mark.parametrize(
    "more",
    [{"arrived": False}, {"waiting": frozenset({""})}, {"given_up": frozenset({""})}],
)
def test_a_run_that_is_not_there_yet_neither_passed_nor_failed(more: dict[str, Any]) -> None:
    said = decide([Condition("errors", limit=0.0)], [case(n, **more) for n in range(20)])
    assert said.word is Word.UNKNOWN
    assert said.sentence.startswith("Cannot know: ")
    for wanted in ({"must": "yes"}, {"must_not": "never"}):
        silent = case(1, expectation=wanted, **more)
        assert standing(Condition("expectation"), silent).fate is Fate.MISSING
        answered = case(1, expectation=wanted, answer="yes", **more)
        assert standing(Condition("expectation"), answered).fate is Fate.PASSED
    assert standing(Condition("errors"), case(1, broke=True, **more)).fate is Fate.FAILED


def test_the_parts_of_an_evaluator_are_the_evaluator() -> None:
    tried = case(1, scores={"is_compliant.no-export": Outcomes(failed=1)})
    assert standing(Condition("is_compliant"), tried).fate is Fate.FAILED
    assert standing(Condition("is_comp"), tried).fate is Fate.APART


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("groundedness fails <= 5%", Condition("groundedness", limit=0.05)),
        ("expectation <= 0 %", Condition("expectation", limit=0.0)),
        ("review:tone worse ≤ 2.5%", Condition("review:tone", worse=0.025)),
    ],
)
def test_a_condition_is_written_in_words(text: str, wanted: Condition) -> None:
    assert read_condition(text) == wanted


@pytest.mark.parametrize("text", ["", "groundedness", "x fails < 5%", "x <= 500%", "a\x1b <= 5%"])
def test_what_is_no_condition_is_shown_the_form(text: str) -> None:
    with pytest.raises(WrongUse, match="groundedness fails <= 5%"):
        read_condition(text)


def test_a_table_is_a_condition_on_its_dataset() -> None:
    table = {"dataset": "refunds", "evaluator": "groundedness", "max_fail_rate": 0.05,
             "max_worse_than_baseline": 0.02, "confidence": 0.9, "min_cases": 30}  # fmt: skip
    (found,) = parse_gates({"gates": [table]})
    assert (found.project, found.dataset) == ("default", "refunds")
    assert found.condition == Condition("groundedness", 0.05, 0.02, 0.9, 30)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "must name its dataset"),
        ({"dataset": "d", "evaluater": "x"}, "'evaluater' is unknown"),
        ({"dataset": "d"}, "give an evaluator, or a measure"),
        ({"dataset": "d", "evaluator": "x", "measure": "errors"}, "give an evaluator"),
        ({"dataset": "d", "measure": "error"}, "must be expectation, errors"),
        ({"dataset": "d", "evaluator": "x"}, "needs max_fail_rate"),
        ({"dataset": "d", "evaluator": "x", "max_fail_rate": 5}, "share from 0 to 1"),
        ({"dataset": "d", "evaluator": "x", "max_fail_rate": True}, "share from 0 to 1"),
        ({"dataset": "d", "evaluator": "x", "max_fail_rate": 0.1, "min_cases": 0}, "whole number"),
        ({"dataset": "d", "evaluator": "x", "max_fail_rate": 0.1, "confidence": 1}, "0.999"),
        ({"dataset": 7}, "the name of a dataset"),
    ],
)
def test_a_table_that_is_off_is_said(table: dict[str, Any], said: str) -> None:
    with pytest.raises(BadSetting, match=said):
        parse_gates({"gates": [table]})


@pytest.mark.parametrize("gates", [{}, ["x"], "x"])
def test_gates_that_are_no_tables_are_said(gates: Any) -> None:
    with pytest.raises(BadSetting, match=r"write \[\[gates\]\]"):
        parse_gates({"gates": gates or {"dataset": "d"}})
