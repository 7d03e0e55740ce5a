"""Calls and their answers, where a client does not say which belongs to which."""

import time

import pytest

from tests.factories import NOW_NS, SECOND, make_step
from waypost.assembly import assemble
from waypost.assembly.calls import Call, answers_to
from waypost.assembly.tree import Node
from waypost.records import Json, Kind, Message, Status, Step


def call(name: str, call_id: str | None = None, **arguments: Json) -> dict[str, Json]:
    part: dict[str, Json] = {"type": "tool_call", "name": name, "arguments": arguments}
    return {**part, "id": call_id} if call_id else part


def answer(response: Json, call_id: str | None = None) -> dict[str, Json]:
    part: dict[str, Json] = {"type": "tool_call_response", "response": response}
    return {**part, "id": call_id} if call_id else part


def told(response: Json, call_id: str | None = None, name: str | None = None) -> Message:
    return Message("tool", (answer(response, call_id),), {"name": name} if name else {})


def tools_of(asked: Message, *answers: Message) -> list[Step]:
    """The steps read out of a call and of what the model was told next."""
    root = make_step("root", kind=Kind.AGENT, started_at=NOW_NS, ended_at=NOW_NS + 9 * SECOND)
    said = Message("assistant", ({"type": "text", "content": "done"},))
    one = make_step(
        "one", kind=Kind.LLM, parent_id=root.span_id, output=(asked,), started_at=NOW_NS + SECOND
    )
    two = make_step(
        "two", kind=Kind.LLM, parent_id=root.span_id, input=(asked, *answers), output=(said,),
        started_at=NOW_NS + 3 * SECOND,
    )  # fmt: skip
    return [s for s in assemble([root, one, two]).steps if s.derived]


@pytest.mark.parametrize(
    ("calls", "answers"),
    [
        ((call("f", n=1), call("f", n=2)), (told("a"), told("b"))),
        ((call("f", "c1"), call("f", "c2")), (told("a"), told("b"))),
        ((call("f", "fc_1"), call("f", "fc_2")), (told("a", "call_1"), told("b", "call_2"))),
        ((call("f"), call("g")), (told("b", name="g"), told("a", name="f"))),
        ((call("f", "c1"), call("f", "c2")), (told("b", "c2"), told("a", "c1"))),
        ((call("f"), call("f")), (Message("user", (answer("a"), answer("b"))),)),
    ],
)
def test_answers_without_a_known_id_go_by_name_and_order(
    calls: tuple[dict[str, Json], ...], answers: tuple[Message, ...]
) -> None:
    found = tools_of(Message("assistant", calls), *answers)
    assert [(s.result, s.status) for s in found] == [("a", Status.OK), ("b", Status.OK)]


def test_an_answer_to_another_call_is_not_taken() -> None:
    calls = (call("f", "c1"), call("f", "c2"))
    found = tools_of(
        Message("assistant", calls), told("b", "c2"), told("x", "other"), told("y", "o")
    )
    assert [(s.result, s.status) for s in found] == [(None, Status.INTERRUPTED), ("b", Status.OK)]


def test_calls_whose_answers_a_client_keeps_to_itself_are_answered_when_the_run_goes_on() -> None:
    root = make_step("root", kind=Kind.AGENT, started_at=NOW_NS, ended_at=NOW_NS + 9 * SECOND)
    hi = Message("user", ({"type": "text", "content": "hi"},))
    other = Message("user", ({"type": "text", "content": "something else"},))
    asked = Message("assistant", (call("f", "c1"), call("f", "c2")))

    def status_of(*told_next: Message) -> list[Status]:
        one = make_step(
            "one", parent_id=root.span_id, input=(hi,), output=(asked,), started_at=NOW_NS + SECOND
        )
        two = make_step(
            "two", parent_id=root.span_id, input=told_next, started_at=NOW_NS + 3 * SECOND
        )
        return [s.status for s in assemble([root, one, two]).steps if s.derived]

    assert status_of(hi) == [Status.OK, Status.OK]
    assert status_of(other) == [Status.INTERRUPTED, Status.INTERRUPTED]
    assert status_of(hi, asked, told("x", "c1")) == [Status.OK, Status.INTERRUPTED]
    assert status_of(hi, asked, other) == [Status.INTERRUPTED, Status.INTERRUPTED]


@pytest.mark.parametrize(
    ("response", "wanted"),
    [
        ('{"error": "no such \\"order\\""}', Status.ERROR),
        ({"error": "no such order"}, Status.ERROR),
        ({"is_error": True, "content": "x"}, Status.ERROR),
        ('{"error": ""}', Status.OK),
        ('{"error": null, "order": 1}', Status.OK),
        ({"error": "none", "order": 1}, Status.OK),
        ({"error": None}, Status.OK),
        ({"error": 0.013}, Status.OK),
        ({"error": True}, Status.ERROR),
        ("KeyError: 'a'", Status.ERROR),
        ("KeyError: 'a'\n" * 500, Status.OK),
        ([1], Status.OK),
    ],
)
def test_an_answer_that_is_nothing_but_an_error_fails_the_step(
    response: Json, wanted: Status
) -> None:
    found = tools_of(Message("assistant", (call("f", "c1"),)), told(response, "c1"))
    assert [s.status for s in found] == [wanted]


def test_answers_in_another_order_than_their_calls_are_found_in_time() -> None:
    many = range(20_000)
    owner = Node(make_step("one"))
    calls = [Call(owner, call(f"f{n}")) for n in many]
    begun = time.process_time()
    found = answers_to(calls, [told(n, name=f"f{n}") for n in reversed(many)])
    assert [part and part["response"] for part in found] == list(many)
    assert time.process_time() - begun < 3
