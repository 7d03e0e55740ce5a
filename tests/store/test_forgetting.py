"""What is forgotten is gone from every table and the disk; what others have stays as it was."""

import datetime as dt
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from sqlalchemy.engine import Engine

from collector.masking import Masker
from tests import seed
from tests.conftest import run_waypost
from tests.factories import NOW_NS, make_step, span_id, trace_id
from tests.shared import ROOT
from waypost.cli import waypost
from waypost.errors import NotAllowed, TookTooLong, WrongUse
from waypost.records import Feedback, Kind, Outcome, Reading
from waypost.roles import Person, Role
from waypost.store import (
    audit,
    datasets,
    forgetting,
    jobs,
    keys,
    projects,
    reviews,
    runs,
    scores,
    sessions,
    trials,
)
from waypost.store.forgetting import Wanted
from waypost.store.ingest import Writer
from waypost.store.queues import Queue
from waypost.store.tables import PARTITIONED, metadata

NOW = dt.datetime.now(dt.UTC)
ANA = Person("ana", Role.ADMIN)
PLANT = "zebrafinch-7781"
MIA, NOAH, TRIED = "run-mia", "run-noah", "run-tried"


def plan(name: str, ago: int, user: str | None, question: str) -> seed.Plan:
    at = NOW - dt.timedelta(minutes=ago)
    return seed.Plan(
        name, at, "v14", "gpt-5-mini", "eu", bad=True, delegates=True, question=question, user=user
    )


@pytest.fixture
def filled(any_engine: Engine) -> Engine:
    """Runs of Mia and Noah, each a case that a trial ran again, with reviews, jobs and feedback."""
    asked = {MIA: f"May {PLANT} claim?", NOAH: "May I?", TRIED: f"May {PLANT} claim?"}
    users = {MIA: "mia", NOAH: "noah", TRIED: None}
    made = [plan(n, ago, users[n], asked[n]) for ago, n in enumerate((MIA, NOAH, TRIED), 5)]
    seed.write(any_engine, made)
    with any_engine.begin() as connection:
        for name, tried in ((MIA, TRIED), (NOAH, None)):
            _keep_case(connection, trace_id(name), tried and trace_id(tried))
            _review(connection, trace_id(name))
        today = NOW.date()
        named = [(trace_id(n), None, 0, today) for n in (MIA, NOAH)]
        jobs.enqueue(connection, 1, Queue.TRACE, named)
    with Writer(any_engine).batch() as batch:
        batch.put(1, (), feedback=[_feedback(MIA), _feedback(NOAH)])
    return any_engine


def _keep_case(connection: sa.Connection, trace: str, tried: str | None) -> None:
    (run,) = runs.load_many(connection, 1, [trace]).values()
    datasets.put(connection, 1, "cases", [run], by=ANA)
    place = datasets.named(connection, 1, "cases")
    trial = trials.begin(connection, 1, place.id, name=f"trial of {trace}", by=ANA)
    answer = f"Yes, {PLANT}." if tried else "Yes."
    trials.record(connection, 1, trial.id, run.id, trace_id=tried, answer=answer, by=ANA)


def _review(connection: sa.Connection, trace: str) -> None:
    (run,) = runs.load_many(connection, 1, [trace]).values()
    note = PLANT if trace == trace_id(MIA) else "fine"
    given = reviews.Review(trace, run.model_steps[0].span_id, "groundedness", Outcome.PASSED, note)
    reviews.write(connection, 1, given, by=ANA)


def _feedback(name: str) -> Feedback:
    at = int(NOW.timestamp()) * 10**9
    note = PLANT if name == MIA else "fine"
    return Feedback("stars", "session", session=f"s-{name}", at=at, explanation=note)


def call(engine: Engine, *arguments: str) -> Result:
    url = engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    return CliRunner().invoke(waypost, [*arguments], env={"WAYPOST_DATABASE_URL": url})


def held(engine: Engine) -> dict[str, list[str]]:
    """All rows of all tables as text."""
    with engine.connect() as connection:
        return {
            name: sorted(connection.execute(sa.text(f"select t::text from {name} t")).scalars())
            for name in metadata.tables
        }


def mentions(rows: dict[str, list[str]], *words: str) -> dict[str, int]:
    """In which tables any of these words stands, but for the log of who did what."""
    return {
        name: n
        for name, lines in rows.items()
        if name != "audit" and (n := sum(any(w in line for w in words) for line in lines))
    }


def dashed(name: str) -> str:
    hexed = trace_id(name)
    return "-".join((hexed[:8], hexed[8:12], hexed[12:16], hexed[16:20], hexed[20:]))


def test_everything_of_a_user_goes_and_the_others_keep_theirs(filled: Engine) -> None:
    words = (dashed(MIA), dashed(TRIED), PLANT, "mia")
    before = held(filled)
    assert mentions(before, *words).keys() >= {
        "trajectory", "step", "message", "score", "review", "job", "feedback", "dataset_case",
        "trial_result",
    }  # fmt: skip
    done = call(filled, "forget", "--user", "mia", "--yes")
    after = held(filled)
    assert (done.exit_code, done.output[:12]) == (0, "2 runs with ")
    assert mentions(after, *words) == {}
    changed = {"dataset", "dataset_version", "audit", "ui_secret"}
    for name in before.keys() - changed:
        theirs = [row for row in before[name] if not any(word in row for word in words)]
        assert after[name] == theirs, name
    assert before["score_hour"] == after["score_hour"] != []
    with filled.connect() as connection:
        (case,) = datasets.cases(connection, 1, datasets.named(connection, 1, "cases").id)
        whole = runs.load(connection, 1, trace_id(NOAH))
    assert case.trace_id == trace_id(NOAH)
    assert whole is not None
    assert "missing" not in str([step.notes for step in whole.steps])


def test_no_byte_of_it_is_left_on_disk(filled: Engine) -> None:
    with filled.connect() as connection:
        folder = Path(connection.execute(sa.text("show data_directory")).scalar_one())
        number = connection.execute(
            sa.text("select oid from pg_database where datname = current_database()")
        ).scalar_one()

    def files_with(word: str) -> int:
        with filled.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("checkpoint"))
        files = (folder / "base" / str(number)).iterdir()
        return sum(word.encode() in file.read_bytes() for file in files)

    assert files_with(PLANT) > 0
    assert call(filled, "forget", "--user", "mia", "--rewrite", "--yes").exit_code == 0
    assert files_with(PLANT) == 0


def test_who_did_it_is_in_the_log_and_whose_it_was_is_not(filled: Engine) -> None:
    call(filled, "forget", "--user", "mia", "--yes")
    with filled.connect() as connection:
        entry = next(e for e in audit.latest(connection, 1) if e.action == "runs.forget")
        assert audit.first_break(connection) is None
    assert entry.after is not None
    assert (entry.after["runs"], entry.after["cases"]) == (2, 1)
    assert "mia" not in str(entry)


@pytest.mark.parametrize("option", ["--session", "--trace"])
def test_a_session_and_a_run_can_be_named(filled: Engine, option: str) -> None:
    named = f"s-{MIA}" if option == "--session" else trace_id(MIA)
    assert call(filled, "forget", option, named, "--yes").exit_code == 0
    assert mentions(held(filled), dashed(MIA)) == {}
    assert mentions(held(filled), dashed(NOAH)) != {}


def test_a_user_whose_id_was_masked_on_arrival_is_found_by_the_id_that_was_sent(
    engine: Engine,
) -> None:
    with engine.begin() as connection:
        key = sessions.id_key(sessions.secret(connection), 1)
    step = make_step("agent", kind=Kind.AGENT, user="mia@example.org", started_at=NOW_NS)
    masked = Masker("standard", key=key).reading(Reading(step))
    assert masked.step.user not in (None, "mia@example.org")
    with Writer(engine).batch() as batch:
        batch.put(1, [masked], now=dt.datetime.fromtimestamp(NOW_NS / 1e9, dt.UTC))
    done = call(engine, "forget", "--user", "mia@example.org", "--yes", "--json")
    assert done.output == '{\n  "runs": 1,\n  "steps": 0,\n  "cases": 0\n}\n'
    assert held(engine)["step"] == []


def test_a_run_of_two_traces_goes_whole(engine: Engine) -> None:
    whole = trace_id("whole")
    steps = [
        make_step(name, trace_id=trace_id(name), span_id=span_id(name), trajectory_id=whole,
                  started_at=NOW_NS)
        for name in ("first", "second")
    ]  # fmt: skip
    with Writer(engine).batch() as batch:
        at = dt.datetime.fromtimestamp(NOW_NS / 1e9, dt.UTC)
        batch.put(1, [Reading(s) for s in steps], now=at)
    assert len(held(engine)["step"]) == 2
    assert call(engine, "forget", "--trace", trace_id("second"), "--yes").exit_code == 0
    assert held(engine)["step"] == held(engine)["trajectory"] == []


def test_a_case_outlives_its_run_and_goes_with_its_user(filled: Engine) -> None:
    with filled.begin() as connection:
        for name in PARTITIONED:
            connection.execute(sa.delete(metadata.tables[name]))
    done = call(filled, "forget", "--user", "mia", "--yes")
    assert done.output == "0 runs with 0 steps and 1 case forgotten.\n"
    assert mentions(held(filled), PLANT) == {}


def test_nothing_is_forgotten_while_a_worker_has_it_in_hand(filled: Engine) -> None:
    with filled.begin() as connection:
        connection.execute(sa.text("update job set run_at = now()"))
        taken = jobs.claim(connection, Queue.TRACE)
    assert taken
    with filled.connect() as connection:
        found = forgetting.find(connection, 1, Wanted(users=("mia",)))
    before = held(filled)
    with pytest.raises(TookTooLong):
        forgetting.forget(filled, 1, found, by=ANA, patience=0.3)
    assert held(filled) == before
    with filled.begin() as connection:
        jobs.finish(connection, taken)
    forgetting.forget(filled, 1, found, by=ANA, patience=0.3)
    assert mentions(held(filled), PLANT) == {}


def test_only_an_administrator_forgets(filled: Engine) -> None:
    bob = Person("bob", Role.REVIEWER)
    with filled.connect() as connection:
        found = forgetting.find(connection, 1, Wanted(users=("mia",)))
        place = datasets.named(connection, 1, "cases").id
    with pytest.raises(NotAllowed):
        forgetting.forget(filled, 1, found, by=bob)
    with pytest.raises(NotAllowed):
        forgetting.forget_project(filled, 1, by=bob)
    with pytest.raises(NotAllowed), filled.begin() as connection:
        datasets.delete(connection, 1, place, by=bob)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "Nothing is named"), (("--trace", "abc"), 2, "is not a trace id"),
        (("--user", "nobody", "--yes"), 1, "holds nothing of it"),
        (("--user", "mia"), 2, "Add --yes"), (("--user", "mia", "--project", "x"), 1, "no project"),
    ],
)  # fmt: skip
def test_wrong_use_is_a_sentence_and_changes_nothing(
    filled: Engine, arguments: tuple[str, ...], code: int, said: str
) -> None:
    before = held(filled)
    url = filled.url.render_as_string(hide_password=False).replace("+psycopg", "")
    done = run_waypost("forget", *arguments, env={"WAYPOST_DATABASE_URL": url})
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    after = held(filled)
    assert {n: after[n] for n in before if n != "ui_secret"} == {
        n: rows for n, rows in before.items() if n != "ui_secret"
    }


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "code", "left"), [("n", 1, True), ("y", 0, False)])
def test_somebody_at_a_terminal_is_asked(
    filled: Engine, answer: str, code: int, left: bool
) -> None:
    url = filled.url.render_as_string(hide_password=False).replace("+psycopg", "")
    person, terminal = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-m", "waypost", "forget", "--user", "mia"], cwd=ROOT, stdin=terminal,
        stderr=subprocess.PIPE, text=True, env={**os.environ, "WAYPOST_DATABASE_URL": url},
    )  # fmt: skip
    os.write(person, f"{answer}\n".encode())
    said = done.communicate(timeout=60)[1]
    os.close(person)
    os.close(terminal)
    assert "2 runs with " in said
    assert "will be gone for good. Go on? [y/N]" in said
    assert done.returncode == code
    assert ("Nothing was deleted." in said) is left
    assert (PLANT in str(held(filled))) is left


def test_a_project_goes_with_all_it_has(filled: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "KEYS_KNOWN", 0.1)
    with filled.begin() as connection:
        other = projects.create(connection, "other", by=audit.Actor("ana", "test"))
        keys.create(connection, other.id, "agent", by=audit.Actor("ana", "test"))
    before = held(filled)
    seed.write(filled, [plan("others", 5, "mia", PLANT)], project=other.id)
    with filled.begin() as connection:
        scores.evaluator_ids(connection, other.id, [("goal", "1", "code")])
        (run,) = runs.load_many(connection, other.id, [trace_id("others")]).values()
        datasets.put(connection, other.id, "theirs", [run], by=ANA)
        jobs.enqueue(connection, other.id, Queue.TRACE, [(trace_id("others"), None, 0, NOW.date())])
    done = call(filled, "project", "delete", "other", "--yes")
    assert (done.exit_code, done.output) == (0, "Project other is deleted.\n")
    with filled.connect() as connection:
        for table in metadata.tables.values():
            if "project_id" in table.c and table.name != "audit":
                rows = sa.select(sa.func.count()).where(table.c.project_id == other.id)
                assert connection.execute(rows).scalar_one() == 0, table.name
        assert [p.name for p in projects.every(connection)] == ["default"]
    after = held(filled)
    gone = {"project", "api_key", "audit", "changed"}
    assert {n: rows for n, rows in after.items() if n not in gone} == {
        n: rows for n, rows in before.items() if n not in gone
    }


def test_the_project_that_takes_what_has_no_key_stays(engine: Engine) -> None:
    with pytest.raises(WrongUse, match="cannot be deleted"):
        forgetting.forget_project(engine, 1, by=ANA)


def test_a_dataset_goes_with_its_trials_and_its_runs_stay(filled: Engine) -> None:
    before = held(filled)
    done = call(filled, "dataset", "delete", "cases", "--yes")
    after = held(filled)
    assert done.output == "Dataset cases is deleted.\n"
    tables = ("dataset", "dataset_case", "dataset_version", "trial", "trial_result", "decision")
    assert {name: after[name] for name in tables} == {name: [] for name in tables}
    assert after["step"] == before["step"]
