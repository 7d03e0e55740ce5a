"""What clients were seen to send that no recorded sample holds."""

from collector.reading.messages import messages_of
from waypost.records import Json


def test_a_responses_call_is_known_by_its_call_id_and_thoughts_survive_an_empty_content() -> None:
    items: Json = [
        {"type": "reasoning", "id": "rs_1", "content": None,
         "summary": [{"type": "summary_text", "text": "look first"}]},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "id": "fo_1", "call_id": "c1", "output": "ok"},
    ]  # fmt: skip
    thought, call, answer = messages_of(items)
    assert thought.parts[0]["type"] == "reasoning"
    assert thought.parts[0]["content"] == "look first"
    assert (call.tool_calls[0]["id"], answer.tool_responses[0]["id"]) == ("c1", "c1")


def test_a_call_in_responses_content_is_not_read_twice() -> None:
    call: Json = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f",
                  "arguments": "{}"}  # fmt: skip
    message: Json = {
        "type": "ai", "content": [{"type": "text", "text": "hm"}, call],
        "tool_calls": [{"type": "tool_call", "id": "c1", "name": "f", "args": {}}],
    }  # fmt: skip
    (found,) = messages_of([message])
    assert [p.get("id") for p in found.tool_calls] == ["c1"]
