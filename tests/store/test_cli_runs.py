"""Runs leave the store from the command line: as cases of a dataset, and as JSON lines."""

import datetime as dt
import json
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy.engine import Engine

from tests import seed
from waypost.cli import waypost
from waypost.errors import NotFound, WrongUse

NOW = dt.datetime.now(dt.UTC)


@pytest.fixture
def filled(engine: Engine) -> Engine:
    seed.seed(engine, now=NOW, runs=40)
    return engine


def call(engine: Engine, *arguments: str) -> str:
    url = engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    done = CliRunner().invoke(
        waypost, [*arguments], env={"WAYPOST_DATABASE_URL": url}, catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return done.stdout


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_every_run_of_the_day_is_printed_once_and_whole(filled: Engine) -> None:
    printed = lines(call(filled, "export"))
    few = lines(call(filled, "export", "--most", "3"))
    assert len(printed) == len({run["id"] for run in printed}) > 10
    assert all(run["steps"] for run in printed)
    assert [run["id"] for run in few] == [run["id"] for run in printed[:3]]


def test_failed_runs_become_cases_and_leave_again_with_their_steps(filled: Engine) -> None:
    said = call(filled, "dataset", "add", "regressions", "--failed", "--most", "4")
    again = call(filled, "dataset", "add", "regressions", "--failed", "--most", "4")
    cases = lines(call(filled, "dataset", "export", "regressions", "--runs"))
    assert said == "4 of 4 runs were new to dataset regressions.\n"
    assert again == "0 of 4 runs were new to dataset regressions.\n"
    assert call(filled, "dataset", "list") == f"{'regressions':<32} version 1, 4 cases\n"
    assert [len(case["run"]["steps"]) for case in cases] == [case["steps"] for case in cases]


def test_a_version_that_there_is_not_yet_is_not_exported(filled: Engine) -> None:
    call(filled, "dataset", "add", "one", "--most", "1")
    assert len(lines(call(filled, "dataset", "export", "one", "--version", "1"))) == 1
    with pytest.raises(NotFound, match="has no version 7; its newest is 1"):
        call(filled, "dataset", "export", "one", "--version", "7")


def test_a_run_can_be_named_by_its_trace(filled: Engine) -> None:
    trace = lines(call(filled, "export", "--most", "1"))[0]["traces"][0]
    call(filled, "dataset", "add", "one", "--trace", trace)
    assert lines(call(filled, "dataset", "export", "one"))[0]["trace_id"] == trace


def test_runs_are_named_by_trace_or_filtered_and_not_both(filled: Engine) -> None:
    trace = lines(call(filled, "export", "--most", "1"))[0]["traces"][0]
    with pytest.raises(WrongUse, match="--failed, --most would choose among others"):
        call(filled, "dataset", "add", "one", "--trace", trace, "--failed", "--most", "1")
    assert call(filled, "dataset", "list") == ""


@pytest.mark.parametrize(
    "wanted", [("--trace", "0" * 32), ("--trace", "rubbish"), ("--agent", "x")]
)
def test_a_dataset_of_nothing_is_not_made(filled: Engine, wanted: tuple[str, str]) -> None:
    with pytest.raises(WrongUse):
        call(filled, "dataset", "add", "none", *wanted)
    assert call(filled, "dataset", "list") == ""


def test_evaluating_again_prints_nothing_but_json_where_json_is_asked_for(filled: Engine) -> None:
    done = json.loads(call(filled, "evaluate", "--evaluator", "loop", "--yes", "--json"))
    assert done["runs"] == 20
    assert done["asked"] + done["skipped"] > 0
