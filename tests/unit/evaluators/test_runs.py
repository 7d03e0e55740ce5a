"""Judges of whole runs: what a user says meanwhile counts, and so does how things are written."""

import pytest

from evaluators.numbers import stated_months, stated_numbers
from tests.unit.evaluators.steps import model, say, step, tool
from tests.unit.evaluators.test_builtin import id_of, on_run
from waypost.records import Json, Kind, Message, Outcome, Step

ORDER = tool("place_order", {"sku": "coffee"}, {"placed": True})
TOOLS: tuple[Json, ...] = ({"name": "search_flights"}, {"name": "book_flight"})
SEARCH = tool("search_flights", {"to": "Lisbon"})


def hears(*texts: str) -> Step:
    """A model call whose input holds these messages of the user."""
    return model("", input=tuple(say("user", t) for t in texts), tools=TOOLS)


def plan(*lines: str) -> Step:
    return step(Kind.PLAN, output=(say("assistant", "\n".join(lines)),))


FLIGHT = plan("1. search_flights to Lisbon", "2. book_flight")


def test_an_order_repeated_at_the_users_word_is_another_deed() -> None:
    first, again = hears("One coffee"), hears("One coffee", "One more coffee please")
    assert not on_run("repeated_side_effect", first, ORDER, again, ORDER).is_failed
    twice = on_run("repeated_side_effect", first, ORDER, again, ORDER, ORDER)
    assert (twice.is_failed, twice.evidence[0].step) == (True, id_of(5))


def test_a_tools_answer_in_a_users_message_is_no_word_of_the_user() -> None:
    first, again = hears("One coffee"), hears("One coffee", 'Observation: {"placed": true}')
    assert on_run("repeated_side_effect", first, ORDER, again, ORDER).is_failed


def test_what_is_planned_for_one_case_may_stay_undone() -> None:
    asked = hears("To Lisbon, please")
    certain = plan("1. search_flights", "2. book_flight")
    for word in ("If it is direct, book_flight", "book_flight unless it is dear"):
        in_case = plan("1. search_flights", f"2. {word}")
        assert not on_run("plan_action_mismatch", asked, in_case, SEARCH).is_failed
    assert on_run("plan_action_mismatch", asked, certain, SEARCH).is_failed


def test_a_plan_of_one_line_replaces_the_one_before() -> None:
    asked, told = hears("To Lisbon, please"), plan("1. Tell the user there are no flights")
    ended = model("There are none.", asked="To Lisbon, please")
    assert not on_run("plan_action_mismatch", asked, FLIGHT, SEARCH, told, ended).is_failed


def test_what_a_user_says_after_a_plan_may_have_changed_it() -> None:
    asked, stopped = hears("To Lisbon"), hears("To Lisbon", "Too dear, forget it.")
    found = on_run("plan_action_mismatch", asked, FLIGHT, SEARCH, stopped)
    assert found.outcome is Outcome.ABSTAINED
    stray = tool("delete_account")
    assert on_run("plan_action_mismatch", asked, FLIGHT, stray, stopped).is_failed
    assert not on_run("plan_action_mismatch", asked, FLIGHT, stopped, stray).is_failed


@pytest.mark.parametrize(
    ("asked", "told", "strange"),
    [
        ("a hotel from 3 to 7 June 2025", "a hotel from 2025-06-03 to 2025-06-07", ""),
        ("a hotel from 3 June", "a hotel from 2025-06-03 on", ""),
        ("a hotel for tomorrow night", "a hotel for the night of 2025-06-03", ""),
        ("a hotel from 2025-06-03 on", "a hotel in Rome from June 3 on", "Rome"),
        ("a hotel from 3 to 7 June 2025", "a hotel from 2025-07-03 on", "2025-07-03"),
        ("a car under 12k", "a car for less than 12,000", ""),
        ("a car for one thousand euros", "a car for €1,000 at most", ""),
        ("a car for two hundred and fifty", "a car for 250 or less", ""),
        ("a car for one thousand euros", "a car for €1,900 at most", "1,900"),
        ("a car under 12k", "a car for less than 13k, or so", "13"),
    ],
)
def test_a_number_or_date_may_be_restated_in_another_form(
    asked: str, told: str, strange: str
) -> None:
    score = on_run("goal_restatement", model(f"You want {told}.", asked=f"I need {asked}"))
    assert score.is_failed is bool(strange)
    assert strange in score.explanation


def test_hundreds_in_a_row_are_no_product() -> None:
    assert stated_numbers("hundred " * 4_000) == {"100"}


def test_no_distance_is_measured_between_two_languages() -> None:
    goal = (
        "Finde heraus, warum die Sicherung der Kundendatenbank seit Dienstag fehlschlägt, und"
        " behebe die Ursache, ohne den laufenden Betrieb der Filialen zu stören oder anzuhalten"
    )
    asked: tuple[Message, ...] = (say("user", goal),)
    far = [model(f"Bananas contain potassium minerals vitamins {n}", input=asked) for n in range(8)]
    assert on_run("goal_drift", *far).outcome is Outcome.ABSTAINED
    drift = "Bananen mit Kalium: im Winter auch für Vögel ein Obst, das nicht teuer ist"
    far = [model(f"{drift} {n}", input=asked) for n in range(8)]
    assert on_run("goal_drift", *far).is_failed


@pytest.mark.parametrize(
    ("text", "months"),
    [
        ("on 15/07/2024", {7}), ("on 07/08/2024", {7, 8}), ("on 2024-07-15", {7}),
        ("version 99/45/2024", set()), ("2024-13-01", set()), ("00/00/2024", set()),
    ],
)  # fmt: skip
def test_a_date_lies_in_a_month_that_there_is(text: str, months: set[int]) -> None:
    assert stated_months(text) == months
    on_run("goal_restatement", model("You want to fly then.", asked=f"I need a flight {text}"))
