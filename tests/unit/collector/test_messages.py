"""Messages in the shapes of makers whose answers no recorded sample holds."""

import json

import pytest

from collector.reading.messages import finish_of, messages_of
from waypost.records import Json


def test_a_call_of_the_responses_api_has_the_id_its_output_answers() -> None:
    item: Json = {
        "type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}",
    }  # fmt: skip
    output: Json = {"type": "function_call_output", "id": "o_1", "call_id": "call_1", "output": "x"}
    asked, told = messages_of([item, output])
    assert asked.tool_calls[0]["id"] == told.tool_responses[0]["id"] == "call_1"


def test_a_call_of_the_responses_api_that_langchain_also_lists_is_one() -> None:
    block: Json = {
        "type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}",
    }  # fmt: skip
    listed: Json = [{"name": "f", "args": {}, "id": "call_1", "type": "tool_call"}]
    found = messages_of({"role": "assistant", "content": [block], "tool_calls": listed})
    assert [c["id"] for c in found[0].tool_calls] == ["call_1"]


@pytest.mark.parametrize(
    "said",
    [
        {"role": "assistant", "content": None, "refusal": "no"},
        {"type": "ai", "content": [], "additional_kwargs": {"refusal": "no"}},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        {"role": "assistant", "parts": [{"type": "refusal", "content": "no"}]},
    ],
)
def test_a_refusal_is_what_the_user_is_told(said: Json) -> None:
    assert messages_of([said])[0].text == "no"


def test_a_list_of_whole_responses_holds_messages_and_is_no_list_of_parts() -> None:
    said: Json = {"type": "message", "role": "assistant", "content": [
        {"type": "output_text", "text": "a"}]}  # fmt: skip
    response: Json = {"object": "response", "text": {"format": {"type": "text"}}, "output": [said]}
    assert [m.text for m in messages_of([response], "assistant")] == ["a"]


def test_a_list_of_json_texts_holds_messages_and_one_of_other_texts_is_content() -> None:
    told: list[Json] = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]
    found = messages_of([json.dumps(m) for m in told])
    assert [(m.role, m.text) for m in found] == [("user", "hi"), ("assistant", "ho")]
    assert [m.text for m in messages_of(['{"a": 1}', "b"])] == ['{"a": 1}\nb']


def test_geminis_candidates_hold_its_answer_and_why_it_stopped() -> None:
    call: Json = {"function_call": {"id": "c1", "name": "f", "args": {"a": 1}}}
    said: Json = {"candidates": [
        {"content": {"role": "model", "parts": [call]}, "finish_reason": "STOP"}]}  # fmt: skip
    (message,) = messages_of(said, "assistant")
    assert (message.role, message.tool_calls[0]["arguments"]) == ("assistant", {"a": 1})
    assert finish_of(said) == "STOP"


@pytest.mark.parametrize(("given", "wanted"), [("", {}), (None, None), ("{}", {}), ("a", "a")])
def test_empty_text_is_no_arguments_and_nothing_is_unknown_ones(given: Json, wanted: Json) -> None:
    call: Json = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": given}}
    (message,) = messages_of([{"role": "assistant", "tool_calls": [call]}])
    assert message.tool_calls[0]["arguments"] == wanted


THOUGHT: dict[str, Json] = {"type": "thinking", "thinking": "hm", "signature": "s"}
USE: dict[str, Json] = {
    "type": "tool_use",
    "id": "c1",
    "name": "f",
    "input": {},
    "partial_json": '{"a": 1}',
}


def as_text(value: Json) -> dict[str, Json]:
    return {"type": "text", "content": json.dumps(value)}


def test_a_block_that_stands_in_a_text_as_json_is_that_block() -> None:
    call: Json = {"type": "tool_call", "id": "c1", "name": "f", "arguments": {"a": 1}}
    listed: Json = {"role": "assistant", "parts": [as_text(THOUGHT), as_text(USE), call]}
    assert messages_of([listed])[0].parts == ({"type": "reasoning", "content": "hm"}, call)
    alone: Json = {"role": "assistant", "parts": [as_text({**USE, "input": {"a": 1}})]}
    assert messages_of([alone])[0].tool_calls == (call,)


@pytest.mark.parametrize(
    ("role", "value"),
    [
        ("user", THOUGHT), ("assistant", {"type": "person"}), ("assistant", {"list": [THOUGHT]}),
        ("assistant", {"type": "thinking", "about": "my order"}),
        ("assistant", {"type": "function_call", "name": "f", "arguments": {}}),
    ],
)  # fmt: skip
def test_any_other_json_in_a_text_stays_text(role: str, value: Json) -> None:
    parts: Json = [as_text(value)]
    assert messages_of([{"role": role, "parts": parts}])[0].parts == (as_text(value),)


ROWS: Json = [{"type": "text", "text": "a", "page": 3}, {"type": "text", "text": "b", "page": 4}]


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ([{"type": "text", "text": "a"}], "a"),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "a\nb"),
        ([{"text": "a"}], "a"),
        ('[{"type": "text", "text": "a"}]', "a"),
        ([{"id": "P-7", "text": "t"}], [{"id": "P-7", "text": "t"}]),
        ([{"type": "image"}], [{"type": "image"}]),
        (ROWS, ROWS),
        ('[{"text": "a"}, {"text": "b"}]', '[{"text": "a"}, {"text": "b"}]'),
        ([{"text": "a"}, {"text": "b"}], "a\nb"),
        ([], []),
        ("[{not json", "[{not json"),
    ],
)
def test_a_tool_s_answer_in_nothing_but_texts_is_their_text(answer: Json, wanted: Json) -> None:
    block: Json = {"type": "tool_result", "tool_use_id": "c1", "content": answer}
    told = messages_of([{"role": "user", "content": [block]}])[0]
    assert told.tool_responses[0]["response"] == wanted


def test_a_summary_of_thoughts_may_be_json_in_a_text() -> None:
    summary: Json = json.dumps([{"type": "summary_text", "text": "a"}, {"text": "b"}])
    said: Json = {"role": "assistant", "parts": [{"type": "reasoning", "content": summary}]}
    assert messages_of([said])[0].parts == ({"type": "reasoning", "content": "a\nb"},)


@pytest.mark.parametrize("thought", ["[1] first", '{"plan": 1}', "plain"])
def test_a_thought_that_merely_looks_like_json_stays(thought: str) -> None:
    said: Json = {"role": "assistant", "parts": [{"type": "reasoning", "content": thought}]}
    assert messages_of([said])[0].parts == ({"type": "reasoning", "content": thought},)


def test_a_data_url_in_a_reference_is_a_blob() -> None:
    part: Json = {"type": "uri", "modality": "image", "uri": "data:image/png;base64,iVBO"}
    blob = {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "iVBO"}
    assert messages_of([{"role": "user", "parts": [part]}])[0].parts == (blob,)
    far: Json = {"type": "uri", "modality": "image", "uri": "https://x.test/a.png"}
    assert messages_of([{"role": "user", "parts": [far]}])[0].parts == (far,)


@pytest.mark.parametrize("odd", [[], {}, [1], {"a": 1}, 1, None])
def test_a_type_that_is_no_word_is_none(odd: Json) -> None:
    said: Json = {"role": "assistant", "type": odd, "content": [{"type": odd, "text": "a"}],
                  "tool_calls": [{"id": "c1", "name": "f"}]}  # fmt: skip
    assert messages_of([said])[0].tool_calls[0]["name"] == "f"
