"""waypost.toml is read into frozen records, and says plainly what is wrong with it."""

import tomllib

import pytest

from evaluators.config import Config, parse_config
from evaluators.plan import Plan, is_sampled
from evaluators.registry import find_evaluators
from tests.unit.evaluators.steps import model, run_of, tool
from waypost.errors import BadSetting
from waypost.records import Kind, Trajectory

EVALUATORS = find_evaluators()
FILE = """
[evaluators.groundedness]
owner = "search"
sampling = 0.5
kinds = ["llm"]
parameters = { threshold = 0.3 }

[[evaluators.groundedness.overrides]]
project = "demo"
threshold = 0.4

[[evaluators.groundedness.overrides]]
project = "demo"
cohort = { model = "haiku" }
threshold = 0.5

[evaluators.loop]
enabled = false

[evaluators.is_compliant]
policy = "refunds"

[policies.refunds]
version = "3"
text = "Ask before you refund."

[[policies.refunds.rules]]
id = "ask"
kind = "confirm"
tools = ["refund"]

[judges.faithful]
rubric = "groundedness"
agents = ["support"]

[[alerts]]
name = "somebody else's"
"""


def parse(text: str) -> Config:
    return parse_config(tomllib.loads(text), EVALUATORS)


def versions(run: Trajectory, project: str = "demo", text: str = FILE) -> dict[str, object]:
    plan = Plan(EVALUATORS, parse(text.replace("sampling = 0.5", "")))
    return {b.name: b.parameters.get("threshold") for b, _ in plan.of_steps(project, run)}


def test_the_file_says_who_judges_what() -> None:
    found = parse(FILE)
    mine = found.assignments["groundedness"]
    assert (mine.owner, mine.sampling, mine.kinds) == ("search", 0.5, frozenset({Kind.LLM}))
    assert not found.assignment("loop").enabled
    assert found.judges[0].assignment.agents == frozenset({"support"})


def test_thresholds_are_inherited_from_the_widest_to_the_narrowest() -> None:
    run = run_of(model("x"))
    assert versions(run, "other")["groundedness"] == 0.3
    assert versions(run)["groundedness"] == 0.4
    assert versions(run_of(model("x"), cohort={"model": "haiku"}))["groundedness"] == 0.5


def test_a_policy_is_a_parameter_and_changes_the_version() -> None:
    run = run_of(tool("refund"))
    first, second = (
        {b.name: b.version for b, _ in Plan(EVALUATORS, parse(text)).of_steps("p", run)}
        for text in (FILE, FILE.replace('version = "3"', 'version = "4"'))
    )
    assert first["is_compliant"] != second["is_compliant"]
    assert first["tool_scope"] == second["tool_scope"]


def test_compliance_and_rankings_are_off_until_they_are_set() -> None:
    names = {b.name for b, _ in Plan(EVALUATORS, parse("")).of_steps("p", run_of(model("x")))}
    assert not names & {"is_compliant", "sycophancy"}
    assert "groundedness" in names


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[evaluators.nope]", "no evaluator of that name"),
        ("[evaluators.loop]\nsample = 1", "'sample' is unknown"),
        ("[evaluators.loop]\nsampling = 2", "between 0 and 1"),
        ("[evaluators.loop]\nparameters = { repeat = 2 }", "no parameter 'repeat'"),
        ("[evaluators.loop]\nparameters = { repeats = 'x' }", "is not a int"),
        ("[evaluators.loop]\nkinds = ['nope']", "kind 'nope' is unknown"),
        ("[evaluators.is_compliant]\npolicy = 'x'", "no policy 'x'"),
        ("[policies.p]\nrules = [{ id = 'a', kind = 'x' }]", "kind 'x' is unknown"),
        ("[policies.p]\nrules = [{ id = 'a', kind = 'order' }]", "needs tools, before"),
        ("[policies.p]\nrules = [{ kind = 'order' }]", "needs an id and a kind"),
        ("[judges.j]\ntarget = 'world'", "must be step or trajectory"),
        ("evaluators = 3", "must be a table"),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    with pytest.raises(BadSetting, match=said):
        parse(text)


@pytest.mark.parametrize(
    "body",
    [
        {"evaluators": {"loop": {"sampling": 10**400}}},
        {"evaluators": {"loop": {"tools": [{}]}}},
        {"judges": {"j": {"repeat": 10**9}}},
        {"judges": {"j": {"repeat": 0}}},
        *(
            {"policies": {"p": {"rules": [{"id": "a", "kind": "confirm", "when": when}]}}}
            for when in ("x{99999999999}", "(" * 2000 + ")" * 2000)
        ),
    ],
)
def test_values_no_table_can_mean_are_refused_like_all_others(body: dict[str, object]) -> None:
    with pytest.raises(BadSetting):
        parse_config(body, EVALUATORS)


def test_the_sample_is_the_same_everywhere_and_about_as_large_as_asked() -> None:
    drawn = [is_sampled(f"run{n}", "loop", 0.3) for n in range(2000)]
    assert drawn == [is_sampled(f"run{n}", "loop", 0.3) for n in range(2000)]
    assert 500 < sum(drawn) < 700
