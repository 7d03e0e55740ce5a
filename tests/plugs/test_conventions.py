"""The contract of every dialect: its samples read as recorded, and no attributes ever raise."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from collector.convention import GROUP, PACKAGE, UNREAD, Convention, Reader
from tests.conventions_table import DOCUMENT, render
from tests.samples import conventions, load, sample, scenarios, spans_of, whole
from waypost.assembly import Cohorts
from waypost.plugins import discover
from waypost.records import Json, Kind, RawSpan, Status, Step, Trajectory

FOUND = discover(Convention, package=PACKAGE, group=GROUP)
SOURCES = {"span": "tool_span", "model_message": "llm_message", None: "tool_span"}
# Text and copy of it in `contents`: the recorded truth joined both, a reader tells them apart.
TOLD_TWICE = "openinference_openai_agents"
# The outer of two nested model spans has no output; the inner one fills it.
FILLED_FROM_INNER = "openinference_llama_index"


def tool_view(step: Step) -> dict[str, Json]:
    return {
        "name": step.tool,
        "arguments": step.arguments,
        "arguments_from": SOURCES[step.arguments_from],
        "status": step.status.value,
        "has_result": step.result is not None,
    }


def view(trajectory: Trajectory) -> dict[str, Any]:
    """A trajectory in the words of the expected results."""
    steps, models = trajectory.steps, trajectory.model_steps
    count = [s.kind for s in steps].count
    return {
        "llm_steps": len(models),
        "tool_steps": [
            tool_view(s) for s in steps if s.kind in (Kind.TOOL, Kind.PLAN) and not s.derived
        ],
        "retrieval_steps": count(Kind.RETRIEVAL),
        "guardrail_steps": count(Kind.GUARDRAIL),
        "handoff_steps": count(Kind.HANDOFF),
        "agent_steps": [s.kind for s in trajectory.scopes].count(Kind.AGENT),
        "tokens_per_llm_step": [
            {
                "input": s.tokens.input,
                "output": s.tokens.output,
                "cache_read": s.tokens.cache_read or 0,
            }
            for s in models
        ],
        "tokens_total": {
            "input": trajectory.tokens.input or 0,
            "output": trajectory.tokens.output or 0,
        },
        "models": sorted({s.model_requested or s.model for s in models} - {None}, key=str),
        "llm_status": [s.status.value for s in models],
        "final_text": trajectory.final.output[-1].text if trajectory.final else None,
        "session_id": trajectory.session,
        "user_id": trajectory.user,
        "cohort_region": trajectory.cohort.get("region"),
        "trajectory_trace_ids": list(trajectory.traces),
        "any_interrupted": any(
            s.status is Status.INTERRUPTED for s in (*steps, *trajectory.scopes)
        ),
        "tool_steps_derivable_from_messages": [
            {"name": s.tool, "arguments": s.arguments} for s in steps if s.derived
        ],
    }


@pytest.mark.parametrize(("convention", "scenario"), scenarios())
def test_every_sample_reads_as_recorded(convention: str, scenario: str) -> None:
    expected = load("expected.json")[convention][scenario]
    got = view(sample(convention, expected["trajectory_trace_ids"]).assembled())
    if convention == FILLED_FROM_INNER:
        assert got.pop("final_text")
        assert expected.pop("final_text") is None
    if convention == TOLD_TWICE:
        assert got.pop("final_text") * 2 == expected.pop("final_text")
    for found in (got, expected):  # in the dump's own order, ours is that of their starts
        found["tool_steps"] = sorted(found["tool_steps"], key=repr)
    wanted = {k: v for k, v in expected.items() if k != "not_trajectory_trace_ids"}
    assert {k: got[k] for k in wanted} == wanted


@pytest.mark.parametrize(("convention", "scenario"), scenarios())
def test_traces_without_an_agent_are_not_listed(convention: str, scenario: str) -> None:
    for trace in load("expected.json")[convention][scenario]["not_trajectory_trace_ids"]:
        assert not sample(convention, [trace]).assembled().is_listed


@pytest.mark.parametrize("run", ["r1", "r2", "r3", "r4"])
def test_our_own_contract_reads_step_by_step(run: str) -> None:
    expected = load("agent_trajectory.expected.json")[run]
    found = sample("agent_trajectory", expected["trace_ids"]).assembled()
    assert [
        (s.number, s.kind.value, s.status.value, s.parent_step, s.tool, s.arguments)
        for s in found.steps
    ] == [
        (s["step"], s["kind"], s["status"], s["parent_step"], s["tool"], s["arguments"])
        for s in expected["steps"]
    ]
    assert found.final_step == expected["final_step"]
    assert found.id == expected["trajectory_id"]
    assert sorted(found.traces) == sorted(expected["trace_ids"])


@pytest.mark.parametrize("run", ["r1", "r2", "r3", "r4"])
def test_our_own_contract_gives_complete_inputs(run: str) -> None:
    expected = load("agent_trajectory.expected.json")[run]
    found = sample("agent_trajectory", expected["trace_ids"]).assembled()
    models = [s for s in expected["steps"] if "full_input" in s]
    assert [[m.as_json() for m in s.input] for s in found.model_steps] == [
        s["full_input"] for s in models
    ]
    assert [[m.as_json() for m in s.output] for s in found.model_steps] == [
        s["output"] for s in models
    ]
    tokens = expected["tokens"]
    assert found.tokens.input == tokens["input"]
    assert (found.tokens.cache_read or 0) == tokens["cache_read"]


def test_every_convention_with_a_marker_of_its_own_has_a_sample() -> None:
    reader = Reader()
    names = [*conventions(), "agent_trajectory"]
    read = {reader.readers(span)[0].name for name in names for span in spans_of(name)}
    assert {c.name for c in FOUND} - read == set()


def altered(span: RawSpan) -> Iterator[RawSpan]:
    """The span, and the span with each value of a short attribute replaced by others."""
    yield span
    short = [k for k, v in span.attributes.items() if not isinstance(v, str) or len(v) < 60]
    for name in short[:20]:
        for value in ("other", 1, True):
            yield replace(span, attributes={**span.attributes, name: value})


@pytest.mark.parametrize("convention", conventions())
def test_what_a_reader_remembers_never_changes_what_it_reads(convention: str) -> None:
    cohorts = Cohorts(["region", "agent", "model", "prompt_version", "environment"])
    everyone = [replace(c, names=None) for c in FOUND]
    warm = Reader(FOUND)
    for sent in spans_of(convention)[:3]:
        for span in altered(sent):
            fresh = Reader(everyone).read(span, cohorts)
            assert whole(warm.read(span, cohorts)) == whole(fresh)


def test_ranks_are_unequal_so_that_the_order_is_certain() -> None:
    ranks = [c.rank for c in FOUND]
    assert len(set(ranks)) == len(ranks)


def test_the_table_in_the_documentation_is_fresh() -> None:
    assert DOCUMENT.read_text() == render()


KNOWN = sorted(
    {k for name in conventions() for span in spans_of(name) for k in span.attributes}
    | {"agent.trajectory.step", "agent.trajectory.input.base_step", "agent.trajectory.input.keep"}
)
ODD_KEYS = st.sampled_from(
    [
        "llm.input_messages.999999999.message.role",
        "llm.input_messages.-1.message.role",
        "llm.input_messages.0.message.tool_calls.10000.tool_call.function.name",
        "llm.input_messages.1.__proto__.role",
        "a.__proto__.b",
        "",
        "'; drop table",
        "gen_ai.prompt.0.role",
        "gen_ai.completion.0.content",
    ]
)
TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "{", "[", '"', "[{}]", "[[", "null", "content='", "content='a' name=", "[1, 2]",
            '{"messages": [[]]}', '{"messages": {"a": 1}}', '[{"role": 1, "parts": {}}]',
            '[{"role": "user", "parts": [1, null, {"type": []}]}]', "ResponseFunctionToolCall(",
            '{"generations": [[{"message": 3}]]}', '{"output": {"output": {"output": 1}}}', "NaN",
            '{"kwargs": 1, "args": {}}', '{"input_str": "{"}', "[Scrubbed due to 'x']", "1e400",
        ]
    ),
)  # fmt: skip
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False), TEXTS,
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)  # fmt: skip
ATTRIBUTES = st.dictionaries(
    st.one_of(st.sampled_from(KNOWN), ODD_KEYS), VALUES, min_size=1, max_size=12
)


def span_with(attributes: dict[str, Json], name: str = "span") -> RawSpan:
    return RawSpan("1" * 32, "2" * 16, None, name, 1, 2, attributes=attributes)


def forced(convention: Convention) -> Reader:
    """Reads every span with this convention, whether it bears its marker or not."""
    first = replace(convention, matches=lambda s: True, helps=None, names=None)
    return Reader([first, Convention("last", 9999, lambda s: True, lambda d: None, lambda d: None)])


@pytest.mark.slow
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(attributes=ATTRIBUTES, name=st.sampled_from(["agent.trajectory.step", "x", "handoff to y"]))
def test_any_attributes_never_raise(attributes: dict[str, Json], name: str) -> None:
    span = span_with(attributes, name)
    for convention in FOUND:  # in one test: to make up a span takes longer than to read it
        assert not any(n.startswith(UNREAD) for n in forced(convention).read(span).step.notes)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(attributes={"gen_ai.span.kind": None, "gen_ai.tool.definitions": []})
@given(attributes=ATTRIBUTES)
def test_every_attribute_is_kept_or_became_a_payload(attributes: dict[str, Json]) -> None:
    step = Reader().read(span_with(attributes)).step
    payload = step.input or step.output or step.arguments or step.result or step.documents
    # A list with nothing in it leaves nothing behind.
    gone = {key for key in set(attributes) - set(step.attributes) if attributes[key] != []}
    assert (
        not gone
        or payload
        or step.tools
        or step.system
        or step.query
        or step.memory
        or all("LANG" in key or key.startswith(("gen_ai.task", "traceloop")) for key in gone)
    )
