"""The story of the product on real processes: agent, spans, scores, incident, webhook, browser."""

import json
import os
import queue
import threading
import time
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journey.test_up import Up
from tests.shared import ROOT
from waypost.store.embedded import EmbeddedPostgres

pytestmark = [pytest.mark.slow, pytest.mark.store, pytest.mark.timeout(420)]
CONFIG = ROOT / "waypost" / "demo" / "waypost.toml"
RULE = "Answers beyond the handbook"


class Listener(ThreadingHTTPServer):
    """Takes the messages of a webhook."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receive)
        self.received: queue.Queue[dict[str, Any]] = queue.Queue()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook"


class _Receive(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()
        assert isinstance(self.server, Listener)
        self.server.received.put(json.loads(body))

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def up(tmp_path: Path, listener: Listener) -> Iterator[Up]:
    """Everything `waypost up` starts, with the demo's rules and a webhook."""
    config = tmp_path / "waypost.toml"
    text = CONFIG.read_text().replace(
        'severity = "critical"', 'severity = "critical"\nchannels = ["hook"]\ngroup_wait = "1s"'
    )
    hook = f'\n[alerts.channels.hook]\nkind = "webhook"\nurl = "{listener.url}"\n'
    config.write_text(text + hook)
    assert tomllib.loads(config.read_text())["alerts"]["channels"]
    os.environ |= {"WAYPOST_CONFIG": str(config), "WAYPOST_ALLOWED_HOSTS": "127.0.0.1"}
    running = Up(tmp_path / "data", "--demo")
    try:
        running.wait_for("Sent 480 runs", 240)
        yield running
    finally:
        for name in ("WAYPOST_CONFIG", "WAYPOST_ALLOWED_HOSTS"):
            del os.environ[name]
        assert running.end() == 0


def message(listener: Listener, rule: str) -> dict[str, Any]:
    """The first message about a rule."""
    while True:
        found = listener.received.get(timeout=120)
        if found["rule"] == rule:
            return found


def stored(up: Up, question: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(EmbeddedPostgres(up.data).url) as connection:
        return connection.execute(question.encode()).fetchall()


def wait_until_judged(up: Up) -> None:
    """Half of the verdicts could name another cell, and a page that is open stays as it is."""
    while stored(up, "select count(*) from job") != [(0,)]:  # the test's own time limit ends it
        time.sleep(0.5)


def test_from_the_agent_to_a_case_in_a_dataset(
    up: Up, listener: Listener, browser: Browser
) -> None:
    told = message(listener, RULE)
    assert told["where"] == {
        "prompt_version": "v15", "model": "claude-haiku-4-5", "region": "eu"
    }  # fmt: skip
    assert told["title"] == "Groundedness fails in v15 · claude-haiku-4-5 · eu"
    wait_until_judged(up)
    page = browser.new_page()
    try:
        see_the_cohort(page, up, told)
        judge_the_first_bad_step(page, up, told)
        keep_it_as_a_case(page, up)
    finally:
        page.close()


def see_the_cohort(page: Page, up: Up, told: dict[str, Any]) -> None:
    page.goto(f"http://127.0.0.1:{up.ports['ui']}")
    expect(
        page.get_by_text("Groundedness is failing in v15 · claude-haiku-4-5 · eu")
    ).to_be_visible(timeout=60_000)
    page.goto(told["links"]["cell"])
    expect(page.get_by_text("Groundedness in v15 · claude-haiku-4-5 · eu")).to_be_visible()


def judge_the_first_bad_step(page: Page, up: Up, told: dict[str, Any]) -> None:
    assert told["first_bad_step"]["step"] > 1
    page.goto(told["links"]["traces"][0])
    expect(page.get_by_text("went wrong first")).to_be_visible()
    page.get_by_role("button", name="disagree with Groundedness").click()
    for _ in range(100):
        found = stored(up, "select count(*) from score s join evaluator e on e.id = evaluator_id"
                           " where e.source = 'human' and e.name like '%groundedness'")  # fmt: skip
        if found == [(1,)]:
            return
        page.wait_for_timeout(200)
    raise AssertionError("the reviewer's verdict did not become a score")


def keep_it_as_a_case(page: Page, up: Up) -> None:
    page.get_by_role("button", name="Add to dataset").click()
    page.get_by_label("Name of the new dataset").fill("beyond the handbook")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("1 case added to beyond the handbook.")).to_be_visible()
    expect(page.get_by_text("beyond the handbook, version 1")).to_be_visible()
    assert stored(up, "select count(*) from dataset_case") == [(1,)]
