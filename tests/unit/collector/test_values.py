"""Values as clients write them: JSON in texts, Python reprs, media, numbers."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.convention import Reader
from collector.reading.arguments import arguments_of
from collector.reading.literal import read_fields, read_literal
from collector.reading.model import finish
from collector.reading.parts import call_part, parts_of
from collector.reading.recall import Recall
from collector.reading.values import (
    as_dict,
    as_flag,
    as_int,
    as_list,
    as_number,
    as_text,
    loads,
    parsed,
)
from tests.factories import make_step, make_tool, span_id
from waypost.assembly import assemble
from waypost.records import Content, Json, Message, RawSpan, Status


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}), ("  [1]", [1]), ('"a"', "a"), ("plain", "plain"), ("{no", "{no"),
        ('{"a": NaN, "b": Infinity}', {"a": "NaN", "b": "Infinity"}),
        ('{"a\\u0000": ["\\u0000", 1]}', {"a␀": ["␀", 1]}), ('"\\ud800"', '"\\ud800"'),
        ("[" * 65 + "]" * 65, "[" * 65 + "]" * 65), ("", ""),
    ],
)  # fmt: skip
def test_json_in_texts_is_opened_and_anything_else_left(text: str, value: Json) -> None:
    assert parsed(text) == value


def test_declared_json_is_opened_whatever_it_begins_with() -> None:
    assert (parsed("12", declared=True), parsed("12")) == (12, "12")


def test_json_beyond_four_megabytes_is_left_alone() -> None:
    with pytest.raises(ValueError, match="long"):
        loads('"' + "x" * (4 << 20) + '"')


@pytest.mark.parametrize(
    ("value", "text", "number", "whole", "flag"),
    [
        ('"a"', "a", None, None, None), (" ", None, None, None, None), (5, "5", 5.0, 5, None),
        ("5", "5", 5.0, 5, None), ("5.5", "5.5", 5.5, None, None), (True, None, None, None, True),
        ("TRUE", "TRUE", None, None, True), ("inf", "inf", None, None, None),
        ([], None, None, None, None), (10**400, str(10**400), None, 10**400, None),
    ],
)  # fmt: skip
def test_scalars_are_read_from_any_writing(
    value: Json, text: str | None, number: float | None, whole: int | None, flag: bool | None
) -> None:
    assert (as_text(value), as_number(value)) == (text, number)
    assert (as_int(value), as_flag(value)) == (whole, flag)


def test_lists_are_read_from_text() -> None:
    assert (as_list('["a"]'), as_list("a"), as_list(["b"])) == (["a"], [], ["b"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'a': 'it\\'s', \"b\": \"x\"}", {"a": "it's", "b": "x"}),
        ("[1, -2.5, None, True, ('a',), b'c', {1: 2}]",
         [1, -2.5, None, True, ["a"], "c", {"1": 2}]),
        ("'\\n\\t\\x41\\u00e9\\U0001F600\\0\\ud800\\q'", "\n\tAé😀␀\N{REPLACEMENT CHARACTER}\\q"),
        ("<Role.USER: 'user'>", "user"), ("<object at 0x7f>", "<object at 0x7f>"),
        ("Point(x=1, y=Other(z=[2]))", {"x": 1, "y": {"z": [2]}}), ("set()", {}),
        ("Call(1, 2, x=3)", {"x": 3}), ("12345678901234567890123", "12345678901234567890123"),
        ("1e999", "1e999"), ("{1, 2}", [1, 2]), ("name.other", "name.other"),
    ],
)  # fmt: skip
def test_reprs_are_read_and_never_run(text: str, value: Json) -> None:
    assert read_literal(text) == value


@pytest.mark.parametrize(
    "text", ["", "(", "[1", "{'a': }", "a(", "'open", "1 2", "x=1", "[" * 100, "a" * (1 << 19)]
)
def test_what_is_no_repr_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_literal(text)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab'\"\\{}[](),:= \n<>.1xuN", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_literal(text)
    except ValueError:
        read_fields(text)


@pytest.mark.parametrize(
    "text", ["hello world", "a=1 and more", "content='a' name=", "x" * (1 << 19)]
)
def test_texts_that_are_no_record_have_no_fields(text: str) -> None:
    assert read_fields(text) == {}


@pytest.mark.parametrize(
    ("block", "wanted"),
    [
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iV"}},
         {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "iV"}),
        ({"type": "image_url", "image_url": {"url": "https://x/y"}},
         {"type": "uri", "modality": "image", "uri": "https://x/y"}),
        ({"type": "input_audio", "input_audio": {"data": "aa", "format": "wav"}},
         {"type": "blob", "modality": "audio", "mime_type": "wav", "content": "aa"}),
        ({"type": "file", "file": {"file_id": "f1"}},
         {"type": "file", "modality": "file", "file_id": "f1"}),
        ({"type": "file", "name": "x"}, {"type": "file", "name": "x"}),
        ({"type": "thinking", "thinking": "hm"}, {"type": "reasoning", "content": "hm"}),
        ({"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
         {"type": "reasoning", "content": "hm"}),
        ({"inline_data": {"mime_type": "image/png", "data": "iV"}},
         {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "iV"}),
        ({"functionResponse": {"id": "c", "response": {"a": 1}}},
         {"type": "tool_call_response", "id": "c", "response": {"a": 1}}),
        ({"text": "hm", "thought": True}, {"type": "reasoning", "content": "hm"}),
        ({"reasoningContent": {"reasoningText": {"text": "hm"}}},
         {"type": "reasoning", "content": "hm"}),
        ({"type": "server_tool_call", "id": 1, "x": None}, {"type": "server_tool_call", "id": 1}),
        ({"odd": 1}, {"type": "unknown", "odd": 1}),
        ({"type": "tool-result", "toolCallId": "c", "output": {"type": "json", "value": 5}},
         {"type": "tool_call_response", "id": "c", "response": 5}),
        (["nested"], {"type": "unknown", "content": ["nested"]}),
        (7, {"type": "text", "content": "7"}),
    ],
)  # fmt: skip
def test_parts_of_every_maker(block: Json, wanted: dict[str, Json]) -> None:
    assert parts_of([block]) == [wanted]


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ('{"input_str": "{\'a\': 1}", "tags": []}', {"a": 1}),
        ('{"input_str": "x", "inputs": {"a": 1}}', {"a": 1}),
        ('{"input_str": "x", "metadata": {}}', "x"),
        ('{"kwargs": {}, "args": [{"a": 1}]}', {"a": 1}),
        ('{"args": [1, 2], "kwargs": {}}', {"args": [1, 2]}), ('{"kwargs": {}}', {}),
        ("{'a': 1}", {"a": 1}), ("{broken", "{broken"), ("A-1042", "A-1042"),
    ],
)  # fmt: skip
def test_arguments_lose_their_envelopes(value: str, wanted: Json) -> None:
    assert arguments_of(value) == wanted


def test_arguments_in_a_json_text_within_json_texts_keep_their_types() -> None:
    sent: Json = {"gift": True, "note": None}
    once = json.dumps(sent)
    twice = json.dumps(once)
    for value in (sent, once, twice, json.dumps(twice)):
        assert arguments_of(value) == sent
        assert call_part("c1", "look", value)["arguments"] == sent
        assert as_dict(value) == sent


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (["tool_calls"], "tool_call"), ('["stop"]', "stop"), ("end_turn", "stop"), ([], None),
        ("MAX_TOKENS", "length"), ("FinishReason.SAFETY", "content_filter"), ("odd", "odd"),
        (None, None),
    ],
)  # fmt: skip
def test_finish_reasons_of_every_maker(value: Json, wanted: str | None) -> None:
    assert finish(value) == wanted


def test_recall_forgets_what_does_not_fit_and_reads_on() -> None:
    recall = Recall(limit=1_000)
    built: list[str] = []

    def build(text: str) -> tuple[Message, ...]:
        built.append(text)
        return tuple(Message("user", ({"n": n},)) for n in as_list(text))

    first = recall.grown(("t", "a"), "[1, 2]", build)
    assert recall.grown(("t", "a"), "[1, 2, 3]", build)[:2] == first
    assert recall.grown(("t", "a"), "[1, 2, 3]", build)[0] is first[0]
    assert built == ["[1, 2]", '[{"role":"user","parts":[]}, 3]']
    for number in range(50):
        recall.grown((str(number), "a"), "[" + "1," * 100 + "1]", build)
        recall.keep(number, first, 500)
    assert recall.known(0) is None
    assert recall.grown(("t", "a"), "[9] trailing", build) == ()


def test_log_records_tell_of_tools_and_of_failures() -> None:
    tool = make_tool("t", span_id=span_id("t"))
    model = make_step("m", span_id=span_id("m"))
    call: dict[str, Json] = {"type": "tool_call", "id": "c", "name": "t", "arguments": {"a": 1}}
    answer: dict[str, Json] = {"type": "tool_call_response", "id": "c", "response": "r"}
    failed: dict[str, Json] = {
        "type": "exception", "exception.type": "RateLimitError", "exception.message": "429",
    }  # fmt: skip
    found = assemble(
        [tool, model],
        [
            Content(tool.trace_id, tool.span_id, 1, "input", Message("tool", (call,))),
            Content(tool.trace_id, tool.span_id, 2, "output", Message("tool", (answer,))),
            Content(model.trace_id, model.span_id, 3, "error", Message("error", (failed,))),
            Content(model.trace_id, model.span_id, 4, "system", Message("system", ({"a": "b"},))),
        ],
    )
    by_name = {s.name: s for s in found.steps}
    assert (by_name["t"].arguments, by_name["t"].result) == ({"a": 1}, "r")
    assert by_name["m"].status is Status.ERROR
    assert by_name["m"].error is not None
    assert by_name["m"].error.type == "RateLimitError"
    assert by_name["m"].system == ({"a": "b"},)


@pytest.mark.parametrize("odd", [1e308, "1e300", "9" * 30, 2**63 - 1])
def test_a_number_beyond_all_measure_is_not_read(odd: Json) -> None:
    marks: list[dict[str, Json]] = [
        {"ai.operationId": "ai.generateText.doGenerate", "ai.response.msToFirstChunk": odd},
        {"gen_ai.operation.name": "chat", "gen_ai.server.time_to_first_token": odd},
    ]
    for attributes in marks:
        span = RawSpan("1" * 32, "2" * 16, None, "chat", 1, 2, attributes=attributes)
        assert Reader().read(span).step.ttft is None
    assert odd == 2**63 - 1 or as_int(odd) is None
