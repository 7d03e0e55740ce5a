"""Every screen without a fault that axe-core finds, light and dark, and usable without a mouse."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journey.conftest import Site, node_module, wait_step

AXE = node_module("axe-core/axe.min.js")
SCREENS = (
    "", "traces", "trace", "compare", "review", "evaluators", "alerts", "alerts?new=1",
    "datasets", "settings",
)  # fmt: skip


@pytest.fixture(params=["light", "dark"])
def coloured(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A page for a reader who prefers this."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 1200}, color_scheme=request.param, bypass_csp=True
    )
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


def faults(page: Page) -> list[str]:
    """What axe-core finds, also in the replay's shadow tree."""
    page.add_script_tag(path=str(AXE))
    found: dict[str, Any] = page.evaluate(
        "async () => await axe.run(document, {resultTypes: ['violations']})"
    )
    return [
        f"{one['id']}: {one['help']}: "
        + " | ".join(str(n["target"]) + n["html"][:160] for n in one["nodes"][:4])
        for one in found["violations"]
    ]


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed; run npm ci")
@pytest.mark.parametrize("path", SCREENS)
def test_axe_finds_nothing(coloured: Page, site: Site, path: str) -> None:
    first, second = site.traces[0], site.traces[1]
    query = {"trace": f"?trace_id={first}", "compare": f"?a={first}&b={second}"}.get(path, "")
    coloured.goto(f"{site.url}/{path}{query}")
    expect(coloured.locator("main")).to_be_visible()
    coloured.wait_for_timeout(2500)
    assert faults(coloured) == []


def test_the_first_sentence_is_reached_and_read_without_a_mouse(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/trace?trace_id={site.traces[0]}&step=501")
    wait_step(page, "501 / 1000")
    said = page.locator('[role="status"]', has_text="step 501 of 1000")
    expect(said.first).to_be_attached()
    assert "failed Goal" in (said.first.text_content() or "")


def test_the_page_fits_a_narrow_screen(page: Page, site: Site) -> None:
    page.set_viewport_size({"width": 480, "height": 900})
    page.goto(f"{site.url}/trace?trace_id={site.traces[0]}&step=2")
    wait_step(page, "2 / 1000")
    assert page.evaluate("document.documentElement.scrollWidth") <= 480
