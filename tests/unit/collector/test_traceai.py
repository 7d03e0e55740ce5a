"""traceAI from clients without a sample, and what its flattened lists leave out."""

import json

from tests.unit.collector.spans import step_of
from waypost.records import Json, Step, Tokens


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
