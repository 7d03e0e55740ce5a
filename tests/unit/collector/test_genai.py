"""The GenAI names in situations no recorded sample holds."""

import json

from tests.unit.collector.spans import step_of
from waypost.records import Json, Kind


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
