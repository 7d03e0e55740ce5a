"""`waypost replay`: each case is run once, what came out of it is kept, and nothing is touched."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click import Abort
from click.testing import CliRunner, Result
from opentelemetry import context
from sqlalchemy.engine import Engine

from tests.receiver import Receiver
from tests.store.test_datasets import ANA
from tests.unit.tracer.replaying import Office, recorded
from tests.unit.tracer.scripted import call, says
from tests.unit.tracer.test_shapes import invoke
from tracer.run import WHO
from waypost.cli import candidates, waypost
from waypost.errors import WaypostError, WrongUse
from waypost.records import Trajectory
from waypost.store import datasets, trials

SEND = [says("", call("send", "c1", to="mara")), says("done")]
CANDIDATE = '''
from pathlib import Path
from langchain.agents import create_agent
from langchain_core.tools import tool
from tests.unit.tracer.scripted import Scripted, call, says

@tool
def send(to: str) -> str:
    """Send a letter."""
    Path("sent").open("a").write(to)
    return f"sent to {to}"

def answer(messages):
    if messages[-1].type == "tool":
        return says("The letter is out.")
    return says("", call("send", "live-1", to="mara"))

def make():
    return create_agent(Scripted(script=[answer]), [send], name="office")

agent = make()
number = 7

def broken():
    raise RuntimeError("no model today")

async def echo(text):
    return text.upper()

def fails(text):
    raise ValueError(f"cannot read {text!r}")

def leaves(text):
    raise SystemExit("no key")

def interrupted_once(text):
    with Path("asked").open("a+") as asked:
        asked.write("x")
        if asked.tell() == 2:
            raise KeyboardInterrupt
    return text
'''
Ask = Callable[..., Result]


@pytest.fixture(scope="module")
def runs() -> list[Trajectory]:
    return [recorded(lambda: invoke(Office().agent(*SEND))) for _ in range(3)]


@pytest.fixture
def ask(
    engine: Engine, runs: list[Trajectory], receiver: Receiver, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Ask:  # fmt: skip
    """The verb on a dataset of three cases, in a folder with a candidate."""
    (tmp_path / "candidate.py").write_text(CANDIDATE)
    (tmp_path / "torn.py").write_text("import nothing_of_that_name\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "candidate", raising=False)
    with engine.begin() as connection:
        datasets.put(connection, 1, "letters", runs, by=ANA)
    url = engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    environment = {"WAYPOST_DATABASE_URL": url, "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}

    def asked(*arguments: str) -> Result:
        return CliRunner().invoke(
            waypost, ["replay", *arguments], standalone_mode=False, env=environment
        )

    return asked


def results(engine: Engine, name: str) -> tuple[trials.Trial, list[trials.Result]]:
    with engine.connect() as connection:
        place = datasets.named(connection, 1, "letters").id
        trial = trials.named(connection, 1, place, name)
        return trial, trials.results(connection, 1, trial.id)


def test_a_candidate_runs_on_every_case_and_no_letter_is_sent(
    engine: Engine, ask: Ask, receiver: Receiver, tmp_path: Path
) -> None:
    done = ask("letters", "--agent", "candidate:agent", "--trial", "v16")
    trial, found = results(engine, "v16")
    assert done.return_value == 0
    assert done.stdout.splitlines()[-2:] == [
        "3 cases tried: 0 could not be run, 0 differed from the recorded run.",
        "Next: waypost gate letters --trial v16",
    ]
    kept = [(r.answer, r.error, r.differences) for r in found]
    assert kept == [("The letter is out.", "", {})] * 3
    assert trial.finished_at is not None
    assert len({r.trace_id for r in found if r.trace_id}) == 3
    assert not (tmp_path / "sent").exists()
    assert any(path == "/v1/traces" for path, _, _ in receiver.got)


def test_with_recorded_models_a_difference_is_a_no(ask: Ask) -> None:
    same = ask("letters", "--agent", "candidate:make", "--models", "recorded", "--trial", "same")
    echo = ask("letters", "--agent", "candidate:echo", "--models", "recorded", "--trial", "echo")
    assert (same.return_value, echo.return_value) == (0, 1)
    assert "differs in answer, not called" in echo.stdout


def test_some_cases_can_be_chosen_by_the_beginning_of_their_keys(
    ask: Ask, runs: list[Trajectory]
) -> None:
    done = ask("letters", "--agent", "candidate:fails", "--case", runs[0].id[:12])
    assert done.return_value == 1
    assert "1 case tried: 1 could not be run" in done.stdout


def test_a_case_that_fails_does_not_end_the_others(engine: Engine, ask: Ask) -> None:
    done = ask("letters", "--agent", "candidate:fails", "--trial", "v 17", "--json")
    told = json.loads(done.stdout)
    _, found = results(engine, "v 17")
    assert done.return_value == 1
    assert told["failed"] == 3
    assert told["next"] == "waypost gate letters --trial 'v 17'"
    assert {r.error for r in found} == {"ValueError: cannot read 'where is A-1?'"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--agent", "candidate:agent"), "Name a DATASET, or one run with --trace"),
        (("letters", "--trace", "4b", "--agent", "candidate:agent"), "not both"),
        (("--trace", "4b", "--trial", "x", "--agent", "candidate:agent"), "are for a dataset"),
        (("--trace", "4b", "--agent", "candidate:agent"), "There is no run '4b'"),
        (("letters", "--agent", "candidate"), "write module:name"),
        (("letters", "--agent", "nowhere:agent"), "there is no module 'nowhere' here"),
        (("letters", "--agent", "torn:agent"), "No module named 'nothing_of_that_name'"),
        (("letters", "--agent", "candidate:agents"), "candidate has no 'agents'"),
        (("letters", "--agent", "candidate:number"), "candidate:number is a int"),
        (("letters", "--agent", "candidate:broken"), "RuntimeError: no model today"),
        (("letters", "--agent", "candidate:agent", "--case", "zz"), "not the beginning of one key"),
        (("letters", "--agent", "candidate:agent", "--version", "0"), "has no cases"),
    ],
)
def test_wrong_use_is_one_sentence(ask: Ask, arguments: Any, sentence: str) -> None:
    done = ask(*arguments)
    assert isinstance(done.exception, WrongUse)
    assert sentence in str(done.exception)


def test_a_collector_that_does_not_take_the_runs_is_said(ask: Ask, receiver: Receiver) -> None:
    receiver.status = 401
    done = ask("letters", "--agent", "candidate:agent", "--trial", "v18")
    assert isinstance(done.exception, WaypostError)
    assert "does not take the new runs" in str(done.exception)
    receiver.status = 200
    again = ask("letters", "--agent", "candidate:agent", "--trial", "v18")
    assert (again.return_value, "3 cases tried" in again.stdout) == (0, True)


def test_a_candidate_that_exits_is_a_case_that_failed(engine: Engine, ask: Ask) -> None:
    done = ask("letters", "--agent", "candidate:leaves", "--trial", "v19")
    trial, found = results(engine, "v19")
    assert done.return_value == 1
    assert [r.error for r in found] == ["SystemExit: no key"] * 3
    assert trial.finished_at is not None


def test_a_trial_that_was_interrupted_goes_on_with_the_cases_that_are_left(
    engine: Engine, ask: Ask, tmp_path: Path
) -> None:
    words = ("letters", "--agent", "candidate:interrupted_once", "--trial", "v20")
    assert isinstance(ask(*words).exception, Abort)
    trial, found = results(engine, "v20")
    assert (len(found), trial.finished_at) == (1, None)
    assert "'v20' was not finished; it goes on with 2 cases." in ask(*words).stderr
    trial, found = results(engine, "v20")
    assert (len(found), trial.finished_at is None) == (3, False)
    assert (tmp_path / "asked").read_text() == "xxxx"
    assert "exists already" in str(ask(*words).exception)


def test_the_rest_of_a_cases_cohort_is_that_of_its_new_run(runs: list[Trajectory]) -> None:
    case = replace(runs[0], cohort={"region": "eu", "model": "old", "environment": "production"})
    said: list[Any] = []

    def agent(text: str) -> str:
        said.append(context.get_value(WHO))
        return text

    outcome = candidates.run(agent, case.id, "a title", case, candidates.Way(trial="v16"))
    assert outcome.error == ""
    assert dict(said[0].cohort) == {"region": "eu", "trial": "v16"}


def test_a_builtin_can_be_a_candidate() -> None:
    assert candidates.load("builtins:repr") is repr
    assert candidates.load("builtins:str.upper") == str.upper
