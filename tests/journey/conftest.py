"""The dashboard as a process on a seeded store, and Debian's Chromium to look at it."""

import datetime as dt
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright
from sqlalchemy.engine import Engine

from tests import seed
from tests.conftest import clone
from tests.factories import NOW_NS, SECOND, make_run, trace_id
from tests.shared import ROOT
from waypost.assembly import assemble
from waypost.records import Reading, Score
from waypost.roles import Role
from waypost.store import projects, scores
from waypost.store.audit import Actor
from waypost.store.engine import connect
from waypost.store.ingest import Writer
from waypost.store.partitions import ensure_days

expect.set_options(timeout=30_000)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENCE = 30_000
VIEWPORT: ViewportSize = {"width": 1440, "height": 1000}
LONG = "long run"


@dataclass(frozen=True, slots=True)
class Site:
    """A dashboard that runs, and what is in its store."""

    url: str
    database: str
    engine: Engine
    traces: list[str]
    hostile: list[str] = field(default_factory=list)
    process: "subprocess.Popen[bytes] | None" = None


def free_port() -> int:
    with socket.socket() as given:
        given.bind(("127.0.0.1", 0))
        return int(given.getsockname()[1])


def chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def dashboard(
    database: str, *, port: int | None = None, **environment: str
) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """`waypost ui` on a free port until the block ends."""
    port = port or free_port()
    given = {**os.environ, "WAYPOST_DATABASE_URL": database, "WAYPOST_UI": str(port), **environment}
    command = [sys.executable, "-m", "waypost", "ui"]
    process = subprocess.Popen(command, env=given, cwd=ROOT, stderr=subprocess.PIPE)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process)
        yield url, process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1].decode()
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=1) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError("the dashboard did not start in 90 s")


def put_long_run(engine: Engine, steps: int = 1000) -> str:
    """One run of so many steps, two of them judged bad."""
    turns = steps // 2
    start = int(dt.datetime.now(dt.UTC).timestamp() - 3600) * SECOND
    built = make_run(turns, trace=LONG, start=start)
    day = dt.datetime.fromtimestamp(start / SECOND, dt.UTC).date()
    ensure_days(engine, [day + dt.timedelta(days=d) for d in (-1, 0, 1)])
    with Writer(engine).batch() as batch:
        batch.put(1, [Reading(s) for s in built], now=dt.datetime.now(dt.UTC))
    run = assemble(built, cohort_keys=seed.KEYS)
    bad = [run.steps[i] for i in (steps // 2, steps - 100)]
    said = [(s, Score.failed("wrong", step=s.span_id, evaluator="goal", version="1")) for s in bad]
    with engine.begin() as connection:
        ids = scores.evaluator_ids(connection, 1, [("goal", "1", "code")])
        seed.settle(connection, run, said, {"goal": next(iter(ids.values()))})
    return trace_id(LONG)


@pytest.fixture(scope="session")
def site(servers: dict[str, str]) -> Iterator[Site]:
    """A dashboard over 400 runs, a run of 1,000 steps, and a project full of attacks."""
    for database in clone(servers["18"]):
        engine = connect(database)
        traces = [put_long_run(engine), *seed.seed(engine, runs=400)]
        with engine.begin() as connection:
            other = projects.create(connection, "hostile", by=Actor("test", "test"))
        hostile = seed.hostile(engine, project=other.id)
        seed.tried(engine, hostile, text=seed.PAYLOADS[0], project=other.id)
        with dashboard(database) as (url, process):
            yield Site(url, database, engine, traces, hostile, process)
        engine.dispose()


@pytest.fixture(scope="session")
def chromium_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Debian's Chromium, started once: that takes as much CPU as several pages."""
    path = chromium()
    if path is None:
        pytest.skip("there is no Chromium here")
    folder = tmp_path_factory.mktemp("chromium")
    process = subprocess.Popen(
        [path, *FLAGS, "--window-size=1440,1100", "--remote-debugging-port=0",
         f"--user-data-dir={folder}"],
        env={**os.environ, "TZ": "Europe/Paris"}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{_debugging_port(folder / 'DevToolsActivePort', process)}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _debugging_port(written: Path, process: "subprocess.Popen[bytes]") -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "Chromium has ended"
        if written.exists() and (lines := written.read_text().splitlines()):
            return int(lines[0])
        time.sleep(0.1)
    raise AssertionError("Chromium did not start in 60 s")


@pytest.fixture(scope="module")
def browser(chromium_address: str) -> Iterator[Browser]:
    """A hold on Chromium.

    For a module only: Playwright keeps an event loop running in this thread for as long as it is
    open, and tests elsewhere run loops of their own.
    """
    with sync_playwright() as player:
        opened = player.chromium.connect_over_cdp(chromium_address)
        yield opened
        opened.close()


@dataclass(slots=True)
class Watch:
    """What a page did that it should not."""

    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def context(browser: Browser) -> BrowserContext:
    """Chromium's own, which keeps what it fetched and compiled from module to module."""
    (own,) = browser.contexts
    own.set_default_timeout(PATIENCE)
    own.grant_permissions(["clipboard-read", "clipboard-write"])
    own.clear_cookies()
    return own


@pytest.fixture(scope="module")
def tab(context: BrowserContext, site: Site) -> Iterator[tuple[Page, Watch]]:
    """One page for a module: a new one compiles Streamlit's scripts again, which takes longer
    than most tests."""
    opened = context.new_page()
    yield opened, watched(opened, site.url)
    opened.close()


@pytest.fixture
def page(tab: tuple[Page, Watch]) -> Iterator[Page]:
    """The module's page; at the end it must have asked nothing of any other host."""
    opened, watch = tab
    opened.set_viewport_size(VIEWPORT)
    yield opened
    did = (watch.foreign, watch.errors)
    watch.foreign, watch.errors = [], []
    assert did == ([], [])


def watched(page: Page, url: str) -> Watch:
    """Notes every request to another host and every script that failed."""
    watch = Watch()
    host = url.split("://", 1)[1]
    ours = (url, f"ws://{host}", "data:", "blob:")
    page.on("request", lambda r: None if r.url.startswith(ours) else watch.foreign.append(r.url))
    page.on("pageerror", lambda error: watch.errors.append(str(error)))
    return watch


def drawn(page: Page) -> None:
    """Until the page's script has ended, its late parts are here, and what they draw stands."""
    expect(page.locator('[data-test-script-state="notRunning"] h1').first).to_be_visible()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    page.wait_for_timeout(1000)


def location(page: Page) -> str:
    return str(page.evaluate("location.href"))


def replay(page: Page, script: str) -> Any:
    """Evaluates `script` with `root` as the replay's root, which lies in a shadow tree."""
    return page.evaluate(
        """(script) => {
          const find = (node) => {
            for (const one of node.querySelectorAll('*')) {
              if (one.shadowRoot) {
                const inner = one.shadowRoot.querySelector('.replay') ?? find(one.shadowRoot);
                if (inner) return inner;
              }
            }
            return null;
          };
          const root = find(document);
          return root ? new Function('root', 'return ' + script)(root) : null;
        }""",
        script,
    )


def wait_step(page: Page, wanted: str) -> None:
    """Until the replay's counter says so, and the pane shows that step."""
    deadline = time.monotonic() + PATIENCE / 1000
    seen: Any = None
    number = wanted.split(" ", maxsplit=1)[0]
    while time.monotonic() < deadline:
        seen = replay(
            page,
            "[root.querySelector('.bar .count').textContent,"
            " root.querySelector('.pane .step .count')?.textContent ?? '']",
        )
        if (
            isinstance(seen, list)
            and seen[0] == wanted
            and str(seen[1]).startswith(f"step {number} ")
        ):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"the replay is at {seen}, not at {wanted}")


def until(page: Page, script: str) -> Any:
    """What `script` gives of the replay once it gives something true."""
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline:
        found = replay(page, script)
        if found:
            return found
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {script}")


def focus_replay(page: Page) -> None:
    """Until a step is on screen; then the keys are the replay's."""
    until(page, "root.querySelector('.pane .step') !== null")
    replay(page, "root.querySelector('.list').focus()")


def choose_run(page: Page, row: int = 0) -> None:
    """Open a run of the list."""
    page.locator("tr[data-row]").nth(row).locator("td").nth(2).click()


def choose_row(page: Page, row: int = 0) -> None:
    """Tick a row of the first table, which is drawn on a canvas."""
    table = page.locator('[data-testid="stDataFrame"]').first
    expect(table.locator("canvas").first).to_be_visible()
    page.wait_for_timeout(300)
    table.click(position={"x": 16, "y": 54 + 35 * row}, force=True)


def node_module(path: str) -> Path:
    return ROOT / "node_modules" / path


__all__ = [
    "NOW_NS", "PATIENCE", "Role", "Site", "choose_row", "choose_run", "dashboard", "drawn",
    "focus_replay", "location", "node_module", "replay", "until", "wait_step", "watched",
]  # fmt: skip
