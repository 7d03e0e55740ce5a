"""Times of the dashboard in Chromium, as shares of their budgets, and the queries of each page.

`python -m benchmarks.ui [--scores 5000000] [--check]`; with --check a time of more than twice its
budget ends with exit code 1.
"""

import argparse
import datetime as dt
import logging
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median

import sqlalchemy as sa
from playwright.sync_api import Locator, Page, sync_playwright
from sqlalchemy.engine import Engine

from benchmarks.ui.fill import BULK_STEPS, fill, put_bulk_run
from tests.journey.conftest import (
    FLAGS,
    chromium,
    dashboard,
    drawn,
    free_port,
    put_long_run,
    replay,
    wait_step,
)
from tests.unit.ui.pages import open_screen
from ui import data
from waypost.store.embedded import EmbeddedPostgres
from waypost.store.engine import connect
from waypost.store.migrate import migrate

GRID = "td[data-r]"
BUDGETS = {
    "home, warm, to painted heatmap": 1.0,
    "change window": 0.3,
    "choose a cell": 0.5,
    "list of 100 traces": 0.8,
    "open a 1,000-step run at a step": 1.0,
    "open a 100,000-span run": 1.0,
    "next step (median of 60)": 0.05,
    "jump to the end of 1,000": 0.1,
}
# The page paints its answer before Streamlit is there; this is when Streamlit has drawn it as well.
WHOLE = "{}, with Streamlit's controls"
# What Streamlit and the browser take for a page with nothing on it, on this machine.
FLOOR = "a page of one line, Streamlit alone"
QUERY = 0.05


def main() -> int:
    """Fill, look, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scores", type=int, default=5_000_000)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    with _store() as (engine, url):
        began = time.monotonic()
        fill(engine, given.scores, dt.datetime.now(dt.UTC))
        trace, bulk = put_long_run(engine), put_bulk_run(engine)
        print(f"{given.scores:,} scores written in {time.monotonic() - began:.0f} s")
        seen = _look(url, trace, bulk)
        slow = _queries(url, trace)
    floor = seen.pop(FLOOR)
    late = [name for name, budget in BUDGETS.items() if seen[name] > 2 * budget]
    for name, took in seen.items():
        budget = BUDGETS.get(name)
        share = f"{took / budget:5.2f} of its budget" if budget else " " * 19
        print(f"{name:<36} {took * 1000:8.1f} ms  {share}  {took / floor:5.2f} of an empty page")
    print(f"{FLOOR:<36} {floor * 1000:8.1f} ms")
    return 1 if given.check and (late or slow) else 0


@contextmanager
def _store() -> Iterator[tuple[Engine, str]]:
    with (
        tempfile.TemporaryDirectory() as data,
        EmbeddedPostgres(Path(data), buffers_mb=512) as server,
    ):
        engine = connect(server.url)
        migrate(engine)
        yield engine, server.url
        engine.dispose()


def _look(database: str, trace: str, bulk: str) -> dict[str, float]:
    """Seconds of each action, the median of five where it can be repeated."""
    path = chromium()
    if path is None:
        raise SystemExit("There is no Chromium here; install it first.")
    with dashboard(database) as (url, _), sync_playwright() as player:
        browser = player.chromium.launch(executable_path=path, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(120_000)
        page.goto(url)
        page.locator(GRID).first.wait_for()
        seen = {
            "home, warm, to painted heatmap": _median(lambda: _painted(page, url)),
            "change window": _window(page, url),
            "choose a cell": _cell(page, url),
            "list of 100 traces": _median(lambda: _painted(page, f"{url}/traces")),
            "open a 1,000-step run at a step": _median(lambda: _first_step(page, url, trace, 500)),
        }
        long = _median(lambda: _open(page, url, trace))
        seen |= _steps(page)
        seen["open a 100,000-span run"] = _median(
            lambda: _first_step(page, url, bulk, BULK_STEPS // 2)
        )
        seen |= {
            WHOLE.format("home"): _median(lambda: _home(page, url)),
            WHOLE.format("list"): _median(lambda: _list(page, url)),
            WHOLE.format("run"): long,
        }
        with _empty() as (nothing, says):
            seen[FLOOR] = _median(lambda: _loaded(page, nothing, page.get_by_text(says).wait_for))
        browser.close()
    return seen


@contextmanager
def _empty() -> Iterator[tuple[str, str]]:
    """A page of one line by Streamlit alone: its address, and the line."""
    says, port = "nothing but this", free_port()
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "empty.py"
        script.write_text(f"import streamlit as st\nst.text({says!r})\n")
        flags = ["--server.headless", "true", "--browser.gatherUsageStats", "false",
                 "--server.address", "127.0.0.1", "--server.port", str(port)]  # fmt: skip
        command = [sys.executable, "-m", "streamlit", "run", str(script), *flags]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{port}"
            while process.poll() is None:
                with suppress(OSError), urllib.request.urlopen(f"{url}/_stcore/health"):
                    break
                time.sleep(0.2)
            yield url, says
        finally:
            process.terminate()
            process.wait()


def _median(action: Callable[[], float], times: int = 5) -> float:
    return median(action() for _ in range(times))


def _timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _loaded(page: Page, address: str, seen: Callable[[], object]) -> float:
    """Seconds of a fresh page until `seen` has waited for what should be on it."""
    page.goto("about:blank")

    def load() -> None:
        page.goto(address, wait_until="commit")
        seen()

    return _timed(load)


def _marked(page: Page, address: str, mark: str) -> float:
    """Seconds until the page itself noted that something is painted."""
    noted = f"performance.getEntriesByName('{mark}').length"
    return _loaded(page, address, lambda: page.wait_for_function(noted))


def _painted(page: Page, address: str) -> float:
    return _marked(page, address, "waypost-painted")


def _first_step(page: Page, url: str, trace: str, step: int) -> float:
    return _marked(page, f"{url}/trace?trace_id={trace}&step={step}", "waypost-step")


def _home(page: Page, url: str) -> float:
    return _loaded(page, url, page.locator(GRID).first.wait_for)


def _ready(page: Page, url: str) -> None:
    _home(page, url)
    page.wait_for_function("!document.getElementById('waypost-first')")


# From the end of a click to the frame that shows what it asked for, as the page itself measures it.
_SHOWN = """() => { window.shown = new Promise((done) => {
  let clicked = null;
  addEventListener('pointerup', (event) => { clicked ??= event.timeStamp; }, true);
  const watch = new MutationObserver(() => {
    if (clicked === null || !(SHOWN)) return;
    watch.disconnect();
    requestAnimationFrame(() => setTimeout(() => done((performance.now() - clicked) / 1000)));
  });
  watch.observe(document.body, { childList: true, subtree: true, characterData: true });
}); }"""
_SAID = """[...document.querySelectorAll('[data-testid="stText"]')].some(
  (one) => one.offsetParent && one.textContent.includes('last SAID'))"""


def _after_click(page: Page, target: Locator, shown: str) -> float:
    drawn(page)
    page.evaluate(_SHOWN.replace("SHOWN", shown))
    target.click()
    return float(page.evaluate("window.shown"))


def _window(page: Page, url: str) -> float:
    """The median of three windows nobody looked at before."""
    _ready(page, url)
    return median(
        _after_click(page, page.get_by_text(name, exact=True).first, _SAID.replace("SAID", said))
        for name, said in (("7d", "7 days"), ("30d", "30 days"), ("1h", "hour"))
    )


def _cell(page: Page, url: str) -> float:
    """The median of three cells, each the first that is chosen on its page."""

    def fresh() -> float:
        _ready(page, url)
        cell = page.locator(GRID).nth(3)
        return _after_click(page, cell, "document.querySelector('.st-key-head_cell')")

    return _median(fresh, 3)


def _list(page: Page, url: str) -> float:
    return _loaded(page, f"{url}/traces", page.locator("tr[data-row]").first.wait_for)


def _open(page: Page, url: str, trace: str) -> float:
    address = f"{url}/trace?trace_id={trace}&step=500"
    return _loaded(page, address, lambda: wait_step(page, "500 / 1000"))


_PRESS = """new Promise((done) => {
  const list = root.querySelector('.list'), count = root.querySelector('.bar .count');
  const times = [];
  const once = (left) => {
    const before = count.textContent, began = performance.now();
    list.dispatchEvent(new KeyboardEvent('keydown', {key: KEY, bubbles: true, composed: true}));
    requestAnimationFrame(() => setTimeout(() => {
      times.push(performance.now() - began);
      if (count.textContent === before) throw new Error('the step did not change');
      left > 1 ? once(left - 1) : done(times);
    }));
  };
  once(TIMES);
})"""


def _steps(page: Page) -> dict[str, float]:
    """From the key to the painted step, as the page itself measures it."""
    steps = replay(page, _PRESS.replace("KEY", "'j'").replace("TIMES", "60"))
    end = replay(page, _PRESS.replace("KEY", "'End'").replace("TIMES", "1"))
    return {
        "next step (median of 60)": median(steps) / 1000,
        "jump to the end of 1,000": end[0] / 1000,
    }


def _queries(database: str, trace: str) -> bool:
    """Prints how many queries each page makes and how long they take; True when one is slow."""
    os.environ["WAYPOST_DATABASE_URL"] = database
    slow = False
    pages: list[tuple[str, dict[str, str]]] = [
        ("cohorts", {}), ("traces", {}), ("trace", {"trace_id": trace}), ("review", {}),
        ("evaluators", {}), ("alerts", {}), ("datasets", {}), ("settings", {}),
    ]  # fmt: skip
    for path, query in pages:
        open_screen(path, **query)
        times: list[tuple[float, str]] = []
        with _noted(times):
            data.forget()
            open_screen(path, **query)
        longest, statement = max(times, default=(0.0, ""))
        slow = slow or longest > 2 * QUERY
        print(
            f"{path:<12} {len(times):3} queries, {sum(t for t, _ in times) * 1000:7.1f} ms in all, "
            f"longest {longest * 1000:6.1f} ms"
        )
        if longest > QUERY:
            print(f"  {' '.join(statement.split())[:160]}")
    return slow


@contextmanager
def _noted(times: list[tuple[float, str]]) -> Iterator[None]:
    """Notes how long each statement takes at the driver."""
    began: list[float] = []

    def before(*_given: object) -> None:
        began.append(time.perf_counter())

    def after(_connection: object, _cursor: object, statement: str, *_given: object) -> None:
        times.append((time.perf_counter() - began.pop(), statement))

    sa.event.listen(Engine, "before_cursor_execute", before)
    sa.event.listen(Engine, "after_cursor_execute", after)
    try:
        yield
    finally:
        sa.event.remove(Engine, "before_cursor_execute", before)
        sa.event.remove(Engine, "after_cursor_execute", after)


if __name__ == "__main__":
    sys.exit(main())
