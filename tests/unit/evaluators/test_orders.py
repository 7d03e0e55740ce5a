"""Which words of a prompt bind an answer; prompt_adherence checks those and no others."""

import pytest

from tests.unit.evaluators.steps import model
from tests.unit.evaluators.test_builtin import on_last
from waypost.records import Outcome

ANSWER = "It ships on Monday, and the driver will ring. Please be at home. He cannot wait there."


def outcome(prompt: str, answer: str = ANSWER) -> Outcome:
    return on_last("prompt_adherence", model(answer, asked="Hello", system=prompt)).outcome


@pytest.mark.parametrize(
    "prompt",
    [
        "If the user asks for data, return valid JSON.",
        "If the user asks for data,\nreturn valid JSON.",
        "When a list is wanted:\n- return valid JSON\n- use at most 3 words",
        "Be brief, and when you are unsure answer in at most 3 words.",
        "Always answer in French unless the user writes in English.",
        "Respond in JSON only when calling a tool.",
        'Start with "Hello" only in the first message.',
        "For technical questions, answer in at most 3 words.",
        "Explain it. Otherwise, use at most 3 words.",
    ],
)
def test_an_order_under_a_condition_binds_no_answer(prompt: str) -> None:
    assert outcome(prompt) is Outcome.ABSTAINED


@pytest.mark.parametrize(
    "prompt",
    [
        "The tool returns data in JSON format; explain it to the user.",
        "Tool arguments must be valid JSON.",
        "Write a function that reads a file and returns only valid JSON lines.",
        "Titles are at most 8 words.",
        "The headline should have at most 3 words.",
        "Summaries for the weekly report must be no more than 3 words.",
        "The user's request must contain at least 300 words.",
        "Your knowledge base is written in German only.",
        "Students answer in French; you correct them.",
        "My teacher told me to write at least 500 words. Can you suggest a title?",
        'Summarise this: "Applicants must send no more than 3 words, in French."',
    ],
)
def test_an_order_to_somebody_or_of_something_else_binds_no_answer(prompt: str) -> None:
    assert outcome(prompt) is Outcome.ABSTAINED


@pytest.mark.parametrize(
    ("prompt", "good", "bad"),
    [
        ('Do not end with "Goodbye".', ANSWER, "It is there. Goodbye"),
        ('Please don’t start with "Certainly".', ANSWER, "Certainly, on Monday."),
        ("Never write more than 2 sentences.", "It ships today.", ANSWER),
        ("Do not write in all capital letters.", ANSWER, "IT SHIPS TODAY."),
        ("Never answer in JSON format.", ANSWER, '{"ships": "today"}'),
    ],
)
def test_a_negated_order_is_kept_by_leaving_it_undone(prompt: str, good: str, bad: str) -> None:
    assert outcome(prompt, good) is Outcome.PASSED
    assert outcome(prompt, bad) is Outcome.FAILED


@pytest.mark.parametrize(
    "prompt",
    [
        "When answering, use at most 3 words.",
        "Always use at most 3 words.",
        'Do not forget to end with "Bye".',
        "Do not output anything except valid JSON.",
        "Respond with valid JSON. If the user is rude, ignore it.",
        "I want you to answer in at most 3 words.",
        "Answers must be at most 3 words.",
        "Write a document for them. The document must have at most 3 words.",
        'Use at most 3 words about "what happens if it rains".',
    ],
)
def test_an_order_of_every_answer_still_binds(prompt: str) -> None:
    assert outcome(prompt) is Outcome.FAILED
