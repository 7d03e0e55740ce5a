"""One call seen by two instrumentations is one step, wherever their spans stand."""

from dataclasses import replace
from typing import Any

from tests.factories import NOW_NS, SECOND, assistant, make_step, user
from waypost.assembly import assemble
from waypost.records import Fault, Kind, Status, Step, Tokens

ROOT = make_step("root", kind=Kind.AGENT, started_at=NOW_NS, ended_at=NOW_NS + 90 * SECOND)


def seen(name: str, scope: str, start: int, end: int, **more: Any) -> Step:
    return make_step(
        name, kind=Kind.LLM, parent_id=ROOT.span_id, origin={"scope": scope},
        started_at=NOW_NS + start * SECOND, ended_at=NOW_NS + end * SECOND,
        **{"model_requested": "m", "model": None, "response_id": None, **more},
    )  # fmt: skip


def folded(*steps: Step) -> tuple[Step, ...]:
    return assemble([ROOT, *steps]).steps


def test_a_failed_call_that_two_saw_as_neighbours_is_one() -> None:
    outer = seen("outer", "framework", 1, 4, status=Status.ERROR)
    inner = seen("inner", "sdk", 2, 3, status=Status.ERROR)
    assert len(folded(outer, inner)) == 1


def test_a_streamed_call_counted_by_one_of_two_has_its_tokens() -> None:
    outer = seen("outer", "framework", 1, 4, tokens=Tokens(0, 20))
    inner = seen("inner", "sdk", 2, 3, tokens=Tokens(588, 20, 64), response_id="r")
    assert [s.tokens for s in folded(outer, inner)] == [Tokens(588, 20, 64)]


def test_calls_side_by_side_find_each_their_own() -> None:
    steps = folded(
        seen("a", "framework", 1, 9), seen("b", "framework", 2, 8),
        seen("c", "sdk", 3, 6), seen("d", "sdk", 4, 7),
    )  # fmt: skip
    assert [s.span_id for s in steps] == [seen("a", "", 1, 9).span_id, seen("b", "", 2, 8).span_id]


def test_neighbours_that_are_not_one_call_stay_two() -> None:
    outer = seen("outer", "framework", 1, 4, response_id="r1")
    for other in (
        seen("inner", "sdk", 2, 3, response_id="r2"),
        seen("inner", "sdk", 2, 3, model_requested="n"),
        seen("inner", "sdk", 2, 5),
        seen("inner", "framework", 2, 3),
    ):
        assert len(folded(outer, other)) == 2


def test_calls_side_by_side_that_tell_different_things_stay_two() -> None:
    hi, no = user("hi"), user("is this harmful?")
    ways: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"input": (hi,)}, {"input": (no,)}),
        ({"input": (hi,), "output": (assistant("ho"),)}, {"output": (assistant("harmless"),)}),
        ({"tokens": Tokens(10, 20)}, {"tokens": Tokens(10, 1)}),
        ({}, {"status": Status.ERROR}),
    ]
    for one, other in ways:
        outer = seen("outer", "framework", 1, 9, response_id="r1", **one)
        assert len(folded(outer, seen("inner", "sdk", 2, 3, **other))) == 2
    outer = seen("outer", "framework", 1, 9, input=(no, hi), output=(assistant("so  it is"),))
    inner = seen("inner", "sdk", 2, 3, input=(user("hi "),), output=(assistant("so it is"),))
    assert len(folded(outer, inner)) == 1


def test_a_call_that_has_its_double_takes_no_neighbour_in() -> None:
    outer = seen("outer", "framework", 1, 9, response_id="r1")
    double = seen("double", "sdk", 5, 8, response_id="r1")
    tried = seen("tried", "sdk", 2, 4)
    assert len(folded(outer, double, tried)) == 2


def test_a_call_that_went_well_at_last_has_no_error_of_an_earlier_try() -> None:
    outer = seen("outer", "framework", 1, 9)
    tried = seen("tried", "sdk", 2, 4, status=Status.ERROR, error=Fault("Down"))
    below = replace(tried, parent_id=outer.span_id)
    assert [(s.status, s.error) for s in folded(outer, below)] == [(Status.OK, None)]
    failed = replace(outer, status=Status.ERROR)
    assert [s.error for s in folded(failed, below)] == [Fault("Down")]
