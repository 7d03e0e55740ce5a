"""OpenLLMetry before 0.62, from clients without a sample."""

import json

import pytest

from tests.unit.collector.spans import step_of
from waypost.records import Json, Message, Step

ASKED, SAID = "gen_ai.prompt.0.", "gen_ai.completion.0."


def told(attributes: dict[str, Json]) -> Step:
    return step_of("anthropic.chat", {"llm.request.type": "chat", **attributes})


def input_of(role: str, content: Json, **more: Json) -> Message:
    attributes = {ASKED + "role": role, ASKED + "content": json.dumps(content)}
    return told({**attributes, **{ASKED + k: v for k, v in more.items()}}).input[0]


def test_blocks_that_stand_in_a_content_as_json_are_read() -> None:
    result: Json = {"type": "tool_result", "tool_use_id": "c1", "content": "x", "is_error": True}
    answer: Json = {"type": "tool_call_response", "id": "c1", "response": "x", "status": "error"}
    assert input_of("user", [result]).parts == (answer,)
    image: Json = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}
    found = input_of("user", [{"type": "text", "text": "what"}, image])
    assert [p["type"] for p in found.parts] == ["text", "uri"]


def test_a_call_in_the_content_and_beside_it_is_one() -> None:
    use: Json = {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}
    listed: dict[str, Json] = {
        "tool_calls.0.id": "c1", "tool_calls.0.name": "f", "tool_calls.0.arguments": '{"a": 1}',
    }  # fmt: skip
    found = input_of("assistant", [{"type": "text", "text": "let me look"}, use], **listed)
    assert [p["type"] for p in found.parts] == ["text", "tool_call"]


@pytest.mark.parametrize(
    "content",
    [
        [{"id": "P-7"}], [{"type": "person"}], [1], {"type": "text"}, [{"type": "file", "id": 7}],
        [{"type": "function", "function": {"name": "f", "parameters": {}}}],
    ],
)  # fmt: skip
def test_other_json_in_a_content_stays_text(content: Json) -> None:
    assert input_of("user", content).text == json.dumps(content)


def test_what_the_model_says_is_its_own_thoughts_refusals_and_bare_completions() -> None:
    thinking = told({SAID + "role": "thinking", SAID + "content": "hm"}).output[0]
    assert (thinking.role, thinking.parts) == (
        "assistant", ({"type": "reasoning", "content": "hm"},),
    )  # fmt: skip
    refusal = told({SAID + "role": "assistant", SAID + "refusal": "no"}).output[0]
    bare = told({SAID + "content": "a"}).output[0]
    unknown = told({SAID + "role": "unknown", SAID + "content": "b"}).output[0]
    assert [(m.role, m.text) for m in (refusal, bare, unknown)] == [
        ("assistant", "no"), ("assistant", "a"), ("assistant", "b"),
    ]  # fmt: skip
