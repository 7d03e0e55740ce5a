"""Attributes a trace sent before are recognised, and the readings are the same as without."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from benchmarks.ingest_spans import DIALECTS, Conversation, requests_of
from collector.convention import Reader
from collector.decode import decode_traces
from collector.runs import RunAttributes, Runs
from tests.unit.collector.otlp import NOW, a_request, a_span, set_attribute
from waypost.records import Reading


def read(bodies: list[bytes], runs: Runs | None) -> list[Reading]:
    reader = Reader()
    return [reader.read(span) for body in bodies for span in decode_traces(body, runs=runs).spans]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_readings_are_the_same_with_and_without(dialect: str) -> None:
    bodies = requests_of(dialect, 400)
    assert read(bodies, Runs()) == read(bodies, None)


def test_most_of_a_growing_history_is_recognised() -> None:
    runs, reader = Runs(), Reader()
    sizes: list[int] = []
    for body in requests_of("openinference", 40):
        for span in decode_traces(body, runs=runs).spans:
            assert isinstance(span.attributes, RunAttributes) or len(sizes) < 8
            sizes.append(len(span.attributes))
            reader.read(span)
    assert max(sizes[10:]) < 40


def history(number: int, texts: list[str], kind: str = "LLM") -> Span:
    span = a_span(number)
    set_attribute(span, "openinference.span.kind", kind)
    for index, text in enumerate(texts):
        set_attribute(span, f"llm.input_messages.{index}.message.role", "user")
        set_attribute(span, f"llm.input_messages.{index}.message.content", text)
    return span


def test_a_span_that_makes_no_messages_keeps_its_attributes() -> None:
    texts = [f"{i} " + "x" * 500 for i in range(20)]
    bodies = [a_request(history(1, texts)), a_request(history(2, texts, "CHAIN"))]
    assert read(bodies, Runs()) == read(bodies, None)


def test_a_list_that_is_sent_again_and_again_takes_no_more_memory() -> None:
    runs, texts = Runs(), [f"{i} " + "x" * 500 for i in range(20)]
    for number in range(1, 30):
        found = decode_traces(a_request(history(number, texts)), runs=runs).spans[0]
    assert isinstance(found.attributes, RunAttributes)
    assert found.attributes.run.chain[0] is None


def test_the_same_bytes_inside_a_text_are_not_taken_for_attributes() -> None:
    first = history(1, [f"{i} " + "x" * 500 for i in range(20)])
    raw = first.SerializeToString()
    start = raw.index(b"llm.input_messages.0.") - 4
    hostile = a_span(2)
    pair = hostile.attributes.add()
    pair.key, pair.value.bytes_value = "note", raw[start:]
    bodies = [a_request(first), a_request(hostile)]
    assert read(bodies, Runs()) == read(bodies, None)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_histories_read_the_same(seed: int) -> None:
    chance = random.Random(seed)
    texts = [f"{i} " + "y" * chance.randrange(100, 900) for i in range(12)]
    bodies = []
    for number in range(1, 8):
        change = chance.randrange(6)
        if change == 0:
            texts = texts[: chance.randrange(1, len(texts) + 1)]
        elif change == 1:
            texts[chance.randrange(len(texts))] = "changed " + "z" * 600
        texts.append("new " + "n" * chance.randrange(10, 900))
        span = history(number, texts)
        if chance.random() < 0.3:
            set_attribute(span, f"llm.input_messages.{len(texts) - 1}.message.name", "late")
        if chance.random() < 0.2:
            set_attribute(span, "llm.input_messages.0.message.name", "early")
        bodies.append(a_request(span))
    assert read(bodies, Runs()) == read(bodies, None)


def test_conversations_of_one_trace_do_not_disturb_one_another() -> None:
    chance = random.Random(5)
    talks = [Conversation(chance), Conversation(chance)]
    talks[1].trace = talks[0].trace
    _, make = DIALECTS["openinference"]
    bodies = [
        a_request(span)
        for turn in range(12)
        for talk in talks
        for span in make(talk, turn, NOW + turn)
    ]
    assert read(bodies, Runs()) == read(bodies, None)


def test_an_entry_that_lies_apart_from_its_list_is_not_taken_for_one_of_it() -> None:
    texts = [f"{i} " + "x" * 500 for i in range(20)]
    first, second = history(1, texts), history(2, texts)
    set_attribute(first, "between", 1)
    set_attribute(first, "llm.input_messages.20.message.content", "only once")
    bodies = [a_request(first), a_request(second)]
    assert read(bodies, Runs()) == read(bodies, None)


@pytest.mark.parametrize("index", ["²", "٣", "12345", "-1", ""])
def test_an_index_that_is_no_number_is_an_attribute_like_others(index: str) -> None:
    span = history(1, [f"{i} " + "x" * 500 for i in range(20)])
    set_attribute(span, f"llm.input_messages.{index}.message.role", "user")
    assert read([a_request(span)], Runs()) == read([a_request(span)], None)
