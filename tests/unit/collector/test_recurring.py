"""Spans read by the pattern of an earlier one come out as if each had been read alone."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.ingest_spans import requests_of
from collector.convention import GROUP, PACKAGE, Convention, Reader
from collector.decode import decode_traces
from collector.masking import Masker
from collector.recurring import Recurring
from collector.runs import Runs
from tests.samples import conventions, spans_of, whole
from waypost import names
from waypost.assembly import Cohorts
from waypost.plugins import discover
from waypost.prices import Prices
from waypost.records import Json, RawSpan

KEY = b"k" * 32
SECRET = "sk-proj-" + "Ab1" * 16
COHORTS = Cohorts(["region", "agent", "model", "prompt_version", "user.id"])
PRICES = Prices()
FOUND = discover(Convention, package=PACKAGE, group=GROUP)
READER, MASKER = Reader(FOUND, prices=PRICES), Masker("standard", key=KEY)
NOW = 1_795_000_000_000_000_000


def a_message(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


MODEL: dict[str, Json] = {
    names.SCHEMA: 1, names.STEP: 3, names.KIND: "llm", names.TRAJECTORY_ID: "a" * 32,
    names.SESSION: "s1", names.CONVERSATION: "s1", names.AGENT_NAME: "support",
    names.OPERATION: "chat", names.PROVIDER: "openai", names.REQUEST_MODEL: "gpt-4o-mini",
    names.FINISH_REASONS: ["stop"], names.COHORT + "region": "eu",
    names.TOKENS_IN: 200, names.TOKENS_OUT: 20, names.TOKENS_CACHE_READ: 128,
    names.BASE_STEP: 1, names.KEEP: 2, names.RESPONSE_ID: "resp_1",
    names.INPUT: a_message("tool", "found"), names.OUTPUT: a_message("assistant", "so it is"),
}  # fmt: skip
TOOL: dict[str, Json] = {
    names.SCHEMA: 1, names.STEP: 4, names.KIND: "tool", names.TOOL_NAME: "search",
    names.TOOL_CALL_ID: "call_1", names.TOOL_ARGUMENTS: '{"q": "x"}', names.TOOL_RESULT: "found",
    names.USER: "u1", names.TURN: 2, names.ATTEMPT: 1,
}  # fmt: skip
_SAID, _ANSWER = "llm.input_messages.0.message.", "llm.output_messages.0.message."
FLAT: dict[str, Json] = {
    "openinference.span.kind": "LLM", "session.id": "s1", "user.id": "u1",
    "llm.model_name": "gpt-4o-mini", "llm.provider": "openai", "llm.response.id": "resp_1",
    "llm.token_count.prompt": 200, "llm.token_count.completion": 20, "llm.token_count.total": 220,
    "llm.token_count.prompt_details.cache_read": 128,
    "input.value": '{"messages": []}', "input.mime_type": "application/json", "output.value": "so",
    _SAID + "role": "user", _SAID + "content": "where is it",
    _ANSWER + "role": "assistant", _ANSWER + "content": "so it is",
    _ANSWER + "tool_calls.0.tool_call.id": "call_1",
    _ANSWER + "tool_calls.0.tool_call.function.name": "search",
    _ANSWER + "tool_calls.0.tool_call.function.arguments": '{"q": "x"}',
}  # fmt: skip
FLAT_TOOL: dict[str, Json] = {
    "openinference.span.kind": "TOOL", "tool.name": "search", "tool_call.id": "call_1",
    "input.value": '{"q": "x"}', "output.value": "found", "session.id": "s1",
}  # fmt: skip
OWN = (names.SCHEMA, names.STEP, names.KIND, names.TRAJECTORY_ID, names.BASE_STEP, names.KEEP)
GENAI = {k: v for k, v in MODEL.items() if k not in OWN} | {"gen_ai.usage.total_tokens": 220}
GENAI_TOOL: dict[str, Json] = {
    names.OPERATION: "execute_tool", names.TOOL_NAME: "search", names.TOOL_CALL_ID: "call_1",
    names.TOOL_ARGUMENTS: '{"q": "x"}', names.TOOL_RESULT: "found", names.SESSION: "s1",
}  # fmt: skip
BASES = {
    "model": MODEL, "tool": TOOL, "genai": GENAI, "genai tool": GENAI_TOOL,
    "flat": FLAT, "flat tool": FLAT_TOOL,
}  # fmt: skip
VALUES: list[Json] = [
    1, 2, 7, 0, -1, True, False, 2**31, 2**63 - 1, 4_111_111_111_111_111, 0.5, float("inf"), "",
    " ", "7", "s2", '"quoted"', "<not specified>", "[Scrubbed due to x]", "b" * 32, "B" * 32,
    "jane.doe@example.org", SECRET, f"key {SECRET}", "{}", '{"password": "hunter22"}',
    '{"q": "y"}', '{"kwargs": {"q": 1}}', "[]", "[1]", "{not json", "content='x' tool_call_id='c'",
    '{"output": "x"}', '{"content": "x", "type": "tool", "status": "error"}', ["stop"], [["x"]],
    {"a": 1}, None, a_message("user", "hello"), a_message("user", "mail jane.doe@example.org"),
    a_message("human", "hi"), '[{"role": "user", "content": "plain"}]', "llm", "tool", "running",
]  # fmt: skip


def a_span(attributes: dict[str, Json], number: int = 1, **more: Any) -> RawSpan:
    own = names.SCHEMA in attributes
    values: dict[str, Any] = {
        "trace_id": f"{number % 3 + 1:032x}", "span_id": f"{number + 1:016x}",
        "parent_id": "f" * 16,
        "name": names.SPAN_STEP if own else "Completion",
        "started_at": NOW + number, "ended_at": NOW + number + 5,
        "scope_name": names.SCOPE if own else "client", "resource": {"service.name": "shop"},
    }  # fmt: skip
    return RawSpan(**{**values, "attributes": attributes, **more})


def recurring(level: str = "standard") -> Recurring:
    return Recurring(Reader(FOUND, prices=PRICES), Masker(level, key=KEY), PRICES)


def alone(span: RawSpan) -> bytes:
    return whole(MASKER.reading(READER.read(span, COHORTS)))


def check(spans: Iterable[RawSpan]) -> int:
    """That each span comes out as if it were read alone; how many came from a pattern."""
    warm = recurring()
    for span in spans:
        assert whole(warm.reading(span, COHORTS)) == alone(span)
    return warm.hits


def steps(base: dict[str, Json], changes: Sequence[dict[str, Json]]) -> list[RawSpan]:
    return [a_span({**base, **change}, n) for n, change in enumerate(changes)]


def test_the_second_step_of_a_kind_comes_from_the_pattern_of_the_first() -> None:
    more: dict[str, Json] = {
        names.STEP: 5, names.TOKENS_IN: 900, names.TRAJECTORY_ID: "c" * 32, names.SESSION: "s9",
        names.INPUT: a_message("tool", f"mail jane.doe@example.org and {SECRET}"),
    }  # fmt: skip
    assert check(steps(MODEL, [{}, more])) == 1
    call: dict[str, Json] = {
        names.TOOL_ARGUMENTS: '{"password": "hunter22"}',
        names.TOOL_CALL_ID: SECRET,
    }
    assert check(steps(TOOL, [{}, call])) == 1
    assert check(steps(GENAI, [{}, {k: v for k, v in more.items() if k not in OWN}])) == 1
    assert check(steps(GENAI_TOOL, [{}, call])) == 1


def test_a_total_that_shows_the_cache_beside_the_input_is_read_the_long_way() -> None:
    beside: dict[str, Json] = {"gen_ai.usage.total_tokens": 200 + 20 + 128}
    assert check(steps(GENAI, [{}, beside, {}])) == 1


def test_every_recorded_sample_reads_the_same_twice() -> None:
    for convention in (*conventions(), "agent_trajectory"):
        sent = spans_of(convention)
        check([*sent, *sent])


def test_the_steps_of_our_own_tracer_mostly_recur() -> None:
    sent = [s for s in spans_of("agent_trajectory") if not s.events and not s.links]
    again = [replace(s, trace_id="9" * 32, span_id=s.span_id[::-1]) for s in sent]
    assert check([*sent, *again]) >= len(sent) * 3 // 4


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_moves_is_read_as_if_alone(data: st.DataObject) -> None:
    base = BASES[data.draw(st.sampled_from(sorted(BASES)))]
    odd = st.dictionaries(st.sampled_from(sorted(base)), st.sampled_from(VALUES), max_size=4)
    check(steps(base, data.draw(st.lists(odd, min_size=2, max_size=5))))


@pytest.mark.parametrize("kind", BASES)
def test_each_value_of_each_attribute_is_read_as_if_alone(kind: str) -> None:
    base = BASES[kind]
    for name in base:
        check(steps(base, [{}, *({name: value} for value in VALUES), {}]))


def test_flattened_messages_are_read_whatever_their_number() -> None:
    later: dict[str, Json] = {
        "llm.input_messages.1.message.role": "assistant",
        "llm.input_messages.1.message.content": f"mail jane.doe@example.org {SECRET}",
        "llm.input_messages.2.message.role": "user", "llm.token_count.prompt": 900,
    }  # fmt: skip
    assert check(steps(FLAT, [{}, later, {_SAID + "content": "and now?"}])) == 2
    assert check(steps(FLAT_TOOL, [{}, {"output.value": "gone", "tool_call.id": "call_2"}])) == 1


def test_what_only_the_whole_answer_says_moves_too() -> None:
    base = {k: v for k, v in FLAT.items() if k != "llm.response.id"}
    base |= {_SAID + "role": "tool", _SAID + "tool_call_id": "call_0"}
    answer = {"message": {"role": "assistant", "content": "so", "reasoning_content": "hm"}}
    whole: list[Json] = [
        json.dumps({"id": f"resp_{n}", "model": "m", "choices": [{"finish_reason": why, **answer}]})
        for n, why in enumerate(("stop", "length", "stop"))
    ]
    told = {"role": "tool", "tool_call_id": "call_0", "content": "no", "status": "error"}
    changes: list[dict[str, Json]] = [{"output.value": value} for value in whole]
    changes += [{}, {"input.value": json.dumps({"messages": [told]})}, {}]
    assert check(steps(base, changes)) >= len(whole)


def test_what_the_whole_answer_does_not_say_other_names_say_each_time() -> None:
    base: dict[str, Json] = {
        **{k: v for k, v in FLAT.items() if k != "llm.response.id"},
        names.FINISH_REASONS: ["stop"], names.RESPONSE_ID: "resp_0",
    }  # fmt: skip
    said = json.dumps({"id": "resp_1", "model": "m", "choices": [{"finish_reason": "stop"}]})
    changes: list[dict[str, Json]] = [{"output.value": said}, {"output.value": "so"}, {}]
    check([*steps(base, changes), *steps(base, changes[::-1])])


def test_what_is_no_honest_entry_of_a_list_is_kept() -> None:
    odd = ("llm.input_messages.01.x", "llm.input_messages.x", "llm.output_messages.0.__proto__.x")
    for name in odd:
        check(steps(FLAT, [{}, {name: "said"}, {name: "said again"}, {}]))
    without = {k: v for k, v in FLAT.items() if not k.startswith(_SAID)}
    check([*steps(FLAT, [{}]), *steps(without, [{}, {}]), *steps(FLAT, [{}])])


def test_another_convention_that_fills_gaps_is_asked_each_time() -> None:
    for more in ({"fi.span.kind": "LLM"}, {"langfuse.observation.type": "generation"}):
        both: dict[str, Json] = {**FLAT, **more}
        changes: list[dict[str, Json]] = [{}, {"output.value": "x"}, {"input.value": "[1]"}]
        check([*steps(both, changes), *steps(FLAT, changes), *steps(both, changes)])


def test_a_history_recognised_as_bytes_and_a_pattern_go_together() -> None:
    warm, runs = recurring(), Runs()
    for body in requests_of("openinference", 400):
        sent = decode_traces(body).spans
        for span, plain in zip(decode_traces(body, runs=runs).spans, sent, strict=True):
            assert whole(warm.reading(span, COHORTS)) == alone(plain)
    assert warm.hits > 300


def test_what_lies_outside_the_attributes_tells_spans_apart() -> None:
    ways: list[dict[str, Any]] = [
        {"name": "other"}, {"status_code": 1}, {"status_code": 2, "status_message": "no"},
        {"parent_id": None}, {"span_kind": 3}, {"scope_name": "x"}, {"notes": ("repaired=1",)},
        {"resource": {"service.name": "other"}},
    ]  # fmt: skip
    check([a_span(MODEL), *(a_span(MODEL, n, **way) for n, way in enumerate(ways)), a_span(MODEL)])


def test_an_attribute_that_never_repeats_is_not_learned_for_ever() -> None:
    warm = recurring()
    for n in range(200):
        warm.reading(a_span({**TOOL, "request": f"r{n}"}, n), COHORTS)
    assert len(warm._known) < 100


def test_lists_of_equal_values_of_other_types_tell_spans_apart() -> None:
    check(steps(MODEL, [{names.FALLBACKS: [1]}, {names.FALLBACKS: [True]}, {names.FALLBACKS: [1]}]))


def test_long_prompts_are_held_within_a_bound() -> None:
    warm = recurring()
    for n in range(600):
        warm.reading(a_span({**MODEL, names.SYSTEM: f"{n} " + "x" * 75_000}, n), COHORTS)
    assert 0 < len(warm._known) < 100


def test_names_that_never_repeat_are_held_within_a_bound() -> None:
    warm = recurring()
    for n in range(300):
        warm.reading(
            a_span({**TOOL, **{f"{n} {m} " + "x" * 900: 1 for m in range(40)}}, n), COHORTS
        )
        warm.reading(a_span({"tool.name": f"t{n}", f"n{n}": 1}, n, name="other"), COHORTS)
    assert 0 < len(warm._shapes) < 120
