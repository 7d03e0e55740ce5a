"""OpenInference from frameworks without a sample: each names and nests in its own way."""

import json

import pytest

from tests.unit.collector.spans import openinference
from waypost.records import Json, Kind


def test_a_model_that_is_called_like_a_function_is_no_private_helper() -> None:
    called = openinference("LLM", {"llm.model_name": "m"}, "LM.__call__")
    helper = openinference("LLM", {"llm.model_name": "m"}, "OpenAI._prepare_chat_with_tools")
    assert (called.kind, helper.kind) == (Kind.LLM, Kind.SCOPE)


def test_a_tool_without_a_name_is_called_as_its_span_without_the_method() -> None:
    step = openinference("TOOL", {"input.value": '{"kwargs": {"a": 1}}'}, "look.__call__")
    assert (step.tool, step.arguments) == ("look", {"a": 1})


IN, OUT = "llm.input_messages.0.message.", "llm.output_messages.0.message."


def test_a_maker_s_own_word_for_the_assistant_is_read() -> None:
    step = openinference("LLM", {IN + "role": "human", OUT + "role": "model", OUT + "content": "a"})
    assert (step.output[0].role, step.output[0].text) == ("assistant", "a")


def test_a_call_that_stands_in_the_content_and_in_the_list_of_calls_is_one() -> None:
    block, call = OUT + "contents.1.", OUT + "tool_calls.0."
    named: dict[str, Json] = {
        "tool_call.id": "c1", "tool_call.function.name": "look",
        "tool_call.function.arguments": '{"a": 1}',
    }  # fmt: skip
    step = openinference(
        "LLM",
        {
            OUT + "role": "assistant",
            OUT + "contents.0.message_content.type": "text",
            OUT + "contents.0.message_content.text": "let me look",
            block + "message_content.type": "tool_use",
            **{block + k: v for k, v in named.items()},
            **{call + k: v for k, v in named.items()},
        },
    )
    assert step.output[0].parts == (
        {"type": "text", "content": "let me look"},
        {"type": "tool_call", "id": "c1", "name": "look", "arguments": {"a": 1}},
    )


def test_a_tool_called_without_arguments_has_none_rather_than_unknown_ones() -> None:
    step = openinference("TOOL", {"tool.name": "now", "input.value": "{}"})
    assert (step.arguments, step.arguments_from) == ({}, "span")


@pytest.mark.parametrize(
    ("flat", "raw", "wanted"),
    [
        ({OUT + "content": "a"}, {"choices": [{"message": {
            "role": "assistant", "content": "a", "reasoning_content": "hm"}}]}, ["hm", "a"]),
        ({OUT + "content": "a"}, {"content": [
            {"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}]}, ["hm", "a"]),
        ({}, {"choices": [{"message": {
            "role": "assistant", "content": None, "refusal": "no"}}]}, ["no"]),
        ({OUT + "content": "a"}, {"choices": [{"message": {
            "role": "assistant", "content": "a", "refusal": None}}]}, ["a"]),
    ],
)  # fmt: skip
def test_what_the_flattened_answer_leaves_out_comes_from_the_whole_one(
    flat: dict[str, Json], raw: Json, wanted: list[str]
) -> None:
    answer: Json = json.dumps(raw)
    step = openinference("LLM", {OUT + "role": "assistant", **flat, "output.value": answer})
    assert [p["content"] for p in step.output[0].parts] == wanted


def test_thoughts_come_from_the_genai_copy_of_the_answer() -> None:
    parts: Json = [{"type": "thinking", "content": "hm"}, {"type": "text", "content": "a"}]
    copy = json.dumps([{"role": "assistant", "parts": parts}])
    flat: dict[str, Json] = {OUT + "role": "assistant", OUT + "content": "a"}
    step = openinference("LLM", {**flat, "gen_ai.output.messages": copy})
    assert [p["type"] for p in step.output[0].parts] == ["reasoning", "text"]


def test_the_text_of_a_completion_s_prompt_is_its_input() -> None:
    step = openinference("LLM", {"llm.prompts.0.prompt.text": "say a", "output.value": "a"})
    assert [m.text for m in step.input] == ["say a"]


@pytest.mark.parametrize(
    ("kind", "attributes", "wanted"),
    [
        ("EMBEDDING", {
            "embedding.embeddings.0.embedding.text": "refunds",
            "embedding.embeddings.1.embedding.text": "orders",
            "input.value": '{"model": "e", "input": ["refunds", "orders"]}'}, "refunds\norders"),
        ("RETRIEVER", {"input.value": '{"query": "refunds", "top_k": null}'}, "refunds"),
        ("RETRIEVER", {"input.value": '{"unheard": "refunds"}'}, '{"unheard": "refunds"}'),
        ("RETRIEVER", {"input.value": "refunds"}, "refunds"),
    ],
)  # fmt: skip
def test_a_query_is_bare(kind: str, attributes: dict[str, Json], wanted: str) -> None:
    assert openinference(kind, attributes).query == wanted


@pytest.mark.parametrize(
    ("value", "mime", "wanted"),
    [("42", "application/json", 42), ("true", "application/json", True), ("42", "text/plain", "42"),
     ("so", "application/json", "so"), ("[]", "text/plain", []), ("{}", "application/json", None)],
)  # fmt: skip
def test_a_result_is_read_as_what_it_is_declared_to_be(value: str, mime: str, wanted: Json) -> None:
    told: dict[str, Json] = {"tool.name": "t", "output.value": value, "output.mime_type": mime}
    assert openinference("TOOL", told).result == wanted


def test_provider_and_model_may_stand_in_the_metadata_only() -> None:
    told: dict[str, Json] = {"metadata": '{"ls_provider": "openai", "ls_model_name": "m"}'}
    alone = openinference("LLM", told)
    named = openinference("LLM", {**told, "llm.model_name": "m-2026", "gen_ai.system": "azure"})
    assert (alone.provider, alone.model_requested, alone.model) == ("openai", "m", None)
    assert (named.provider, named.model_requested, named.model) == ("azure", None, "m-2026")


def test_of_two_dialects_on_a_tool_the_one_that_has_the_object_tells_the_arguments() -> None:
    told: dict[str, Json] = {
        "tool.name": "look", "input.value": "A", "gen_ai.tool.call.arguments": '{"order": "A"}',
    }  # fmt: skip
    assert openinference("TOOL", told).arguments == {"order": "A"}
    own: dict[str, Json] = {**told, "gen_ai.tool.call.arguments": "B"}
    assert openinference("TOOL", own).arguments == "A"


def test_calls_that_only_the_copy_of_an_answer_tells_are_in_the_answer() -> None:
    call: Json = {"type": "tool_call", "id": "c1", "name": "look", "arguments": {"a": 1}}
    copy = json.dumps([{"role": "assistant", "parts": [call]}])
    step = openinference("LLM", {OUT + "role": "assistant", "gen_ai.output.messages": copy})
    assert step.output[0].tool_calls == (call,)


def test_a_retriever_s_private_half_is_no_second_retrieval() -> None:
    outer = openinference("RETRIEVER", {"input.value": "q"}, "VectorIndexRetriever.retrieve")
    inner = openinference("RETRIEVER", {"input.value": "q"}, "VectorIndexRetriever._retrieve")
    assert (outer.kind, inner.kind) == (Kind.RETRIEVAL, Kind.SCOPE)


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ('{"id": "msg_1", "content": [], "model": "m"}', "msg_1"),
        ('{"id": "A-1", "model": "X5", "price": 3}', None),
        ('{"id":"chatcmpl-1","choices":[],"model":"m"}', "chatcmpl-1"),
        ('{"id": "run-7", "state": {}}', None),
        ("plain", None),
    ],
)
def test_the_answer_s_own_id_is_read(answer: str, wanted: str | None) -> None:
    assert openinference("LLM", {"output.value": answer}).response_id == wanted


def test_a_call_that_failed_names_the_model_it_asked_for() -> None:
    asked: dict[str, Json] = {"llm.invocation_parameters": '{"model": "m", "temperature": 0.5}'}
    failed = openinference("LLM", asked, status_code=2)
    answered = openinference("LLM", {**asked, "llm.model_name": "m-2026"})
    assert (failed.model_requested, failed.model) == ("m", None)
    assert (answered.model_requested, answered.model) == (None, "m-2026")


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ({"choices": [{"finish_reason": "tool_calls", "message": {}}]}, "tool_call"),
        ({"object": "response", "status": "completed", "output": []}, "stop"),
        ({"object": "response", "status": "incomplete", "output": [],
          "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"generations": [[{"generation_info": {"finish_reason": "stop"}}]]}, "stop"),
        ({"generations": [[{"generation_info": None, "message": {"lc": 1, "kwargs": {
            "response_metadata": {"stop_reason": "tool_use"}}}}]]}, "tool_call"),
    ],
)  # fmt: skip
def test_why_the_model_stopped_may_stand_in_the_answer_only(answer: Json, wanted: str) -> None:
    assert openinference("LLM", {"output.value": json.dumps(answer)}).finish_reason == wanted


def test_a_tool_s_answer_that_only_the_whole_request_calls_an_error_is_one() -> None:
    result = {"type": "tool_result", "tool_use_id": "c1", "is_error": True, "content": "gone"}
    flat: dict[str, Json] = {
        "llm.input_messages.0.message.role": "tool",
        "llm.input_messages.0.message.tool_call_id": "c1",
        "llm.input_messages.0.message.content": "gone",
        "llm.input_messages.1.message.role": "tool",
        "llm.input_messages.1.message.tool_call_id": "c2",
        "llm.input_messages.1.message.content": "here",
    }
    whole = json.dumps({"messages": [{"role": "user", "content": [result]}]})
    step = openinference("LLM", {**flat, "input.value": whole})
    found = [p.get("status") for m in step.input for p in m.tool_responses]
    assert found == ["error", None]


def test_an_error_in_a_request_that_has_no_flattened_copy_leaves_it_whole() -> None:
    result = {"type": "tool_result", "tool_use_id": "c1", "is_error": True, "content": "gone"}
    whole = json.dumps({"messages": [{"role": "user", "content": [result]}]})
    (message,) = openinference("LLM", {"input.value": whole}).input
    assert message.tool_responses[0]["status"] == "error"


def test_langchain_names_its_agent_in_the_metadata() -> None:
    told: dict[str, Json] = {"metadata": '{"lc_agent_name": "support", "region": "eu"}'}
    assert openinference("LLM", told).agent == "support"
    assert openinference("LLM", {**told, "gen_ai.agent.name": "billing"}).agent == "billing"


def test_calls_and_answers_without_ids_have_those_of_the_whole_conversation() -> None:
    use = {"type": "tool_use", "id": "c1", "name": "look", "input": {"a": 1}}
    result = {"type": "tool_result", "tool_use_id": "c1", "content": "42"}
    flat: dict[str, Json] = {
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": "42",
        OUT + "role": "assistant",
        OUT + "tool_calls.0.tool_call.function.name": "look",
        OUT + "tool_calls.0.tool_call.function.arguments": '{"a": 1}',
    }
    asked = json.dumps({"messages": [{"role": "user", "content": [result]}]})
    answered = json.dumps({"id": "msg_1", "role": "assistant", "content": [use]})
    step = openinference("LLM", {**flat, "input.value": asked, "output.value": answered})
    assert step.output[0].tool_calls[0]["id"] == "c1"
    assert [p["id"] for p in step.input[0].tool_responses] == ["c1"]


@pytest.mark.parametrize(
    "whole",
    [
        {"choices": [{"message": {"content": "a", "reasoning_content": "x"}},
                     {"message": {"content": "b"}}]},
        {"content": [{"type": "thinking", "thinking": ""}, {"type": "text", "text": "a"}]},
    ],
)  # fmt: skip
def test_a_whole_answer_that_does_not_fit_or_adds_nothing_changes_nothing(whole: Json) -> None:
    flat: dict[str, Json] = {OUT + "role": "assistant", OUT + "content": "a"}
    step = openinference("LLM", {**flat, "output.value": json.dumps(whole)})
    assert step.output[0].parts == ({"type": "text", "content": "a"},)


def test_thoughts_already_read_are_not_read_again() -> None:
    block = OUT + "contents.0.message_content."
    flat: dict[str, Json] = {
        OUT + "role": "assistant", block + "type": "reasoning", block + "text": "hm",
        OUT + "tool_calls.0.tool_call.function.name": "look",
    }  # fmt: skip
    raw = '{"content": [{"type": "thinking", "thinking": "hm"}], "role": "assistant"}'
    step = openinference("LLM", {**flat, "output.value": raw})
    assert [p["type"] for p in step.output[0].parts] == ["reasoning", "tool_call"]


def test_a_word_of_an_error_elsewhere_in_the_request_marks_no_answer() -> None:
    flat: dict[str, Json] = {
        "llm.input_messages.0.message.role": "tool",
        "llm.input_messages.0.message.tool_call_id": "c1",
        "llm.input_messages.0.message.content": "here",
    }
    whole = '{"messages": [{"role": "user", "content": "hi"}], "state": {"status": "error"}}'
    step = openinference("LLM", {**flat, "input.value": whole})
    assert step.input[0].tool_responses[0].get("status") is None
