"""Every screen without a fault that axe-core finds, light and dark, and usable without a mouse."""

from typing import Any, Literal

import pytest
from playwright.sync_api import Page, expect

from tests.journey.conftest import Site, drawn, node_module, wait_step
from ui.theme import THEME

AXE = node_module("axe-core/axe.min.js")
SCREENS = (
    "", "traces", "trace", "compare", "review", "evaluators", "alerts", "alerts?new=1",
    "datasets", "settings",
)  # fmt: skip
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def faults(page: Page) -> list[str]:
    """What axe-core finds, also in the replay's shadow tree."""
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
def test_axe_finds_nothing_in_light_and_in_dark(page: Page, site: Site, path: str) -> None:
    first, second = site.traces[0], site.traces[1]
    query = {"trace": f"?trace_id={first}", "compare": f"?a={first}&b={second}"}.get(path, "")
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        if scheme == "light":
            page.goto(f"{site.url}/{path}{query}")
            drawn(page)
            page.evaluate(AXE.read_text())
        expect_ground(page, scheme)
        assert faults(page) == [], scheme


def expect_ground(page: Page, scheme: str) -> None:
    """The page has the colours of this theme."""
    ground = tuple(bytes.fromhex(str(THEME[f"theme.{scheme}.backgroundColor"])[1:]))
    expect(page.get_by_test_id("stApp")).to_have_css("background-color", f"rgb{ground}")
    page.wait_for_timeout(500)  # buttons change theirs slowly


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
