"""Numbers, times and names as people read them."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui import words

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.34, "340 ms"), (2.94, "2.9 s"), (41.2, "41 s"), (200, "3 m 20 s"), (7500, "2 h 5 m")],
)
def test_durations(seconds: float, said: str) -> None:
    assert words.took(seconds) == said


@pytest.mark.parametrize(
    ("usd", "said"), [(None, "–"), (0, "$0"), (0.00012, "$0.00012"), (12.345, "$12.35")]
)
def test_money_is_never_rounded_to_nothing(usd: float | None, said: str) -> None:
    assert words.money(usd) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(5, "just now"), (600, "10 min ago"), (7200, "2 h ago"), (200_000, "2 days ago")],
)
def test_ago(seconds: int, said: str) -> None:
    assert words.ago(NOW - dt.timedelta(seconds=seconds), NOW) == said


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.28, 0.41, "28–41"), (0, 0.0023, "0–0.2"), (0.997, 1, "99.7–100"), (0, 0, "0–0")],
)
def test_the_ends_of_an_interval_are_told_apart(low: float, high: float, said: str) -> None:
    assert words.span(low, high) == said


@given(st.text())
def test_a_label_holds_nothing_that_markdown_reads(text: str) -> None:
    assert not set(words.label(text)) & set("![]()<>`*:$#|~\\\n\"'&")


@given(st.text())
def test_one_line_is_one_line_and_can_be_printed(text: str) -> None:
    said = words.one_line(text, 50)
    assert len(said) <= 50
    assert said.isprintable()


def test_two_judges_that_would_be_called_alike_are_told_apart() -> None:
    assert words.judges(["groundedness", "Groundedness", "pii_leak"]) == {
        "groundedness": "Groundedness (groundedness)",
        "Groundedness": "Groundedness (Groundedness)", "pii_leak": "PII leak",
    }  # fmt: skip


def test_a_cohort_names_what_is_not_set() -> None:
    assert words.cohort({"model": "m", "region": None}) == "m · no region"
    assert words.cohort({}) == "all runs"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("groundedness", "Groundedness"), ("pii_leak", "PII leak"), ("Our Judge", "Our Judge"),
        ("review:tool_scope", "Tool scope, by people"), ("a<b>", "a<b>"),
    ],
)  # fmt: skip
def test_evaluators_have_names_for_people(name: str, said: str) -> None:
    assert words.judge(name) == said
