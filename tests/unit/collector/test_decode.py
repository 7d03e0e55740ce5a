"""Decoding: one bad span is cut out, odd values are cleaned, everything is bounded."""

import json
import random
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.clean import Limits
from collector.decode import Encoding, decode_logs, decode_traces
from tests.unit.collector.otlp import NOW, a_request, a_span, field, framed, set_attribute, varint
from waypost.errors import Unreadable

JSON = Encoding.JSON


def nested(depth: int) -> bytes:
    """A span whose one attribute is an array in an array, so deep."""
    heads, size = [b"\x0a\x01x"], 3
    for number in (1, 5) * depth:  # from within, by lengths alone: copies would take half a minute
        heads.append(varint(number << 3 | 2) + varint(size))
        size += len(heads[-1])
    value = b"".join(reversed(heads))
    return bytes(a_span(9).SerializeToString()) + field(9, field(1, b"deep") + field(2, value))


def json_span(**changes: Any) -> dict[str, Any]:
    return {
        "traceId": "0" * 31 + "1", "spanId": "0" * 15 + "1", "name": "x",
        "startTimeUnixNano": str(NOW), "endTimeUnixNano": NOW, **changes,
    }  # fmt: skip


def json_request(*spans: Any) -> bytes:
    whole = {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}], "unknown": [1]}
    return json.dumps(whole).encode()


def attribute(value: Any) -> list[dict[str, Any]]:
    return [{"key": "k", "value": value}]


def test_a_span_keeps_its_values() -> None:
    body = a_request(a_span(1, text="a", count=3, ratio=0.5, flag=True, data=b"\x01"))
    span = decode_traces(body).spans[0]
    assert span.attributes == {
        "text": "a", "count": 3, "ratio": 0.5, "flag": True, "data": "AQ==",
    }  # fmt: skip
    assert (span.started_at, span.resource) == (NOW, {"service.name": "shop"})


def test_an_empty_request_is_no_error() -> None:
    assert decode_traces(b"").spans == []
    assert decode_traces(b"{}", JSON).spans == []


@pytest.mark.parametrize("depth", [60, 5_000, 100_000])
def test_a_span_nested_too_deeply_is_refused_and_its_neighbours_kept(depth: int) -> None:
    good = [a_span(n).SerializeToString() for n in range(1, 10)]
    found = decode_traces(framed(*good, nested(depth)))
    assert len(found.spans) == 9
    assert [r.span_id for r in found.refused] == [(9).to_bytes(8, "big").hex()]


@pytest.mark.parametrize("where", ["name", "key", "value", "event", "link", "state"])
def test_text_that_is_not_utf8_is_repaired_and_flagged(where: str) -> None:
    bad = {
        "name": field(5, b"n\xff"), "key": field(9, field(1, b"k\xff") + field(2, field(1, b"v"))),
        "value": field(9, field(1, b"k") + field(2, field(1, b"v\xff"))),
        "event": field(11, field(2, b"e\xff")), "link": field(13, field(3, b"l\xff")),
        "state": field(3, b"s\xff"),
    }[where]  # fmt: skip
    found = decode_traces(
        framed(a_span(1).SerializeToString(), a_span(2).SerializeToString() + bad)
    )
    assert (len(found.spans), found.refused) == (2, [])
    assert found.spans[0].notes == ()
    assert "repaired=1" in found.spans[1].notes


def test_a_length_that_looks_like_a_tag_does_not_confuse_the_repair() -> None:
    # The text is as long as its field's tag, so that byte comes twice.
    bad = a_span(1).SerializeToString() + field(5, b"\xff" * 0x2A)
    assert decode_traces(framed(bad)).spans[0].name.startswith("�" * 10)


@pytest.mark.parametrize(
    "change",
    [{"span_id": b"12345"}, {"span_id": bytes(8)}, {"trace_id": bytes(16)}, {"trace_id": b"1"}],
)
def test_a_wrong_id_refuses_its_span_only(change: dict[str, bytes]) -> None:
    bad = a_span(2)
    for name, value in change.items():
        setattr(bad, name, value)
    found = decode_traces(a_request(a_span(1), bad))
    assert len(found.spans) == 1
    assert "id is not" in found.refused[0].reason


def test_a_time_beyond_63_bits_is_refused() -> None:
    bad = a_span(2)
    bad.end_time_unix_nano = 2**64 - 1
    assert decode_traces(a_request(bad)).refused[0].reason == "time is out of range"


def test_nul_becomes_a_sign_and_a_note() -> None:
    span = a_span(1)
    set_attribute(span, "a\0b", "c\0\0")
    found = decode_traces(a_request(span)).spans[0]
    assert found.attributes == {"a␀b": "c␀␀"}
    assert "nul=3" in found.notes


def test_numbers_json_cannot_hold_become_text() -> None:
    span = a_span(1, nan=float("nan"), inf=float("-inf"), big=1e308, most=2**63 - 1)
    found = decode_traces(a_request(span)).spans[0]
    assert found.attributes == {
        "nan": "NaN", "inf": "-Infinity", "big": 1e308, "most": 2**63 - 1,
    }  # fmt: skip


def test_a_ten_megabyte_text_is_cut_with_its_size_noted() -> None:
    found = decode_traces(a_request(a_span(1, body="é" * 5_000_000))).spans[0]
    assert len(str(found.attributes["body"]).encode()) <= Limits().attribute
    assert found.notes == ("truncated:body=10000000",)


def test_our_own_scope_has_the_smaller_limit() -> None:
    body = a_request(a_span(1, body="x" * 600_000), scope="agent.trajectory")
    assert len(str(decode_traces(body).spans[0].attributes["body"])) == Limits().own_attribute


def test_a_span_that_stays_too_large_is_refused() -> None:
    large = a_span(1, **{f"k{i}": "x" * (1 << 20) for i in range(5)})
    found = decode_traces(a_request(large, a_span(2)))
    assert len(found.spans) == 1
    assert "larger than" in found.refused[0].reason


def test_twenty_thousand_attributes_are_counted_down_to_the_limit() -> None:
    found = decode_traces(a_request(a_span(1, **{f"k{i}": i for i in range(20_000)}))).spans[0]
    assert len(found.attributes) == 1024
    assert "dropped_attributes=18976" in found.notes


def test_the_first_of_equal_keys_wins() -> None:
    span = a_span(1)
    set_attribute(span, "k", "first")
    set_attribute(span, "k", "second")
    assert decode_traces(a_request(span)).spans[0].attributes == {"k": "first"}


@pytest.mark.parametrize("key", ["", "k" * 100_000, "a'b%$$\\🎉", "a.__proto__.x"])
def test_any_key_is_only_a_name(key: str) -> None:
    span = a_span(1)
    set_attribute(span, key, "v")
    found = decode_traces(a_request(span)).spans[0].attributes
    assert list(found) == [key[: Limits().key]]


def test_ten_thousand_events_are_counted_down_to_the_limit() -> None:
    span = a_span(1)
    for _ in range(10_000):
        span.events.add().name = "e"
    found = decode_traces(a_request(span)).spans[0]
    assert (len(found.events), "dropped_events=8976" in found.notes) == (1024, True)


def test_json_ids_are_hex_in_either_case() -> None:
    body = json_request(json_span(traceId="AB" * 16, spanId="CD" * 8, parentSpanId="EF" * 8))
    span = decode_traces(body, JSON).spans[0]
    assert (span.trace_id, span.span_id, span.parent_id) == ("ab" * 16, "cd" * 8, "ef" * 8)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ({"intValue": "12"}, 12), ({"intValue": 12}, 12), ({"doubleValue": "NaN"}, "NaN"),
        ({"doubleValue": "Infinity"}, "Infinity"), ({"doubleValue": 1}, 1), ({}, None),
        ({"arrayValue": {"values": [{"stringValue": "a"}]}}, ["a"]), ({"arrayValue": {}}, []),
        ({"kvlistValue": {"values": [{"key": "a", "value": {"boolValue": True}}]}}, {"a": True}),
        ({"stringValue": 3}, None), ("text", None), ({"intValue": "x"}, 0), (None, None),
    ],
)  # fmt: skip
def test_json_values_are_read_whatever_they_are(value: Any, wanted: Any) -> None:
    body = json_request(json_span(attributes=attribute(value)))
    assert decode_traces(body, JSON).spans[0].attributes == {"k": wanted}


def test_lone_surrogates_in_json_are_repaired_and_flagged() -> None:
    body = json_request(json_span(name="A")).replace(b'"A"', b'"\\ud800"')
    span = decode_traces(body, JSON).spans[0]
    assert (span.name, span.notes) == ("\N{REPLACEMENT CHARACTER}" * 3, ("repaired=1",))


def test_json_nested_beyond_the_limit_is_cut_there() -> None:
    value: Any = {"stringValue": "x"}
    for _ in range(100):
        value = {"arrayValue": {"values": [value]}}
    span = decode_traces(json_request(json_span(attributes=attribute(value))), JSON).spans[0]
    assert "depth_cut=1" in span.notes


@pytest.mark.parametrize(
    "body",
    [b"[", b"[]", b"\xff", b'{"resourceSpans": 3}', b'{"resourceSpans": [1]}', b"[" * 99_999],
)
def test_json_that_is_no_request_cannot_be_read(body: bytes) -> None:
    with pytest.raises(Unreadable):
        decode_traces(body, JSON)


def test_json_spans_of_wrong_shape_are_refused_alone() -> None:
    found = decode_traces(json_request(3, json_span(), json_span(spanId="zz")), JSON)
    assert (len(found.spans), len(found.refused)) == (1, 2)


def test_only_our_log_records_are_kept_and_the_others_counted() -> None:
    record = {"timeUnixNano": "5", "traceId": "0" * 31 + "1", "spanId": "0" * 15 + "1"}
    records = [
        {**record, "eventName": "gen_ai.choice", "body": {"stringValue": "b"}},
        {**record, "attributes": [{"key": "event.name", "value": {"stringValue": "gen_ai.x"}}]},
        record,
    ]
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).encode()
    found = decode_logs(body, JSON)
    assert [r.event_name for r in found.records] == ["gen_ai.choice", "gen_ai.x"]
    assert (found.dropped, found.records[0].body, found.records[0].at) == (1, "b", 5)


def test_every_truncation_is_read_or_refused() -> None:
    body = a_request(*(a_span(n, text="x" * 50) for n in range(1, 8)))
    for end in range(0, len(body), 7):
        with suppress(Unreadable):
            decode_traces(body[:end])


def test_flipped_bits_never_raise_anything_else() -> None:
    body = a_request(*(a_span(n, text="x" * 50) for n in range(1, 4)))
    chance = random.Random(7)
    for _ in range(500):
        broken = bytearray(body)
        broken[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
        with suppress(Unreadable):
            decode_traces(bytes(broken))


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=300), encoding=st.sampled_from(Encoding))
def test_any_bytes_are_read_or_unreadable(body: bytes, encoding: Encoding) -> None:
    for decode in (decode_traces, decode_logs):
        with suppress(Unreadable):
            decode(body, encoding)


@settings(max_examples=200, deadline=None)
@given(
    item=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda i: st.lists(i, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["attributes", "events", "links", "status", "key", "value", "stringValue",
                 "arrayValue", "values", "traceId", "spanId", "name", "kvlistValue", "intValue"]
            ), i, max_size=4,
        ),
        max_leaves=12,
    )
)  # fmt: skip
def test_any_json_span_is_read_or_refused(item: Any) -> None:
    whole = {**json_span(), **item} if isinstance(item, dict) else item
    found = decode_traces(json_request(whole), JSON)
    assert len(found.spans) + len(found.refused) == 1
