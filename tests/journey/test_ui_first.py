"""The answer of a page before Streamlit is there, as a browser and a screen reader have it."""

import re
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import BrowserContext, CDPSession, Page, Route
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.journey.conftest import VIEWPORT, Site, location, replay, wait_step, watched

GONE = "!document.getElementById('waypost-first')"


@pytest.fixture
def early(context: BrowserContext, site: Site) -> Iterator[Page]:
    """A page of a browser that said its zone before, and to which Streamlit's script never comes.

    What is painted first lies in a closed tree: only the browser's own view of a page shows it.
    """
    context.add_cookies([{"name": "waypost_zone", "value": "Europe%2FParis", "url": site.url}])
    page = context.new_page()
    page.set_viewport_size(VIEWPORT)
    page.route("**/static/js/**", lambda route: route.abort())
    watch = watched(page, site.url)
    yield page
    page.close()
    assert watch.foreign == []
    assert watch.errors == []


def spoken(page: Page) -> dict[str, list[str]]:
    """The names of all a screen reader finds, by role."""
    session: CDPSession = page.context.new_cdp_session(page)
    found: dict[str, list[str]] = {}
    for node in session.send("Accessibility.getFullAXTree")["nodes"]:
        if not node.get("ignored"):
            role, name = node["role"]["value"], node.get("name", {}).get("value", "")
            found.setdefault(role, []).append(name)
    return found


def come(page: Page, address: str, mark: str = "waypost-painted") -> None:
    """Opens a page that is painted early; a server too busy to answer in time answers again."""
    for _ in range(8):
        page.goto(address, wait_until="commit")
        with suppress(PlaywrightTimeout):
            page.wait_for_function(f"performance.getEntriesByName('{mark}').length", timeout=6000)
            return
    raise AssertionError(f"{address} was never painted early")


def opened(page: Page, address: str) -> dict[str, list[str]]:
    come(page, address)
    return spoken(page)


def test_home_answers_without_streamlit(early: Page, site: Site) -> None:
    seen = opened(early, site.url)
    assert seen["heading"] == ["Cohorts"]
    assert any("Groundedness is failing in v15" in text for text in seen["StaticText"])
    assert {"Traces", "7d", "Show first bad step", "Show the cell"} <= set(seen["link"])
    assert any(re.match(r"Groundedness in v15 · .*surely worse", cell)
               for cell in seen["gridcell"])  # fmt: skip


def box(page: Page, name: str) -> list[float]:
    """Left, top and width of what is painted first."""
    session = page.context.new_cdp_session(page)
    session.send("DOM.enable")
    document = session.send("DOM.getFlattenedDocument", {"depth": -1, "pierce": True})
    for node in document["nodes"]:
        given = node.get("attributes", [])
        if name in dict(zip(given[::2], given[1::2], strict=True)).get("class", "").split():
            model = session.send("DOM.getBoxModel", {"nodeId": node["nodeId"]})["model"]
            left, top, right = model["border"][:3]
            return [left, top, right - left]
    raise AssertionError(f"nothing of the class {name} is painted")


def test_a_cell_and_a_run_can_be_chosen_at_once(early: Page, site: Site) -> None:
    for path, name, leads_to in (("", "flagged", "evaluator="), ("traces", "failed", "trace_id=")):
        opened(early, f"{site.url}/{path}?win=7d")
        left, top, width = box(early, name)
        early.mouse.click(left + width / 2, top + 12)
        early.wait_for_url(f"**{leads_to}**", wait_until="commit")
        assert "win=7d" in location(early)


def test_attacks_are_text_there_too(early: Page, site: Site) -> None:
    for path in ("", "traces"):
        seen = opened(early, f"{site.url}/{path}?project=hostile&win=7d")
        assert "owned" not in early.title()
        assert any("<" in name for names in seen.values() for name in names)
        assert "Iframe" not in seen


@pytest.mark.parametrize("table", ["grid", "runs", "replay"])
def test_it_stands_where_the_page_puts_it_and_goes(
    early: Page, page: Page, site: Site, table: str
) -> None:
    path = {"grid": "?", "runs": "traces?", "replay": f"trace?trace_id={site.traces[0]}&"}[table]
    address = f"{site.url}/{path}win=7d"
    opened(early, address)
    painted = box(early, table)
    come(page, address)
    page.wait_for_function(GONE)
    real = page.locator(f".{table}").bounding_box()
    assert real is not None
    assert painted[:2] == pytest.approx([real["x"], real["y"]], abs=3)
    assert painted[2] == pytest.approx(real["width"], abs=16)  # a scroll bar's


def test_a_replay_is_walked_at_once_and_goes_on_in_the_page(
    context: BrowserContext, page: Page, site: Site
) -> None:
    context.add_cookies([{"name": "waypost_zone", "value": "UTC", "url": site.url}])
    waiting: list[Route] = []

    def held(route: Route) -> None:
        waiting.append(route)

    page.route("**/static/js/index*", held)
    come(page, f"{site.url}/trace?trace_id={site.traces[0]}&step=500", "waypost-step")
    for _ in range(3):
        page.keyboard.press("j")
    expect_step(page, 503)
    waiting[-1].continue_()
    page.unroute("**/static/js/index*")
    page.wait_for_function(GONE)
    assert replay(page, "root.querySelector('.chosen').textContent").startswith("503")
    assert replay(page, "root.querySelector('.list').scrollTop") > 10_000
    page.keyboard.press("j")
    wait_step(page, "504 / 1000")
    page.wait_for_function("location.search.includes('step=504')")


def test_what_is_being_typed_goes_on_in_the_page(
    context: BrowserContext, page: Page, site: Site
) -> None:
    """Letters of a search must not become commands when the page takes the replay over."""
    context.add_cookies([{"name": "waypost_zone", "value": "UTC", "url": site.url}])
    come(page, f"{site.url}/trace?trace_id={site.traces[0]}&step=500", "waypost-step")
    page.keyboard.press("/")
    page.keyboard.type("lookup")
    page.wait_for_function(GONE)
    page.keyboard.type("_order")
    assert replay(page, "root.querySelector('input[type=search]').value") == "lookup_order"


def test_the_page_stays_where_it_was_scrolled_to(
    context: BrowserContext, page: Page, site: Site
) -> None:
    context.add_cookies([{"name": "waypost_zone", "value": "UTC", "url": site.url}])
    page.set_viewport_size({"width": 1440, "height": 500})
    come(page, f"{site.url}/?win=7d")
    page.mouse.move(700, 400)
    page.mouse.wheel(0, 120)
    page.wait_for_function(GONE)
    page.wait_for_function("document.querySelector('[data-testid=stMain]').scrollTop > 60")


def expect_step(page: Page, number: int) -> None:
    deadline = time.monotonic() + 20
    while f"step {number} of 1000" not in " ".join(spoken(page)["StaticText"]):
        assert time.monotonic() < deadline, spoken(page)
