"""The socket reads a judge's signature, stamps its scores and versions it."""

from pathlib import Path

import pytest

from evaluators.evaluator import Target, evaluator
from evaluators.registry import find_evaluators
from evaluators.surroundings import ALONE, Surroundings
from tests.unit.evaluators.steps import model, run_of, tool
from waypost.errors import PluginBroken, WrongUse
from waypost.records import Kind, Score, Step, Trajectory


@evaluator(version=3, kinds=(Kind.LLM,))
def short(step: Step, *, limit: int = 5) -> Score | None:
    """Fail when the answer is long."""
    text = step.output[0].text if step.output else ""
    return Score.failed("too long") if len(text) > limit else Score.passed()


@evaluator(version=1)
def blames_last(run: Trajectory) -> Score:
    """Fail and blame the last step."""
    return Score.failed("last", step=run.steps[-1].id)


def test_the_annotation_says_what_is_judged() -> None:
    assert short.target is Target.STEP
    assert blames_last.target is Target.TRAJECTORY


def test_a_judge_is_still_a_function() -> None:
    assert short(model("hi")) == Score.passed()


def test_scores_carry_name_version_and_step() -> None:
    (score,) = short.judge(model("far too long", id="abc"))
    assert (score.evaluator, score.step) == ("short", "abc")
    assert score.version == short.version()


def test_a_changed_parameter_is_a_new_version() -> None:
    assert short.version({"limit": 5}) == short.version()
    assert short.version({"limit": 6}) != short.version()
    assert short.version().startswith("3-")


def test_a_run_has_one_score_and_the_blame_is_evidence() -> None:
    (score,) = blames_last.judge(run_of(tool("a"), tool("b")))
    assert score.step is None
    assert score.evidence[0].step == f"{2:016x}"


def test_the_second_argument_is_what_the_annotation_asks() -> None:
    @evaluator(version=1)
    def asks_run(step: Step, run: Trajectory) -> Score:
        """Pass."""
        return Score.passed(str(len(run.steps)))

    @evaluator(version=1)
    def asks_around(step: Step, around: Surroundings = ALONE) -> Score:
        """Pass."""
        return Score.passed(str(around.place(step)))

    run = run_of(tool("a"), tool("b"))
    assert asks_run.judge(run.steps[1], Surroundings(run))[0].explanation == "2"
    assert asks_around.judge(run.steps[1], Surroundings(run))[0].explanation == "1"
    assert asks_run.judge(run.steps[1])[0].explanation == "1"


def test_a_signature_that_says_nothing_is_refused() -> None:
    with pytest.raises(WrongUse, match="Step or a Trajectory"):

        @evaluator(version=1)
        def lost(thing: str) -> None:
            """Nothing."""


def test_a_parameter_without_default_is_refused() -> None:
    with pytest.raises(WrongUse, match="needs a default"):

        @evaluator(version=1)
        def greedy(step: Step, *, limit: int) -> None:
            """Nothing."""


PLUG = '''"""A judge of one's own."""
from evaluators.evaluator import evaluator
from waypost import Score, Step

@evaluator(version=1)
def mine(step: Step) -> Score:
    """Pass."""
    return Score.passed()
'''


def test_a_folder_adds_judges(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUG)
    assert "mine" in find_evaluators([tmp_path])


def test_two_judges_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "loop.py").write_text(PLUG.replace("mine", "loop"))
    with pytest.raises(PluginBroken, match="loop"):
        find_evaluators([tmp_path])


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import nowhere_at_all")
    with pytest.raises(PluginBroken, match=r"bad\.py"):
        find_evaluators([tmp_path])
