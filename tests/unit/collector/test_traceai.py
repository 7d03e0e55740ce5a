"""traceAI from clients without a sample, and what its flattened lists leave out."""

import json

from tests.unit.collector.spans import step_of
from waypost.records import Json, Kind, Step, Tokens


def traceai(kind: str, attributes: dict[str, Json], name: str = "span") -> Step:
    return step_of(name, {"gen_ai.span.kind": kind, **attributes})


def test_cached_and_reasoning_tokens_stand_below_the_sums() -> None:
    step = traceai(
        "LLM",
        {
            "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.input_tokens.cache_read": 64, "gen_ai.usage.input_tokens.cache_write": 9,
            "gen_ai.usage.output_tokens.reasoning": 8,
        },
    )  # fmt: skip
    assert step.tokens == Tokens(100, 20, 64, 9, 8)


def test_a_history_without_its_calls_is_completed_from_the_whole_one() -> None:
    call: Json = {"name": "look", "args": {"a": 1}, "id": "c1", "type": "tool_call"}
    whole: Json = {"messages": [[
        {"lc": 1, "id": ["HumanMessage"], "kwargs": {"content": "hi", "type": "human"}},
        {"lc": 1, "id": ["AIMessage"],
         "kwargs": {"content": "", "type": "ai", "tool_calls": [call]}},
        {"lc": 1, "id": ["ToolMessage"],
         "kwargs": {"content": "42", "type": "tool", "tool_call_id": "c1"}},
    ]]}  # fmt: skip
    head = "gen_ai.input.messages."
    flat: dict[str, Json] = {
        head + "0.message.role": "user", head + "0.message.content": "hi",
        head + "1.message.role": "assistant",
        head + "2.message.role": "tool", head + "2.message.content": "42",
    }  # fmt: skip
    step = traceai("LLM", {**flat, "input.value": json.dumps(whole)})
    assert [m.role for m in step.input] == ["user", "assistant", "tool"]
    assert step.input[1].tool_calls[0]["id"] == step.input[2].tool_responses[0]["id"] == "c1"


def test_the_model_of_a_streamed_call_stands_among_its_parameters() -> None:
    asked: dict[str, Json] = {"gen_ai.request.parameters": '{"model": "m", "stream": true}'}
    assert traceai("LLM", asked).model_requested == "m"
    assert traceai("LLM", {**asked, "gen_ai.request.model": "m-2"}).model_requested == "m-2"


def test_flattened_tool_definitions_are_read() -> None:
    name = "gen_ai.tool.definitions.0.tool.json_schema"
    step = traceai("LLM", {name: '{"type": "function"}'})
    assert (step.tools, step.attributes.get(name)) == (({"type": "function"},), None)


def test_a_handoff_says_in_its_name_where_it_goes() -> None:
    step = traceai("TOOL", {"input.value": "{}"}, "handoff to billing")
    assert (step.kind, step.handoff_to) == (Kind.HANDOFF, "billing")


def test_a_query_in_an_object_is_bare() -> None:
    assert traceai("RETRIEVER", {"input.value": '{"query": "q"}'}).query == "q"
    assert traceai("RETRIEVER", {"input.value": "q"}).query == "q"
