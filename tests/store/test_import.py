"""What leaves the store as lines comes back as the same runs, whoever made the file."""

import dataclasses
import datetime as dt
import gzip
import io
import json
import random
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result
from sqlalchemy.engine import Engine

from collector.lines import TooLong, lines
from tests import samples, seed
from tests.store.test_datasets import ANA
from waypost.assembly import assemble, take_apart
from waypost.cli import waypost
from waypost.errors import Unreadable, WrongUse
from waypost.reading_back import read_run
from waypost.store import audit, datasets, projects
from waypost.store.audit import Actor

NOW = dt.datetime.now(dt.UTC)
BOSS = Actor("boss", "test")


def invoke(engine: Engine, *arguments: str, given: bytes = b"") -> Result:
    url = engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    return CliRunner().invoke(
        waypost, [*arguments], env={"WAYPOST_DATABASE_URL": url}, input=given,
        standalone_mode=False,
    )  # fmt: skip


def ask(engine: Engine, *arguments: str, given: bytes = b"") -> str:
    done = invoke(engine, *arguments, given=given)
    assert done.exception is None, done.output
    return done.stdout


def filled(engine: Engine, runs: int = 40) -> None:
    """Runs in the default project, and an empty one beside it that counts the same cohorts."""
    seed.seed(engine, now=NOW, runs=runs)
    with engine.begin() as connection:
        made = projects.create(connection, "other", by=BOSS)
        keys = projects.get(connection, 1).cohort_keys
        projects.change(connection, made.id, by=BOSS, cohort_keys=keys)


def exported(engine: Engine, *more: str) -> list[str]:
    return sorted(ask(engine, "export", *more).splitlines())


def test_an_export_taken_into_another_project_is_exported_as_the_same(engine: Engine) -> None:
    filled(engine)
    printed = exported(engine)
    done = ask(engine, "import", "-", "--project", "other", given="\n".join(printed).encode())
    assert done.startswith(f"{len(printed)} runs read, ")
    assert exported(engine, "--project", "other") == printed


def test_the_same_file_twice_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    filled(engine)
    printed = exported(engine)
    file = tmp_path / "runs.jsonl.gz"
    file.write_bytes(gzip.compress("\n".join(printed).encode()))
    assert " 0 spans stored, " in ask(engine, "import", str(file))
    ask(engine, "import", str(file), "--project", "other")
    assert " 0 spans stored, " in ask(engine, "import", str(file), "--project", "other")
    assert exported(engine) == exported(engine, "--project", "other") == printed


@pytest.mark.parametrize(("convention", "scenario"), samples.scenarios())
def test_a_run_of_any_client_is_the_same_after_it_was_taken_apart(
    convention: str, scenario: str
) -> None:
    run = samples.sample(convention, samples.traces_of(convention, scenario)).assembled()
    body = orjson.dumps(run, option=orjson.OPT_NON_STR_KEYS, default=sorted)
    spans, feedback = take_apart(read_run(orjson.loads(body)))
    again = assemble(spans, feedback=feedback, cohort_keys=("region",))
    said = tuple(dataclasses.replace(f, trace_id=None) for f in run.feedback)
    assert dataclasses.replace(again, feedback=()) == dataclasses.replace(run, feedback=())
    assert tuple(dataclasses.replace(f, trace_id=None) for f in again.feedback) == said


def test_cases_go_into_a_dataset_with_what_is_expected_of_them(engine: Engine) -> None:
    filled(engine)
    ask(engine, "dataset", "add", "refunds", "--most", "3")
    with engine.begin() as connection:
        place = datasets.named(connection, 1, "refunds").id
        (key, *_) = (case.key for case in datasets.cases(connection, 1, place))
        datasets.expect(connection, 1, place, key, {"must": "cite"}, by=ANA)
    cases = ask(engine, "dataset", "export", "refunds", "--runs").encode()
    wanted = ("import", "-", "--project", "other", "--to-dataset", "refunds")
    assert ask(engine, *wanted, given=cases) == "3 of 3 runs were new to dataset refunds.\n"
    assert ask(engine, *wanted, given=cases) == "0 of 3 runs were new to dataset refunds.\n"
    there = ask(engine, "dataset", "export", "refunds", "--runs", "--project", "other")
    plain = [
        {k: v for k, v in json.loads(line).items() if k != "since"}
        for text in (cases.decode(), there)
        for line in sorted(text.splitlines(), key=lambda one: str(json.loads(one)["key"]))
    ]
    assert plain[:3] == plain[3:]
    assert exported(engine, "--project", "other") == []


def test_runs_outside_the_keep_time_are_counted(engine: Engine) -> None:
    filled(engine)
    old = seed.Plan("old", NOW - dt.timedelta(days=60), "v1", "m", "eu")
    line = orjson.dumps(assemble(seed.build(old)), default=sorted)
    done = ask(engine, "import", "-", given=line)
    assert done == "1 run read, 0 spans stored, 1 run outside the keep-time.\n"


def run_with(**changes: Any) -> bytes:
    run = assemble(seed.build(seed.Plan("new", NOW, "v1", "m", "eu")))
    return orjson.dumps({**orjson.loads(orjson.dumps(run, default=sorted)), **changes})


def step_with(**changes: Any) -> bytes:
    run = orjson.loads(run_with())
    run["steps"][0].update(changes)
    return orjson.dumps(run)


DEEP: Any = "x"
for _ in range(100):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{", "it is not JSON"),
        (b"[]", "it is not an object"),
        (b"{}", "run lacks id"),
        (b'{"dataset": "d", "key": "k", "steps": 3}', "export the dataset with --runs"),
        (b'{"run": 7}', "run must be an object"),
        (run_with(steps=[]).replace(b'"scopes"', b'"Scopes"'), "unknown entry 'Scopes'"),
        (run_with(steps=[], scopes=[], others=[]), "its run has no spans"),
        (step_with(trace_id="../../etc/passwd"), "is not a trace id"),
        (step_with(span_id="0" * 16), "is not a span id"),
        (step_with(parent_id="x"), "is not a parent's id"),
        (step_with(started_at="now"), "steps[0].started_at must be a whole number"),
        (step_with(started_at=1 << 63), "steps[0].started_at must be a whole number"),
        (step_with(kind="weird"), "steps[0].kind must be one of plan, llm"),
        (step_with(input=[{"role": "user", "parts": "x"}]), "input[0].parts must be a list"),
        (step_with(tokens={"input": True}), "tokens.input must be a whole number"),
        (step_with(cost_usd="1"), "cost_usd must be a number"),
        (step_with(marker="no"), "marker must be true or false"),
        (step_with(attributes={"a": DEEP}), "nested no deeper than 64"),
    ],
)
def test_a_line_that_does_not_fit_is_refused_and_the_others_are_stored(
    engine: Engine, line: bytes, why: str
) -> None:
    done = invoke(engine, "import", "-", given=line + b"\n\n" + run_with())
    assert done.exception is None
    assert done.return_value == 1
    assert done.stderr.startswith("line 1: ")
    assert why in done.stderr
    assert done.stdout.startswith("1 run read, ")
    assert ", 1 line refused." in done.stdout


def test_what_postgres_refuses_is_made_storable(engine: Engine) -> None:
    nasty = {"a\0": ["\0", 1 << 70, {"b": "\ud7ff\0"}]}
    run = json.loads(step_with(result="\0", name="\0" * 9, ended_at=-(1 << 62)))
    run["steps"][0]["attributes"] = nasty
    body = json.dumps(run).encode()
    assert ask(engine, "import", "-", given=body).startswith("1 run read, ")
    assert "␀" in exported(engine)[0]


def test_personal_data_is_masked_as_what_arrives_is(engine: Engine) -> None:
    filled(engine, 2)
    ask(engine, "project", "change", "other", "--masking", "strict")
    body = step_with(name="mail jane.doe@example.com")
    for more in ((), ("--to-dataset", "cases")):
        ask(engine, "import", "-", "--project", "other", *more, given=body)
    cases = ask(engine, "dataset", "export", "cases", "--runs", "--project", "other")
    assert "jane.doe" not in cases + "".join(exported(engine, "--project", "other"))


def test_what_is_expected_is_masked_like_the_answers_it_is_held_against(engine: Engine) -> None:
    filled(engine, 2)
    case = {"dataset": "d", "key": "k", "run": json.loads(step_with(name="mail"))}
    case["expectation"] = {"must": ["yes", "mail jane.doe@example.com"], "must_not": "never"}
    ask(engine, "import", "-", "--to-dataset", "cases", given=json.dumps(case).encode())
    printed = json.loads(ask(engine, "dataset", "export", "cases"))
    assert printed["expectation"] == {"must": ["yes", "mail [EMAIL]"], "must_not": "never"}


def test_a_bomb_does_not_go_off() -> None:
    bomb = gzip.compress(b"x" * 40_000_000)
    with pytest.raises(Unreadable, match="unfolds to more than 200 times"):
        list(lines(io.BytesIO(bomb), 1 << 20))
    long = b"x" * 3_000_000 + b"\n{}\n"
    (first, second) = lines(io.BytesIO(long), 1 << 20)
    assert isinstance(first[1], TooLong)
    assert second == (2, b"{}\n")


def test_a_bomb_without_a_line_end_is_not_read_to_its_end() -> None:
    packed = gzip.compress(b"x" * (64 << 20))
    with pytest.raises(Unreadable, match="unfolds to more than 200 times"):
        list(lines(io.BytesIO(packed), 1 << 20))


def test_a_file_of_anything_else_is_given_up(engine: Engine) -> None:
    done = invoke(engine, "import", "-", given=b"x\n" * 10_100)
    assert done.return_value == 1
    assert "10,000 lines did not fit by line 10,000; is this an export?" in done.stderr


def test_a_file_that_breaks_off_keeps_what_came_before(engine: Engine) -> None:
    whole = gzip.compress(run_with() + b"\n" + random.Random(1).randbytes(90_000).hex().encode())
    done = invoke(engine, "import", "-", given=whole[:-20])
    assert done.return_value == 1
    assert done.stdout.startswith("1 run read, ")
    assert "The file is broken at line 2" in done.stderr


def test_importing_is_in_the_audit_log_and_a_missing_file_is_wrong_use(engine: Engine) -> None:
    ask(engine, "import", "-", given=run_with())
    with engine.connect() as connection:
        (entry, *_) = audit.latest(connection, 1)
    assert (entry.action, entry.after) == (
        "runs.import", {"runs": 1, "refused": 0, "dataset": None},
    )  # fmt: skip
    done = invoke(engine, "import", "/nowhere/at/all")
    assert "No such file" in str(done.exception)
    assert not isinstance(done.exception, WrongUse)
