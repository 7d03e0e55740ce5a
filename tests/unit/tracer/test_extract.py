"""What is read from LangChain's objects, whichever provider shaped them."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langgraph.types import Command

from tracer import extract
from waypost import names


@pytest.mark.parametrize(
    ("block", "part"),
    [
        ("plain", {"type": "text", "content": "plain"}),
        ({"type": "text", "text": "t"}, {"type": "text", "content": "t"}),
        ({"type": "thinking", "thinking": "hm"}, {"type": "reasoning", "content": "hm"}),
        ({"type": "reasoning", "reasoning": "hm"}, {"type": "reasoning", "content": "hm"}),
        (
            {"type": "reasoning", "summary": [{"text": "a"}, {"text": "b"}]},
            {"type": "reasoning", "content": "a\nb"},
        ),
        (
            {"type": "image_url", "image_url": "https://x/y.png"},
            {"type": "uri", "modality": "image", "mime_type": None, "uri": "https://x/y.png"},
        ),
        (
            {"type": "image", "source": {"media_type": "image/png", "data": "aGk="}},
            {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "aGk="},
        ),
        (
            {"type": "audio", "base64": "aGk=", "mime_type": "audio/wav"},
            {"type": "blob", "modality": "audio", "mime_type": "audio/wav", "content": "aGk="},
        ),
        (
            {"type": "file", "file_id": "f-1"},
            {"type": "file", "modality": "file", "file_id": "f-1"},
        ),
        ({"type": "server_tool_call", "id": "s"}, {"type": "server_tool_call", "id": "s"}),
    ],
)
def test_a_block_becomes_a_part(block: Any, part: Any) -> None:
    assert extract.message_of(HumanMessage([block]))["parts"] == [part]


def test_strange_blocks_are_kept_as_text_and_calls_come_once() -> None:
    message = SimpleNamespace(type="human", content=[5])
    assert extract.message_of(message)["parts"] == [{"type": "text", "content": "5"}]
    answer = AIMessage(
        [{"type": "tool_use", "id": "c", "name": "n", "input": {}}],
        tool_calls=[{"name": "n", "args": {"a": 1}, "id": "c"}],
        invalid_tool_calls=[
            {"name": "m", "args": "{broken", "id": "d", "error": None, "type": "invalid_tool_call"}
        ],
    )
    assert extract.message_of(answer)["parts"] == [
        {"type": "tool_call", "id": "c", "name": "n", "arguments": {"a": 1}},
        {
            "type": "tool_call", "id": "d", "name": "m", "arguments": "{broken",
            "error": "invalid arguments",
        },
    ]  # fmt: skip


def test_roles() -> None:
    messages = [
        HumanMessage("a"),
        SystemMessage("a"),
        AIMessage("a"),
        ChatMessage(content="a", role="critic"),
    ]
    assert [extract.role_of(m) for m in messages] == ["user", "system", "assistant", "critic"]


def test_a_failed_answer_says_so() -> None:
    message = ToolMessage("no", tool_call_id="c", status="error")
    assert extract.message_of(message)["parts"] == [
        {"type": "tool_call_response", "id": "c", "response": "no", "status": "error"}
    ]


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"x": 1}}},
        {"name": "f", "description": "d", "input_schema": {"x": 1}},
        {"type": "function", "name": "f", "description": "d", "parameters": {"x": 1}},
    ],
)
def test_definitions_come_in_one_shape(tool: Any) -> None:
    shape = {"type": "function", "name": "f", "parameters": {"x": 1}, "description": "d"}
    assert extract.tool_definition(tool) == shape


def test_definitions_nobody_knows_are_kept() -> None:
    assert extract.tool_definition({"type": "web_search"}) == {"type": "web_search"}
    assert extract.tool_definition(len) == str(len)


def test_parameters_from_the_call_and_from_metadata() -> None:
    found = dict(
        extract.parameters_of(
            {"temperature": 1, "max_completion_tokens": 5, "top_p": True, "seed": 3},
            {"ls_temperature": 0.5, "ls_max_tokens": 9},
        )
    )
    assert found == {
        names.REQUEST_TEMPERATURE: 1.0,
        names.REQUEST_MAX_TOKENS: 9,
        names.REQUEST_SEED: 3,
    }
    assert extract.output_type({"response_format": {"type": "json_schema"}}, {}) == "json"
    assert extract.provider_of({"ls_provider": "google_genai"}) == "gcp.gemini"
    assert extract.provider_of({"ls_provider": "openai"}) == "openai"


def test_usage_of_text_models_and_none_at_all() -> None:
    old = {"token_usage": {"prompt_tokens": 3, "completion_tokens": 4}}
    assert dict(extract.usage_of(None, old)) == {names.TOKENS_IN: 3, names.TOKENS_OUT: 4}
    assert dict(extract.usage_of(None, None)) == {}


def test_answers_say_who_and_why_and_what_it_cost() -> None:
    meta = {"model": "m-1", "stop_reason": "tool_use", "id": "msg_1", "token_usage": {"cost": 0.01}}
    assert dict(extract.answer_of(AIMessage("x", response_metadata=meta), {})) == {
        names.RESPONSE_MODEL: "m-1",
        names.RESPONSE_ID: "msg_1",
        names.FINISH_REASONS: ["tool_use"],
        names.COST: 0.01,
    }
    assert dict(extract.answer_of(AIMessage("x", id="lc_run--1"), {})) == {}


def test_documents_and_things_that_are_none() -> None:
    found = extract.documents_of([Document("a", metadata={"id": "d", "relevance_score": 2}), "b"])
    assert found == [
        {"id": "d", "score": 2, "content": "a", "metadata": {"id": "d", "relevance_score": 2}},
        {"content": "b", "metadata": {}},
    ]


ANSWER = ToolMessage("yes", tool_call_id="c")


@pytest.mark.parametrize(
    ("output", "result"),
    [
        ("plain", ("plain", False)),
        (ANSWER, ("yes", False)),
        ([ANSWER, Command(update={"x": 1})], (["yes", {"update": {"x": 1}}], False)),
        ([ANSWER], ("yes", False)),
        (Command(update={"messages": [ANSWER]}), ("yes", False)),
        (Command(goto="billing"), ({"goto": "billing"}, False)),
        (ToolMessage("no", tool_call_id="c", status="error"), ("no", True)),
        ([1, 2], ([1, 2], False)),
    ],
)
def test_results_are_unwrapped(output: Any, result: Any) -> None:
    assert extract.result_of(output) == result


@pytest.mark.parametrize(
    ("inputs", "text", "arguments"),
    [
        ({"a": 1}, "", {"a": 1}),
        (None, '{"a": 1}', {"a": 1}),
        (None, "{broken", {"input": "{broken"}),
        (None, "A-1", {"input": "A-1"}),
    ],
)
def test_arguments_are_always_an_object(inputs: Any, text: str, arguments: Any) -> None:
    found = extract.arguments_of(inputs, text)
    assert found == arguments
    json.dumps(found)
