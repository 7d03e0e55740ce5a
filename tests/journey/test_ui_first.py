"""The answer of a page before Streamlit is there, as a browser and a screen reader have it."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, CDPSession, Page

from tests.journey.conftest import Site, location, watched

PAINTED = "performance.getEntriesByName('waypost-painted').length"
GONE = "!document.getElementById('waypost-first')"


@pytest.fixture
def early(context: BrowserContext, site: Site) -> Iterator[Page]:
    """A page of a browser that said its zone before, and to which Streamlit's script never comes.

    What is painted first lies in a closed tree: only the browser's own view of a page shows it.
    """
    context.add_cookies([{"name": "waypost_zone", "value": "Europe%2FParis", "url": site.url}])
    page = context.new_page()
    page.route("**/static/js/**", lambda route: route.abort())
    watch = watched(page, site.url)
    yield page
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


def opened(page: Page, address: str) -> dict[str, list[str]]:
    page.goto(address)
    page.wait_for_function(PAINTED)
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
    for path, table, leads_to in (("", "grid", "evaluator="), ("traces", "runs", "trace_id=")):
        opened(early, f"{site.url}/{path}?win=7d")
        left, top, width = box(early, table)
        early.mouse.click(left + width / 2, top + 75)
        early.wait_for_url(f"**{leads_to}**", wait_until="commit")
        assert "win=7d" in location(early)


def test_attacks_are_text_there_too(early: Page, site: Site) -> None:
    for path in ("", "traces"):
        seen = opened(early, f"{site.url}/{path}?project=hostile&win=7d")
        assert "owned" not in early.title()
        assert any("<" in name for names in seen.values() for name in names)
        assert "Iframe" not in seen


@pytest.mark.parametrize(("path", "table"), [("", "grid"), ("traces", "runs")])
def test_it_stands_where_the_page_puts_it_and_goes(
    early: Page, context: BrowserContext, site: Site, path: str, table: str
) -> None:
    address = f"{site.url}/{path}?win=7d"
    opened(early, address)
    painted = box(early, table)
    page = context.new_page()
    page.goto(address, wait_until="commit")
    page.wait_for_function(PAINTED)
    page.wait_for_function(GONE)
    real = page.locator(f".{table}").bounding_box()
    assert real is not None
    assert painted == pytest.approx([real["x"], real["y"], real["width"]], abs=3)
