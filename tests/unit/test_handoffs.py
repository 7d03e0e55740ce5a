"""A handoff names both agents, though a client may name one or none."""

from typing import Any

import pytest

from tests.factories import NOW_NS, SECOND, make_step
from waypost.assembly import assemble
from waypost.records import Kind, Step


def at(name: str, kind: Kind, start: int, end: int, **more: Any) -> Step:
    begin, finish = NOW_NS + start * SECOND, NOW_NS + end * SECOND
    return make_step(name, kind=kind, started_at=begin, ended_at=finish, **more)


@pytest.mark.parametrize("known", [{}, {"handoff_from": "triage"}, {"handoff_to": "billing"}])
def test_what_a_handoff_does_not_say_its_neighbours_do(known: dict[str, str]) -> None:
    root = at("root", Kind.SCOPE, 0, 9)
    below = {"parent_id": root.span_id}
    triage = at("triage", Kind.AGENT, 1, 3, agent="triage", **below)
    handoff = at("handoff", Kind.HANDOFF, 2, 3, parent_id=triage.span_id, **known)
    helper = at("helper", Kind.AGENT, 2, 3, agent="helper", parent_id=triage.span_id)
    billing = at("billing", Kind.AGENT, 4, 8, agent="billing", **below)
    step = assemble([root, triage, handoff, helper, billing]).steps[0]
    assert (step.handoff_from, step.handoff_to) == ("triage", "billing")


def test_a_handoff_after_which_nobody_ran_has_no_target() -> None:
    triage = at("triage", Kind.AGENT, 1, 3, agent="triage")
    handoff = at("handoff", Kind.HANDOFF, 2, 3, parent_id=triage.span_id)
    step = assemble([triage, handoff]).steps[0]
    assert (step.handoff_from, step.handoff_to) == ("triage", None)


def test_each_of_many_handoffs_finds_the_run_after_it() -> None:
    many = range(1, 200)
    runs = [at(f"a{n}", Kind.AGENT, 3 * n, 3 * n + 2, agent=f"a{n}") for n in many]
    handoffs = [
        at(f"h{run.agent}", Kind.HANDOFF, 3 * n + 1, 3 * n + 1, parent_id=run.span_id)
        for n, run in zip(many, runs, strict=True)
    ]
    steps = assemble([*runs, *handoffs]).steps
    assert [s.handoff_to for s in steps] == [*(f"a{n}" for n in many[1:]), None]
