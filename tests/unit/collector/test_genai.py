"""The GenAI names in situations no recorded sample holds."""

import json

import pytest

from collector.convention import Reader
from collector.reading.messages import messages_of
from tests.unit.collector.spans import step_of
from waypost.records import Json, Kind, Message, RawSpan


def test_texts_to_embed_are_the_query() -> None:
    texts: Json = [
        {"role": "user", "parts": [{"type": "text", "content": text}]} for text in ("a", "b")
    ]
    told: dict[str, Json] = {
        "gen_ai.operation.name": "embeddings", "gen_ai.input.messages": json.dumps(texts),
    }  # fmt: skip
    step = step_of("openai.embeddings", told)
    assert (step.kind, step.query) == (Kind.RETRIEVAL, "a\nb")


def test_anthropic_s_own_spans_say_apart_why_the_model_stopped() -> None:
    told: dict[str, Json] = {
        "gen_ai.operation.name": "chat", "anthropic.message.stop_reason": "tool_use",
    }  # fmt: skip
    assert step_of("anthropic.messages.create", told).finish_reason == "tool_call"


@pytest.mark.parametrize(
    ("before", "more"),
    [
        ([{"type": "text", "text": "a"}], [{"type": "text", "text": "b"}]),
        (
            [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
            [{"type": "web_search_call", "id": "w1"}, {"role": "user", "content": "c"}],
        ),
    ],
)
def test_a_list_that_grew_is_read_as_if_it_came_at_once(
    before: list[Json], more: list[Json]
) -> None:
    reader = Reader()

    def read(messages: list[Json]) -> tuple[Message, ...]:
        told: dict[str, Json] = {
            "gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(messages),
        }  # fmt: skip
        span = RawSpan("1" * 32, "2" * 16, "3" * 16, "chat", 10, 20, attributes=told)
        return reader.read(span).step.input

    read(before)
    grown = read(before + more)
    assert grown == messages_of([*before, *more])
