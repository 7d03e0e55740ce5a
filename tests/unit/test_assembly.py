"""Assembly: the same trajectory in whatever order, however often, however late its spans came."""

import dataclasses
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.factories import NOW_NS, SECOND, make_run, make_step, make_tool, span_id
from tests.samples import Sample, load, sample, scenarios
from waypost.assembly import assemble
from waypost.records import Content, Feedback, Json, Kind, Message, Status, Step, Tokens

CASES = [*scenarios(), *(("agent_trajectory", run) for run in ("r1", "r2", "r3", "r4"))]


def case(convention: str, scenario: str) -> Sample:
    if convention == "agent_trajectory":
        return sample(convention, load("agent_trajectory.expected.json")[scenario]["trace_ids"])
    found = load("expected.json")[convention][scenario]["trajectory_trace_ids"]
    return sample(convention, found)


def text(role: str, content: str) -> Message:
    return Message(role, ({"type": "text", "content": content},))


def calling(name: str, call_id: str | None = None, **arguments: Json) -> Message:
    part: dict[str, Json] = {"type": "tool_call", "name": name, "arguments": arguments}
    return Message("assistant", ({**part, "id": call_id} if call_id else part,))


def answering(call_id: str, response: Json) -> Message:
    part = {"type": "tool_call_response", "id": call_id, "response": response}
    return Message("tool", (part,))


def at(second: int, **fields: Any) -> dict[str, Any]:
    started = NOW_NS + second * SECOND
    return {"started_at": started, "ended_at": started + SECOND // 2, **fields}


ROOT = make_step("root", kind=Kind.AGENT, agent="support", **at(0, ended_at=NOW_NS + 99 * SECOND))
BELOW = {"parent_id": ROOT.span_id}


@pytest.mark.parametrize(("convention", "scenario"), CASES)
def test_order_and_repeats_change_nothing(convention: str, scenario: str) -> None:
    found = case(convention, scenario)
    wanted = found.assembled()
    chance = random.Random(scenario)
    for _ in range(3):
        readings = [*found.readings, *chance.sample(found.readings, len(found.readings) // 2)]
        contents = [*found.contents, *found.contents]
        chance.shuffle(readings)
        chance.shuffle(contents)
        again = Sample(tuple(readings), tuple(contents), tuple([*found.feedback] * 2))
        assert again.assembled() == wanted


@pytest.mark.parametrize(("convention", "scenario"), CASES)
def test_a_missing_span_never_raises_and_leaves_no_gap(convention: str, scenario: str) -> None:
    found = case(convention, scenario)
    for missing in range(len(found.readings)):
        readings = found.readings[:missing] + found.readings[missing + 1 :]
        trajectory = dataclasses.replace(found, readings=readings).assembled()
        numbers = [s.number for s in trajectory.steps]
        assert numbers == list(range(1, len(numbers) + 1))
        lost = found.readings[missing].step
        stands_in = any(r.step.span_id == lost.span_id for r in readings)  # a start marker
        if not stands_in and any(r.step.parent_id == lost.span_id for r in readings):
            assert trajectory.incomplete & {"missing_parent", "missing_base", "missing_step"}


def test_a_lost_step_of_ours_is_told_by_its_number() -> None:
    found = case("agent_trajectory", "r1")
    readings = tuple(r for r in found.readings if r.step.number != 2)
    assert "missing_step" in dataclasses.replace(found, readings=readings).assembled().incomplete


def test_a_lost_base_leaves_the_input_incomplete_and_says_so() -> None:
    found = case("agent_trajectory", "r1")
    readings = tuple(r for r in found.readings if r.step.number != 1)
    trajectory = dataclasses.replace(found, readings=readings).assembled()
    assert "missing_base" in trajectory.incomplete
    assert [s.input_complete for s in trajectory.model_steps] == [False, False]


def test_a_start_marker_never_replaces_a_finished_step() -> None:
    done = make_step("m", **at(1, **BELOW, output=(text("assistant", "hi"),)))
    marker = dataclasses.replace(
        done, marker=True, ended_at=done.started_at, status=Status.RUNNING, output=()
    )
    for order in ([ROOT, done, marker], [marker, ROOT, done]):
        assert assemble(order).steps[0].status is Status.OK


def test_a_marker_without_an_end_is_abandoned_once_its_run_has_ended() -> None:
    marker = make_step("m", **at(1, **BELOW, marker=True, status=Status.RUNNING))
    assert assemble([ROOT, marker]).steps[0].status is Status.ABANDONED


def test_a_run_without_its_root_is_running_and_later_abandoned() -> None:
    step = make_step("m", **at(1, **BELOW))
    assert assemble([step], now=step.ended_at + SECOND).status is Status.RUNNING
    late = assemble([step], now=step.ended_at + 16 * 60 * SECOND)
    assert (late.status, late.ended, late.incomplete) == (
        Status.ABANDONED, False, frozenset({"missing_parent", "no_content"}),
    )  # fmt: skip


def test_a_model_span_inside_a_model_span_is_the_same_call() -> None:
    outer = make_step("outer", **at(1, **BELOW))
    inner = make_step(
        "inner",
        **at(1, parent_id=outer.span_id, tokens=Tokens(5, 3), output=(text("assistant", "x"),)),
    )
    found = assemble([ROOT, outer, inner])
    assert [(s.span_id, s.tokens, s.output[0].text) for s in found.steps] == [
        (outer.span_id, Tokens(5, 3), "x")
    ]
    assert found.tokens == Tokens(5, 3)


def test_two_instrumentations_of_one_answer_are_one_step() -> None:
    first = make_step("a", **at(1, **BELOW, response_id="r", origin={"scope": "one"}))
    second = make_step("b", **at(2, **BELOW, response_id="r", origin={"scope": "two"}, model="m"))
    found = assemble([ROOT, first, second])
    assert [(s.span_id, s.model) for s in found.steps] == [(first.span_id, "m")]


def test_of_two_that_tell_of_one_answer_the_first_to_begin_is_the_step() -> None:
    first = make_step("a", **at(1, **BELOW, response_id="r", origin={"scope": "one"}))
    second = make_step("b", **at(2, **BELOW, response_id="r", origin={"scope": "two"}))
    for order in ([ROOT, first, second], [second, first, ROOT]):
        assert [s.span_id for s in assemble(order).steps] == [first.span_id]


def test_of_two_tool_spans_of_one_call_the_one_with_the_object_tells_the_arguments() -> None:
    outer = make_tool("t", **at(1, **BELOW, arguments="A", origin={"scope": "one"}))
    below = {"parent_id": outer.span_id, "origin": {"scope": "two"}, "span_id": span_id("i")}
    inner = make_tool("t", **at(2, **below, arguments={"order": "A"}))
    (found,) = assemble([ROOT, outer, inner]).steps
    assert (found.span_id, found.arguments) == (outer.span_id, {"order": "A"})


def test_equal_agents_directly_nested_are_one_scope() -> None:
    inner = make_step("inner", kind=Kind.AGENT, agent="support", **at(0, **BELOW))
    other = make_step("other", kind=Kind.AGENT, agent="billing", **at(1, parent_id=inner.span_id))
    assert [s.agent for s in assemble([ROOT, inner, other]).scopes] == ["support", "billing"]


def test_an_embedding_inside_a_retrieval_is_not_a_step() -> None:
    outer = make_step("r", kind=Kind.RETRIEVAL, **at(1, **BELOW))
    fields = {"kind": Kind.RETRIEVAL, "operation": "embedding"}
    inner = make_step("e", **at(1, parent_id=outer.span_id, **fields))
    alone = make_step("f", **at(3, **BELOW, **fields))
    assert [s.span_id for s in assemble([ROOT, outer, inner, alone]).steps] == [
        outer.span_id, alone.span_id,
    ]  # fmt: skip


def test_arguments_come_from_the_message_with_the_call_id() -> None:
    model = make_step("m", **at(1, **BELOW, output=(calling("look", "c1", order="A"),)))
    tool = make_tool("look", **at(2, **BELOW, call_id="c1", arguments="A", arguments_from="span"))
    found = assemble([ROOT, model, tool]).tool_steps[0]
    assert (found.arguments, found.arguments_from) == ({"order": "A"}, "model_message")


def test_arguments_come_from_the_oldest_open_call_of_that_name() -> None:
    calls = (calling("look", "c1", n=1), calling("other", "c2", n=2), calling("look", "c3", n=3))
    model = make_step("m", **at(1, **BELOW, output=calls))
    tools = [make_tool("look", span_id=span_id(i), **at(2 + i, **BELOW)) for i in range(2)]
    found = assemble([ROOT, model, *tools]).tool_steps
    assert [(s.arguments, s.call_id) for s in found] == [({"n": 1}, "c1"), ({"n": 3}, "c3")]


def test_a_call_that_failed_without_its_id_is_not_taken_for_one_that_another_step_names() -> None:
    asked = (calling("look", "c1", order="A"), calling("look", "c2", order="A"))
    model = make_step("m", **at(1, **BELOW, output=asked))
    failed = make_tool("look", span_id=span_id("f"), **at(2, **BELOW, status=Status.ERROR))
    done = make_tool("look", span_id=span_id("d"), **at(3, **BELOW, call_id="c1"))
    found = assemble([ROOT, model, failed, done]).tool_steps
    assert [s.call_id for s in found] == ["c2", "c1"]


def test_a_bare_value_is_found_among_the_arguments_of_the_open_calls() -> None:
    asked = (calling("look", "c1", order="A"), calling("look", "c2", order="B"))
    model = make_step("m", **at(1, **BELOW, output=asked))
    tools = [
        make_tool("look", span_id=span_id(v), **at(2 + i, **BELOW, arguments=v))
        for i, v in enumerate("BA")
    ]
    found = assemble([ROOT, model, *tools]).tool_steps
    assert [(s.call_id, s.arguments) for s in found] == [
        ("c2", {"order": "B"}),
        ("c1", {"order": "A"}),
    ]


def test_call_ids_that_repeat_are_looked_up_in_their_own_agent_first() -> None:
    agents = [make_step(f"a{i}", kind=Kind.AGENT, agent=f"a{i}", **at(i, **BELOW)) for i in (1, 2)]
    steps: list[Step] = [ROOT, *agents]
    for i, agent in enumerate(agents, 1):
        below = {"parent_id": agent.span_id}
        steps.append(make_step(f"m{i}", **at(3, **below, output=(calling("t", "c", n=i),))))
        steps.append(
            make_tool("t", span_id=span_id(("t", i)), **at(4, **below, call_id="c", arguments="x"))
        )
    found = assemble(steps).tool_steps
    assert sorted(str(s.arguments) for s in found) == ["{'n': 1}", "{'n': 2}"]


def test_arguments_nobody_explains_are_wrapped_and_flagged() -> None:
    found = assemble([ROOT, make_tool("t", **at(1, **BELOW, arguments="A"))]).steps[0]
    assert (found.arguments, found.notes) == ({"input": "A"}, ("arguments_wrapped=1",))


def test_tool_steps_are_read_out_of_messages_where_no_span_tells_of_tools() -> None:
    asked = calling("look", "c1", n=1)
    first = make_step("m1", **at(1, **BELOW, output=(asked,)))
    history = (text("user", "q"), asked, answering("c1", "Error: gone"))
    second = make_step("m2", **at(3, **BELOW, input=history, output=(text("assistant", "no"),)))
    found = assemble([ROOT, first, second])
    assert [s.kind.value for s in found.steps] == ["llm", "tool", "llm"]
    tool = found.steps[1]
    assert (tool.derived, tool.status, tool.result) == (True, Status.ERROR, "Error: gone")
    assert found.final_step == 3


def test_a_call_nobody_answered_interrupts_a_run_that_has_ended() -> None:
    model = make_step("m", **at(1, **BELOW, output=(calling("refund", "c1"),)))
    found = assemble([ROOT, model])
    assert (found.status, found.steps[-1].status) == (Status.INTERRUPTED, Status.INTERRUPTED)


def test_a_last_call_nobody_answered_is_waited_for_also_where_earlier_ones_have_spans() -> None:
    first = make_step("m", span_id=span_id(1), **at(1, **BELOW, output=(calling("look", "c1"),)))
    tool = make_tool("look", **at(2, **BELOW, call_id="c1"))
    last = make_step("m", span_id=span_id(2), **at(3, **BELOW, output=(calling("pay", "c2"),)))
    found = assemble([ROOT, first, tool, last])
    assert (found.status, found.final_step) == (Status.INTERRUPTED, None)
    paid = make_tool("pay", **at(4, **BELOW, call_id="c2"))
    assert assemble([ROOT, first, tool, last, paid]).status is Status.OK
    early = dataclasses.replace(paid, started_at=last.started_at - 1)  # as by rounded times
    assert assemble([ROOT, first, tool, last, early]).status is Status.OK


def test_the_final_step_is_the_last_answer_of_the_outermost_run() -> None:
    sub = make_step("sub", kind=Kind.AGENT, agent="sub", **at(3, **BELOW))
    main = make_step("m", **at(1, **BELOW, output=(text("assistant", "main"),)))
    inner = make_step("i", **at(4, parent_id=sub.span_id, output=(text("assistant", "sub"),)))
    found = assemble([ROOT, sub, main, inner])
    assert found.final is not None
    assert found.output[0].text == "main"


def test_a_clock_that_runs_ahead_keeps_parents_first_and_is_marked() -> None:
    tool = make_tool("t", **at(10, **BELOW, service="a"))
    early = {"parent_id": tool.span_id, "service": "b", "kind": Kind.RETRIEVAL}
    inner = [make_step(f"r{i}", span_id=span_id(i), **at(i, **early)) for i in (1, 2)]
    found = assemble([ROOT, tool, *reversed(inner)])
    assert [s.name for s in found.steps] == ["t", "r1", "r2"]
    assert "skew" in found.incomplete


def test_what_only_the_root_says_reaches_every_step() -> None:
    root = dataclasses.replace(ROOT, session="s", user="u", attributes={"region": "eu"})
    found = assemble([root, make_step("m", **at(1, **BELOW))], cohort_keys=("region",))
    step = found.steps[0]
    assert (step.session, step.user, step.cohort, step.agent) == (
        "s",
        "u",
        {"region": "eu"},
        "support",
    )
    assert (found.session, found.cohort) == ("s", {"region": "eu"})


def test_the_resource_says_who_and_where_when_no_span_does() -> None:
    whose = {"session.id": "s", "user.id": "u"}
    root = dataclasses.replace(ROOT, resource=whose)
    step = make_step("m", **at(1, **BELOW, resource=whose))
    found = assemble([root, step])
    assert (found.session, found.user, found.steps[0].session) == ("s", "u", "s")
    found = assemble([dataclasses.replace(root, session="own"), step])
    assert (found.session, found.steps[0].session) == ("own", "own")


def test_the_conversation_of_an_agent_that_a_tool_asks_is_its_callers() -> None:
    def told(name: str, session: str, **fields: Any) -> Step:
        return make_step(name, session=session, convention="pydantic_ai", **fields)

    run = told("run", "a", kind=Kind.AGENT, agent="a", **at(0))
    sub = told("sub", "b", kind=Kind.AGENT, agent="b", **at(1, parent_id=run.span_id))
    step = told("m", "b", **at(2, parent_id=sub.span_id))
    found = assemble([run, sub, step])
    assert (found.session, found.steps[0].session) == ("a", "a")


def test_nothing_is_inherited_from_the_making_of_an_agent() -> None:
    made = make_step("create", kind=Kind.OTHER, operation="create_agent", session="old", **at(0))
    step = make_step("m", **at(1, parent_id=made.span_id))
    assert assemble([made, step]).session is None


def test_an_unknown_part_makes_the_sum_a_lower_bound() -> None:
    known = make_step("a", **at(1, **BELOW, tokens=Tokens(5, 3), cost_usd=0.5))
    unknown = make_step("b", **at(2, **BELOW, tokens=Tokens(7, None)))
    found = assemble([ROOT, known, unknown])
    assert (found.tokens.input, found.tokens.output, found.tokens_partial) == (12, 3, True)
    assert (found.cost_usd, found.cost_partial) == (0.5, True)


def test_log_records_fill_what_the_span_does_not_say() -> None:
    step = make_step("m", **at(1, **BELOW))
    contents = [
        Content(step.trace_id, step.span_id, 2, "output", text("assistant", "a")),
        Content(step.trace_id, step.span_id, 1, "input", text("user", "q")),
    ]
    found = assemble([ROOT, step], contents + contents).steps[0]
    assert (found.input, found.output) == ((text("user", "q"),), (text("assistant", "a"),))


def test_a_verdict_finds_its_step_by_number_span_or_answer() -> None:
    step = make_step("m", **at(1, **BELOW, response_id="r1"))
    trace = step.trace_id
    verdicts = [
        Feedback("a", "step", trace, None, step_number=1),
        Feedback("b", "step", trace, step.span_id),
        Feedback("c", "step", response_id="r1"),
        Feedback("d", "step", response_id="elsewhere"),
    ]
    found = {v.name: v.span_id for v in assemble([ROOT, step], (), verdicts).feedback}
    assert found == {"a": step.span_id, "b": step.span_id, "c": step.span_id, "d": None}


def test_spans_that_are_one_anothers_parents_are_cut_apart() -> None:
    one = make_tool("a", span_id="a" * 16, parent_id="b" * 16)
    two = make_tool("b", span_id="b" * 16, parent_id="a" * 16, **at(1))
    itself = make_tool("c", span_id="c" * 16, parent_id="c" * 16, **at(2))
    assert [s.name for s in assemble([two, itself, one]).steps] == ["a", "b", "c"]


def test_a_paused_run_and_its_resumption_are_one() -> None:
    found = case("agent_trajectory", "r3").assembled()
    assert (len(found.traces), found.status, found.final_step) == (2, Status.OK, 5)
    assert found.steps[1].status is Status.INTERRUPTED


@pytest.mark.slow
def test_a_hundred_thousand_spans_come_together() -> None:
    steps = [ROOT]
    for i in range(100_000):
        parent = steps[-1] if i % 3 else ROOT
        kind = (Kind.LLM, Kind.TOOL, Kind.OTHER)[i % 3]
        steps.append(
            make_step("x", span_id=f"{i + 1:016x}", parent_id=parent.span_id, kind=kind, tool="t")
        )
    found = assemble(steps)
    assert len(found.steps) + len(found.others) == 100_000


def test_no_spans_make_an_empty_trajectory() -> None:
    found = assemble([])
    assert (found.id, found.steps, found.is_listed) == ("", (), False)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_steps_make_some_trajectory(data: st.DataObject) -> None:
    ids = [f"{i:016x}" for i in range(1, 7)]
    steps = [
        make_step(
            "x", span_id=i, parent_id=data.draw(st.sampled_from([None, *ids])),
            kind=data.draw(st.sampled_from(list(Kind))),
            started_at=data.draw(st.integers(0, 2**62)), ended_at=data.draw(st.integers(0, 2**62)),
            number=data.draw(st.sampled_from([None, 1, 2, 99])), tool="t", input_keep=3,
            input_base=data.draw(st.sampled_from([None, 1, 2, 7])), agent="a",
            marker=data.draw(st.booleans()), status=data.draw(st.sampled_from(list(Status))),
            output=(calling("t", data.draw(st.sampled_from([None, "c"]))),),
        )
        for i in data.draw(st.lists(st.sampled_from(ids), max_size=8))
    ]  # fmt: skip
    found = assemble(steps, now=data.draw(st.sampled_from([None, 0, 2**62])))
    assert [s.number for s in found.steps] == list(range(1, len(found.steps) + 1))
    assert all(s.duration >= 0 for s in found.steps)


def test_a_long_run_reads_in_order() -> None:
    found = assemble(make_run(200))
    assert [s.started_at for s in found.steps] == sorted(s.started_at for s in found.steps)


def test_a_run_in_which_no_model_answered_belongs_to_the_model_that_was_asked() -> None:
    asked = make_step("chat", model_requested="gpt-5-mini", status=Status.ERROR)
    assert assemble([asked], cohort_keys=("model",)).cohort == {"model": "gpt-5-mini"}
    assert assemble([asked], cohort_keys=("region",)).cohort == {}
    later = make_step("again", model="gpt-5-mini-2026", span_id=span_id("later"))
    assert assemble([asked, later], cohort_keys=("model",)).cohort == {"model": "gpt-5-mini-2026"}
