"""Stored spans are read again: nothing is lost, and a better convention finds more."""

import pytest

from collector.convention import Convention, Reader
from collector.reading.draft import Draft
from collector.reread import reread, span_of
from tests.samples import conventions, load, sample, traces_of
from waypost.assembly import assemble
from waypost.records import Kind, RawSpan


@pytest.mark.parametrize("convention", [*conventions(), "agent_trajectory"])
def test_reading_again_changes_nothing_while_the_conventions_are_the_same(convention: str) -> None:
    reader = Reader()
    for scenario in load("index.json")[convention]["scenarios"]:
        found = sample(convention, traces_of(convention, scenario))
        steps = [r.step for r in found.readings]
        again = [reread(step, reader) for step in steps]
        assert assemble(again, found.contents) == assemble(steps, found.contents)


def test_a_better_convention_finds_more() -> None:
    span = RawSpan("1" * 32, "2" * 16, None, "x", 1, 2, attributes={"acme.tool": "look"})
    step = Reader().read(span).step
    assert step.kind is Kind.OTHER

    def mark(draft: Draft) -> None:
        draft.kind = Kind.TOOL

    def read(draft: Draft) -> None:
        draft.put("tool", draft.text("acme.tool"))

    acme = Convention("acme", 1, lambda s: "acme.tool" in s.attributes, mark, read)
    better = reread(step, Reader([acme, *Reader().conventions]))
    assert (better.kind, better.tool, better.convention) == (Kind.TOOL, "look", "acme")


def test_a_step_gives_its_span_back() -> None:
    span = RawSpan(
        "1" * 32, "2" * 16, "3" * 16, "x", 1, 2, 2, "bad", 3, {"a": "b"},
        resource={"service.name": "s"}, scope_name="lib", scope_version="1",
    )  # fmt: skip
    back = span_of(Reader().read(span).step)
    assert back == span
