"""Pictures of every screen, light and dark, from the demo's runs or a dashboard that runs."""

import datetime as dt
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy.engine import Engine

from tests.journey.conftest import FLAGS, chromium
from tests.journey.test_up import Up
from tests.shared import ROOT
from waypost.store import jobs, rates, traces
from waypost.store.embedded import EmbeddedPostgres
from waypost.store.engine import connect

WIDTH, HEIGHT = 1440, 900
README = ("cohorts-light", "trace-light", "cell-dark", "alerts-light")
PICTURES = ROOT / "docs" / "pictures"
_REST_MS = 2500
_DRAWN = '[data-test-script-state="notRunning"]'
_CHOSEN = "hr"  # above a chosen cell
_PLANTED = {"prompt_version": "v15", "model": "claude-haiku-4-5", "region": "eu"}
_CELL = (
    "?by=prompt_version,model,region&k.prompt_version=v15&k.model=claude-haiku-4-5"
    "&k.region=eu&evaluator=groundedness"
)


def main(arguments: Sequence[str]) -> int:
    """Write the pictures; prints each as it is written."""
    folder = Path(arguments[0]) if arguments else ROOT / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    path = chromium()
    if path is None:
        sys.stderr.write("There is no Chromium here; install it first.\n")
        return 1
    given = arguments[1] if len(arguments) > 1 else None
    with _site(given) as (url, traces), sync_playwright() as player:
        browser = player.chromium.launch(executable_path=path, args=list(FLAGS))
        for scheme in ("light", "dark"):
            for name, height, where in screens(traces):
                picture = folder / f"{name}-{scheme}.png"
                _shoot(browser, scheme, f"{url}/{where}", picture, height)
        browser.close()
    if not arguments:
        PICTURES.mkdir(exist_ok=True)
        for name in README:
            small = Image.open(folder / f"{name}.png").quantize(128)
            small.save(PICTURES / f"{name}.png", optimize=True)
    return 0


def screens(traces: Sequence[str]) -> list[tuple[str, int, str]]:
    """Name, height and address of each picture."""
    bad, good = [*traces, "", ""][:2]
    return [
        ("cohorts", HEIGHT, ""),
        ("cell", HEIGHT, _CELL),
        ("traces", HEIGHT, "traces?verdict=fail"),
        ("trace", HEIGHT, f"trace?trace_id={bad}"),
        ("compare", 1300, f"compare?a={bad}&b={good}"),
        ("review", HEIGHT, "review?evaluator=groundedness"),
        ("evaluators", HEIGHT, "evaluators"),
        ("alerts", HEIGHT, "alerts?new=1&evaluator=groundedness"),
        ("datasets", HEIGHT, f"datasets?add={bad}"),
        ("settings", 1200, "settings"),
    ]


@contextmanager
def _site(url: str | None) -> Iterator[tuple[str, list[str]]]:
    if url is not None:
        yield url, []
        return
    with tempfile.TemporaryDirectory() as folder:
        running = Up(Path(folder) / "data", "--demo")
        try:
            running.wait_for("Sent 480 runs", 240)
            engine = connect(EmbeddedPostgres(running.data).url)
            _wait_until_judged(engine)
            yield f"http://127.0.0.1:{running.ports['ui']}", _telling(engine)
            engine.dispose()
        finally:
            running.end()


def _wait_until_judged(engine: Engine) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        with engine.connect() as connection:
            if not any(d.waiting or d.leased for d in jobs.depth(connection, 1)):
                return
        time.sleep(1)
    raise SystemExit("The demo's runs were not judged within five minutes.")


def _telling(engine: Engine) -> list[str]:
    """A run of the planted cohort that failed, and one that did not."""
    window = rates.Window.last(dt.timedelta(days=1))
    with engine.connect() as connection:
        (bad, *_) = rates.newest_failing(
            connection, 1, window, evaluator="groundedness", where=_PLANTED
        )
        ids = rates.cohort_ids(connection, 1, _PLANTED)
        asked = traces.Filter(window.since, window.until, cohort_ids=ids, failed=False)
        good = next(r for r in traces.page(connection, 1, asked) if r.steps > 3)
    return [bad.trace_id, good.trace_id]


def _shoot(browser: Browser, scheme: str, url: str, path: Path, height: int) -> None:
    context = browser.new_context(
        viewport={"width": WIDTH, "height": height}, color_scheme=scheme,  # type: ignore[arg-type]  # light or dark
        timezone_id="Europe/Paris",
    )  # fmt: skip
    page: Page = context.new_page()
    page.goto(url)
    page.locator(_DRAWN).wait_for(timeout=120_000)
    page.wait_for_timeout(_REST_MS)  # what our own components fetch
    page.evaluate(f"document.querySelector({_CHOSEN!r})?.scrollIntoView()")
    page.screenshot(path=path)
    context.close()
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
