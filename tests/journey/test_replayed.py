"""Recorded by the demo, stored by a collector, executed again by `waypost replay`; all for real."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.collector.process import collector
from tests.conftest import clone, run_waypost
from tests.shared import ROOT
from waypost import names
from waypost.demo.knowledge import TOPICS
from waypost.demo.send import send
from waypost.records import Trajectory
from waypost.store import runs
from waypost.store.engine import connect

pytestmark = [pytest.mark.slow, pytest.mark.store]

SAME = """
from waypost.demo.agent import make_agent, make_office
from waypost.demo.clock import Clock

def agent():
    return make_agent(make_office(Clock(0)), model="claude-haiku-4-5", prompt="v14")
"""
OTHER = """
from pathlib import Path
from langchain.agents import create_agent
from langchain_core.tools import tool
from tests.unit.tracer.scripted import Scripted, call, says

@tool
def send_email(to: str, subject: str, body: str) -> str:
    "Send an e-mail."
    Path("sent").write_text(to)
    return "sent"

mail = call("send_email", "c1", to="E-1", subject="hello", body="there")
agent = create_agent(Scripted(script=[says("", mail), says("I did my best.")]), [send_email])
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A store that holds the demo's runs, a collector before it, and a folder with candidates."""

    url: str
    collector: str
    folder: Path

    def say(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return run_waypost(*arguments, env={"WAYPOST_DATABASE_URL": self.url})

    def waypost(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        given = {
            **os.environ, "WAYPOST_DATABASE_URL": self.url, "PYTHONPATH": str(ROOT),
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.collector,
        }  # fmt: skip
        return subprocess.run(
            [sys.executable, "-m", "waypost", *arguments], cwd=self.folder, env=given,
            capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip

    def run(self, trace: str) -> Trajectory:
        engine = connect(self.url)
        with engine.connect() as connection:
            found = runs.load(connection, 1, trace)
        engine.dispose()
        assert found is not None
        return found


@pytest.fixture(scope="module")
def place(servers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("candidates")
    (folder / "same.py").write_text(SAME)
    (folder / "other.py").write_text(OTHER)
    cloned = clone(servers["18"])
    url = next(cloned)
    with collector(url, folder / "collector") as running:
        send(running.address, now=time.time_ns(), count=30, seed=35)
        made = Place(url, running.address, folder)
        since = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 3 * 86_400))
        added = made.say("dataset", "add", "all", "--since", since)
        assert added.returncode == 0, added.stderr
        yield made
    next(cloned, None)


def test_the_demos_agent_says_again_what_it_said(place: Place) -> None:
    done = place.waypost(
        "replay",
        "all",
        "--agent",
        "same:agent",
        "--models",
        "recorded",
        "--trial",
        "same",
        "--json",
    )
    told: Any = json.loads(done.stdout)
    assert told["failed"] == 0, done.stdout
    assert len(told["cases"]) == 30
    assert {what for case in told["cases"] for what in case["differences"]} <= {
        "system prompt", "model",
    }  # fmt: skip
    same = [case for case in told["cases"] if not case["differences"]]
    assert len(same) > 2
    assert done.returncode == 1
    for case in told["cases"]:
        new, old = place.run(case["trace_id"]), place.run(case["key"])
        assert new.cohort["environment"] == "replay"
        assert all(s.attributes[names.REPLAY_OF] == case["key"] for s in new.steps)
        assert [(s.kind, s.tool) for s in new.steps if s.tool] == [
            (s.kind, s.tool) for s in old.steps if s.tool
        ]


def test_a_candidate_that_mails_somebody_else_is_stopped_before_it_does(place: Place) -> None:
    listed = place.say("dataset", "export", "all", "--runs")
    cases = [json.loads(line) for line in listed.stdout.splitlines()]
    mailed = next(c for c in cases if any(s["tool"] == "send_email" for s in c["run"]["steps"]))
    done = place.waypost("replay", "--trace", mailed["trace_id"], "--agent", "other:agent")
    assert done.returncode == 0, done.stderr
    assert "Answer: I did my best." in done.stdout
    assert "≠ new call: place send_email" in done.stdout
    assert "The new run: http://127.0.0.1:8501/t/" in done.stdout
    assert not (place.folder / "sent").exists()


def test_the_careful_candidate_says_what_the_handbook_says(place: Place) -> None:
    careful = ("--agent", "waypost.demo.careful:agent", "--trial", "careful", "--json")
    told: Any = json.loads(place.waypost("replay", "all", *careful).stdout)
    assert told["failed"] == 0
    assert told["next"] == "waypost gate all --trial careful"
    pages = {topic.text for topic in TOPICS}
    looked_up = [case for case in told["cases"] if not case["counts"]["missed"]]
    assert len(looked_up) > 10
    assert all(case["answer"] in pages for case in looked_up)
