"""A span that a convention fails on is kept; one that cannot be kept is refused alone."""

from dataclasses import replace

import pytest

from collector import convention as socket
from collector.convention import GROUP, PACKAGE, UNREAD, Convention, Reader
from collector.metrics import Metrics
from collector.pipeline import TRACES, Pipeline, Prepared, Request
from collector.reading.draft import Draft
from collector.reread import reread
from tests.unit.collector.otlp import a_request, a_span, set_attribute
from waypost.plugins import discover
from waypost.records import Kind, RawSpan
from waypost.store.projects import Project

FOUND = discover(Convention, package=PACKAGE, group=GROUP)
PROJECT = Project(1, "p", "standard", 30, ("agent",))


def is_acme(span: RawSpan) -> bool:
    return "acme.tool" in span.attributes


def mark(draft: Draft) -> None:
    draft.kind = Kind.TOOL


def fails(draft: Draft) -> None:
    draft.put("tool", draft.text("acme.tool"))
    draft.take("acme.tool", "acme.arguments")
    raise KeyError("a plug-in that was not thought through")


def cannot_say(span: RawSpan) -> bool:
    if is_acme(span):
        raise TypeError("a plug-in that does not even know its spans")
    return False


ACME = Convention("acme", 1, is_acme, mark, fails)


def request() -> bytes:
    odd = a_span(1)
    set_attribute(odd, "acme.tool", "look")
    set_attribute(odd, "acme.arguments", '{"a": 1}')
    plain = a_span(2)
    set_attribute(plain, "gen_ai.operation.name", "chat")
    return a_request(odd, plain)


def prepared(acme: Convention, monkeypatch: pytest.MonkeyPatch, metrics: Metrics) -> Prepared:
    monkeypatch.setattr(socket, "discover", lambda *_args, **_named: [*FOUND, acme])
    pipeline = Pipeline(metrics, inflated_limit=1 << 20)
    return pipeline.prepare(Request(PROJECT, TRACES, request()), b"k" * 32)


def test_a_span_that_its_convention_fails_on_keeps_all_it_was_sent_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    metrics = Metrics()
    found = prepared(ACME, monkeypatch, metrics)
    odd, plain = (reading.step for reading in found.parcel.readings)
    assert (odd.kind, odd.tool, odd.notes) == (Kind.TOOL, "look", ("unread:acme",))
    assert odd.attributes == {"acme.tool": "look", "acme.arguments": '{"a": 1}'}
    assert (plain.kind, plain.notes, found.refused) == (Kind.LLM, (), [])
    assert metrics.take_intake() == {1: {f"cut:{UNREAD}": 1}}


def test_what_could_not_be_read_is_read_again_by_a_mended_convention(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step = prepared(ACME, monkeypatch, Metrics()).parcel.readings[0].step

    def read(draft: Draft) -> None:
        draft.put("tool", draft.text("acme.tool"))
        draft.put("arguments", draft.object("acme.arguments"))

    again = reread(step, Reader([replace(ACME, read=read), *FOUND]))
    assert (again.notes, again.arguments) == ((), {"a": 1})
    assert reread(step, Reader([ACME, *FOUND])).notes == step.notes


@pytest.mark.parametrize(
    "acme",
    [replace(ACME, matches=cannot_say), replace(ACME, matches=lambda _: False, helps=cannot_say)],
)
def test_a_convention_that_cannot_tell_whose_a_span_is_costs_nobody_anything(
    acme: Convention, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics()
    found = prepared(acme, monkeypatch, metrics)
    odd, plain = (reading.step for reading in found.parcel.readings)
    assert (odd.notes, odd.attributes["acme.tool"]) == (("unread:acme",), "look")
    assert (plain.kind, plain.notes, found.refused) == (Kind.LLM, (), [])
    assert metrics.take_intake() == {1: {f"cut:{UNREAD}": 1}}


def test_a_span_that_nothing_can_be_made_of_is_refused_and_its_neighbour_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def misnames(draft: Draft) -> None:
        draft.fields["no such field"] = 1

    found = prepared(replace(ACME, read=misnames), monkeypatch, Metrics())
    odd = a_span(1).span_id.hex()
    assert [(r.reason, r.span_id) for r in found.refused] == [("cannot be read: TypeError", odd)]
    assert [r.step.kind for r in found.parcel.readings] == [Kind.LLM]


def test_what_reads_after_a_failure_takes_and_shortens_nothing_either() -> None:
    said = '[{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]'
    sent = {"acme.tool": "look", "traceloop.span.kind": "task", "gen_ai.input.messages": said,
            "traceloop.entity.input": "a" * 5_000}  # fmt: skip

    def fails_early(draft: Draft) -> None:
        draft.fields["input"] = ()
        raise KeyError("a plug-in that was not thought through")

    span = RawSpan("1" * 32, "2" * 16, None, "x", 1, 2, attributes=sent)
    step = Reader([replace(ACME, read=fails_early), *FOUND]).read(span).step
    assert step.attributes == sent
    assert step.notes == ("unread:acme",)
