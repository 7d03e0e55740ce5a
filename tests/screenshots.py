"""Pictures of every screen, light and dark, from a seeded store or from a dashboard that runs."""

import datetime as dt
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests import seed
from tests.conftest import ROOT
from tests.journey.conftest import FLAGS, chromium, dashboard
from waypost.store.embedded import EmbeddedPostgres
from waypost.store.engine import connect
from waypost.store.migrate import migrate

WIDTH, HEIGHT = 1440, 900
_REST_MS = 4000
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
    return 0


def screens(traces: Sequence[str]) -> list[tuple[str, int, str]]:
    """Name, height and address of each picture."""
    bad, good = [*traces, "", ""][:2]
    return [
        ("cohorts", HEIGHT, ""),
        ("cell", 1500, _CELL),
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
    with (
        tempfile.TemporaryDirectory() as data,
        EmbeddedPostgres(Path(data), buffers_mb=128, fsync=False) as server,
    ):
        engine = connect(server.url)
        migrate(engine)
        made = seed.seed(engine, runs=600)
        engine.dispose()
        with dashboard(server.url) as (own, _):
            yield own, _telling(made)


def _telling(traces: Sequence[str]) -> list[str]:
    """A run of the planted cohort that failed, and one that did not."""
    made = seed.plans(dt.datetime.now(dt.UTC), len(traces))
    planted = [
        (trace, plan.bad)
        for trace, plan in zip(traces, made, strict=True)
        if (plan.prompt, plan.region) == ("v15", "eu") and plan.delegates
    ]
    return [
        next((t for t, bad in reversed(planted) if bad), traces[-1]),
        next((t for t, bad in reversed(planted) if not bad), traces[0]),
    ]


def _shoot(browser: Browser, scheme: str, url: str, path: Path, height: int) -> None:
    context = browser.new_context(
        viewport={"width": WIDTH, "height": height}, color_scheme=scheme,  # type: ignore[arg-type]  # light or dark
        timezone_id="Europe/Paris",
    )  # fmt: skip
    page: Page = context.new_page()
    page.goto(url)
    page.locator("main").wait_for()
    page.wait_for_timeout(_REST_MS)
    page.screenshot(path=path)
    context.close()
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
