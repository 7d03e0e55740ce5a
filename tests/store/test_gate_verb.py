"""The gate reads a trial's results and the verdicts on its runs, answers, and keeps the answer."""

import datetime as dt
import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from sqlalchemy.engine import Engine

from evaluators.desk import Desk
from evaluators.project_plan import Plans
from evaluators.registry import find_evaluators
from evaluators.worker import Worker
from tests import seed
from tests.factories import trace_id
from tests.store.test_cli_runs import NOW
from tests.store.test_datasets import ANA
from waypost.assembly import assemble
from waypost.cli import waypost
from waypost.errors import NotFound, WaypostError, WrongUse
from waypost.records import Reading, Score
from waypost.store import datasets, projects, scores, standings, trials
from waypost.store.audit import Actor
from waypost.store.ingest import Writer
from waypost.store.partitions import ensure_days
from waypost.store.trials import Word

PLANS = [
    seed.Plan(f"case {n}", NOW, "v16", "claude-haiku-4-5", "eu", bad=n < 12) for n in range(40)
]


RUNS = [assemble(seed.build(plan), cohort_keys=seed.KEYS) for plan in PLANS]


def tried(engine: Engine, name: str = "v16", *, failing: int = 12) -> None:
    """A dataset of forty runs, and a trial that answers a dozen of them badly; all judged."""
    made = [
        seed.Plan(f"{name} {n}", NOW, name, "claude-haiku-4-5", "eu", bad=n < failing)
        for n in range(40)
    ]
    ensure_days(engine, [NOW.date() + dt.timedelta(days=d) for d in (-1, 0, 1)])
    with Writer(engine).batch() as batch:
        for plan in made:
            batch.put(1, [Reading(s) for s in seed.build(plan)], now=NOW)
    with engine.begin() as connection:
        connection.execute(sa.text("delete from job"))
        datasets.put(connection, 1, "refunds", RUNS, by=ANA)
        place = datasets.named(connection, 1, "refunds").id
        trial = trials.begin(connection, 1, place, name=name, by=ANA)
        ids = scores.evaluator_ids(connection, 1, [("groundedness", "1", "code")])
        for plan, run in zip(made, RUNS, strict=True):
            new = assemble(seed.build(plan), cohort_keys=seed.KEYS)
            said = Score.failed("no") if plan.bad else Score.passed()
            said = replace(said, step=new.steps[0].id, evaluator="groundedness")
            by_name = {k[0]: v for k, v in ids.items()}
            seed.settle(connection, new, [(new.steps[0], said)], by_name)
            trials.record(connection, 1, trial.id, run.id, trace_id=trace_id(plan.name), by=ANA)
        trials.finish(connection, 1, trial.id, by=ANA)


def ask(engine: Engine, *arguments: str, **environment: str) -> Result:
    url = engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    return CliRunner().invoke(
        waypost, ["gate", *arguments], standalone_mode=False,
        env={"WAYPOST_DATABASE_URL": url, **environment},
    )  # fmt: skip


def refused(done: Result, error: type[WaypostError], said: str) -> None:
    assert isinstance(done.exception, error)
    assert said in str(done.exception)


GROUNDED = ("--condition", "groundedness fails <= 10%", "--wait", "0")


def test_a_no_names_the_rate_and_every_failing_case_with_its_run(engine: Engine) -> None:
    tried(engine)
    done = ask(engine, "refunds", "--trial", "v16", *GROUNDED)
    lines = done.stdout.splitlines()
    assert done.return_value == 1
    assert lines[0].startswith("No: groundedness fails in 12 of 40 cases, 30 % (interval 18.1–")
    assert lines[1] == "12 cases failed:"
    assert f"  http://127.0.0.1:8501/t/{trace_id('v16 0')}?project=default" in lines
    assert sum(line.startswith("✕ ") and "groundedness failed" in line for line in lines) == 12


def test_a_yes_exits_with_zero_and_json_is_for_programs(engine: Engine) -> None:
    tried(engine, failing=0)
    wide = ("--condition", "groundedness fails <= 10%", "--condition", "errors fails <= 10%")
    done = ask(engine, "refunds", "--trial", "v16", *wide, "--wait", "0", "--json")
    said = json.loads(done.stdout)
    assert (done.return_value, said["verdict"], said["not_judged_yet"]) == (0, "yes", 0)
    assert [c["measure"] for c in said["conditions"]] == ["groundedness", "errors"]


def test_the_decision_is_kept_with_the_trial(engine: Engine) -> None:
    tried(engine)
    ask(engine, "refunds", "--trial", "v16", *GROUNDED)
    with engine.connect() as connection:
        place = datasets.named(connection, 1, "refunds").id
        said = trials.named(connection, 1, place, "v16").decision
    assert said is not None
    assert said.word is Word.NO
    assert said.conditions[0]["failed"] == 12
    assert len(said.conditions[0]["failing"]) == 12  # type: ignore[arg-type]  # a mapping


def listed(engine: Engine, *arguments: str) -> Result:
    url = engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    return CliRunner().invoke(
        waypost, ["dataset", "trials", *arguments], env={"WAYPOST_DATABASE_URL": url}
    )


def test_trials_are_listed_with_the_gates_word(engine: Engine) -> None:
    tried(engine)
    before = listed(engine, "refunds").stdout
    assert before.startswith("v16 ")
    assert before.endswith(" 40 of 40 cases of version 1, gate: not asked\n")
    ask(engine, "refunds", "--trial", "v16", *GROUNDED)
    assert listed(engine, "refunds").stdout.endswith("gate: no\n")
    (told,) = json.loads(listed(engine, "refunds", "--json").stdout)
    assert (told["name"], told["results"], told["decision"]["word"]) == ("v16", 40, "no")


def test_a_baseline_names_the_cases_that_fail_only_now(engine: Engine) -> None:
    tried(engine, "v15", failing=2)
    tried(engine, "v16", failing=12)
    worse = ("--condition", "groundedness worse <= 5%", "--baseline", "v15", "--wait", "0")
    done = ask(engine, "refunds", "--trial", "v16", *worse)
    assert "10 fail only now and 0 only before" in done.stdout
    assert "  fail only now: " in done.stdout
    refused(ask(engine, "refunds", "--trial", "v16", *worse[:2]), WrongUse, "--baseline TRIAL")


def test_it_waits_until_the_runs_are_judged_and_says_so_when_they_are_not(engine: Engine) -> None:
    tried(engine)
    with engine.begin() as connection:
        connection.execute(
            sa.text("""
                insert into job (project_id, queue, trace_id, day)
                select 1, 1, trace_id, current_date from trial_result""")
        )
    late = ask(engine, "refunds", "--trial", "v16", *GROUNDED[:2], "--wait", "0.1")
    assert "40 runs not judged in time; is a worker running?" in late.stdout
    assert "0 of 40 cases judged." in late.stderr
    stop = threading.Event()
    plans = Plans({n: e for n, e in find_evaluators().items() if n == "groundedness"})
    worker = threading.Thread(target=Worker(engine, Desk(plans)).run, args=(stop,))
    worker.start()
    done = ask(engine, "refunds", "--trial", "v16", *GROUNDED[:2], "--wait", "60")
    stop.set()
    worker.join()
    assert "40 of 40 cases judged." in done.stderr
    assert "not judged in time" not in done.stdout


def test_it_waits_for_the_runs_of_the_baseline_too(engine: Engine) -> None:
    tried(engine, "v15", failing=0)
    tried(engine, "v16", failing=0)
    with engine.begin() as connection:
        connection.execute(
            sa.text("""
                insert into job (project_id, queue, trace_id, day)
                select 1, 1, trace_id, current_date from trial_result r
                join trial t on t.id = r.trial_id where t.name = 'v15'""")
        )
    worse = ("--condition", "groundedness worse <= 5%", "--baseline", "v15", "--wait", "0.1")
    done = ask(engine, "refunds", "--trial", "v16", *worse)
    assert "40 runs not judged in time; is a worker running?" in done.stdout


def test_the_expectation_of_a_case_is_held_against_the_final_answer(engine: Engine) -> None:
    tried(engine)
    with engine.begin() as connection:
        place = datasets.named(connection, 1, "refunds").id
        for run in RUNS[:20]:
            datasets.expect(connection, 1, place, run.id, {"must": "Yes, if"}, by=ANA)
        trial = trials.begin(connection, 1, place, name="again", by=ANA)
        for n, run in enumerate(RUNS):
            trials.record(connection, 1, trial.id, run.id, trace_id=trace_id(f"v16 {n}"), by=ANA)
    wanted = ("--condition", "expectation fails <= 0%", "--wait", "0")
    done = ask(engine, "refunds", "--trial", "again", *wanted)
    assert "in 12 of 20 cases" in done.stdout
    assert "20 without an expectation" in done.stdout
    assert "does not say 'Yes, if'" in done.stdout
    assert "The trial is not finished" in done.stdout


def test_an_address_that_must_be_said_is_found_in_the_masked_answer(engine: Engine) -> None:
    said = "Write to help@example.com."
    with engine.begin() as connection:
        datasets.put(connection, 1, "refunds", RUNS[:1], by=ANA, expectation={"must": said})
        place = datasets.named(connection, 1, "refunds").id
        trial = trials.begin(connection, 1, place, name="v16", by=ANA)
        trials.record(connection, 1, trial.id, RUNS[0].id, trace_id=None, answer=said, by=ANA)
    done = ask(engine, "refunds", "--trial", "v16", "--condition", "expectation fails <= 0%")
    assert done.return_value == 0


def test_conditions_of_the_file_are_asked_too_and_a_misspelt_one_is_said(
    engine: Engine, tmp_path: Path
) -> None:
    tried(engine)
    file = tmp_path / "waypost.toml"
    file.write_text('[[gates]]\ndataset = "refunds"\nmeasure = "errors"\nmax_fail_rate = 0.2\n')
    asked = ("refunds", "--trial", "v16", "--wait", "0", "--json")
    done = ask(engine, *asked, *GROUNDED[:2], WAYPOST_CONFIG=str(file))
    measures = [c["measure"] for c in json.loads(done.stdout)["conditions"]]
    assert measures == ["errors", "groundedness"]
    file.write_text('[[gate]]\ndataset = "refunds"\n')
    refused(ask(engine, *asked, WAYPOST_CONFIG=str(file)), WrongUse, "there is no table gate;")


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (("refunds", "--trial", "v16"), WrongUse, "Nothing is asked"),
        (
            ("refunds", "--trial", "v17", *GROUNDED),
            NotFound,
            "no trial 'v17' of this dataset; the newest are 'v16'",
        ),
        (("other", "--trial", "v16", *GROUNDED), NotFound, "no dataset 'other'"),
        (("refunds", "--trial", "v16", "--condition", "ground <= 5%"), WrongUse, "no evaluator"),
        (("refunds", "--trial", "v16", "--condition", "x"), WrongUse, "is no condition"),
        (("refunds", "--trial", "v16", "--baseline", "v16", *GROUNDED), WrongUse, "own baseline"),
    ],
)
def test_what_cannot_be_asked_is_said(
    engine: Engine, arguments: tuple[str, ...], error: type[WaypostError], said: str
) -> None:
    if "other" not in arguments:
        tried(engine)
    refused(ask(engine, *arguments), error, said)


def test_content_moves_no_cursor(engine: Engine) -> None:
    plan = seed.Plan("evil", NOW, "v16", "m", "eu", question="\x1b[2J\x9b31m\u202eowned\nNo: x")
    with engine.begin() as connection:
        run = assemble(seed.build(plan), cohort_keys=seed.KEYS)
        datasets.put(connection, 1, "refunds", [run], by=ANA)
        place = datasets.named(connection, 1, "refunds").id
        trial = trials.begin(connection, 1, place, name="v16", by=ANA)
        trials.record(
            connection, 1, trial.id, run.id, trace_id=None, error="\x1b]0;owned\x07\nYes:", by=ANA
        )
    asked: Any = ("--condition", "errors <= 1%", "--wait", "0")
    done = ask(engine, "refunds", "--trial", "v16", *asked)
    assert "owned" in done.stdout
    assert not {c for c in done.stdout if not c.isprintable()} - {"\n"}
    assert not any(line.startswith("Yes") for line in done.stdout.splitlines())


def test_another_project_knows_nothing_of_the_runs(engine: Engine) -> None:
    tried(engine)
    with engine.begin() as connection:
        projects.create(connection, "other", by=Actor("ana", "test"))
        traces = [trace_id("v16 0")]
        assert standings.of_runs(connection, 1, traces)[traces[0]].scores["groundedness"][0] == 1
        assert standings.of_runs(connection, 2, traces) == {}
    refused(ask(engine, "refunds", "--trial", "v16", "--project", "other", *GROUNDED), NotFound, "")
