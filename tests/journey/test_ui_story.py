"""From something is wrong to the first bad step in four clicks, each with an address."""

import re

from playwright.sync_api import Page, expect

from tests.journey.conftest import Site, choose_run, location, until, wait_step

CELL = "td[data-r]"
CHOSEN = "Groundedness in v15 · claude-haiku-4-5 · eu"


def open_home(page: Page, site: Site) -> None:
    page.goto(site.url)
    expect(
        page.get_by_text("Groundedness is failing in v15 · claude-haiku-4-5 · eu")
    ).to_be_visible()
    expect(page.locator(CELL).first).to_be_visible()


def choose_worst_cell(page: Page) -> None:
    """Click the planted cell: the flagged one that leads the grid."""
    page.locator(CELL, has_text="▲").first.click()
    expect(page.get_by_text(CHOSEN, exact=True)).to_be_visible()


def test_the_first_sentence_names_the_failing_cohort_and_its_cell_says_rate_interval_and_n(
    page: Page, site: Site
) -> None:
    open_home(page, site)
    expect(page.get_by_text("out of line in the last 24 hours")).to_be_visible()
    shown = page.locator(CELL, has_text="▲").first
    assert re.fullmatch(r"\d+ % ▲\d+–\d+ % of [\d,]+", shown.inner_text().replace("\n", ""))
    assert "surely worse than usual" in (shown.get_attribute("aria-label") or "")


def test_one_click_leads_from_the_sentence_to_the_first_bad_step(page: Page, site: Site) -> None:
    open_home(page, site)
    page.get_by_role("button", name="Show first bad step").click()
    expect(page.get_by_text("went wrong first")).to_be_visible()
    assert "failed" in until(page, "root.querySelector('.row.chosen')?.ariaLabel")


def test_a_cell_its_reasons_its_runs_and_one_of_them_in_four_clicks(page: Page, site: Site) -> None:
    open_home(page, site)
    choose_worst_cell(page)
    assert "evaluator=groundedness" in location(page)
    expect(page.get_by_text("Newest failing runs")).to_be_visible()
    page.get_by_role("button", name=re.compile(r"^All \d")).click()
    expect(page.get_by_text("failed by Groundedness")).to_be_visible()
    choose_run(page)
    expect(page.get_by_text("went wrong first")).to_be_visible()
    page.wait_for_function("location.search.includes('step=')")


def test_the_grid_is_walked_and_chosen_by_keys(page: Page, site: Site) -> None:
    open_home(page, site)
    page.locator(CELL).first.focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowUp", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("td.chosen")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_text(CHOSEN, exact=True)).to_be_visible()


def test_back_and_forward_keep_the_filter(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/traces?verdict=fail&k.region=eu")
    expect(page.get_by_text("region is eu")).to_be_visible()
    choose_run(page)
    expect(page.get_by_text("went wrong first")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("region is eu")).to_be_visible()
    assert "verdict=fail" in location(page)
    page.go_forward()
    expect(page.get_by_text("went wrong first")).to_be_visible()
    assert "trace_id=" in location(page)


def test_a_run_of_the_list_can_be_opened_in_a_tab_of_its_own(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/traces?verdict=fail")
    page.locator("tr[data-row] a").first.focus()
    page.keyboard.press("ArrowDown")
    with page.context.expect_page() as opened:
        page.locator("tr[data-row] a:focus").click(modifiers=["ControlOrMeta"])
    expect(opened.value.get_by_text("went wrong first")).to_be_visible()
    assert "verdict=fail" in location(opened.value)
    opened.value.close()


def test_a_link_to_a_cell_opens_it(page: Page, site: Site) -> None:
    page.goto(
        f"{site.url}/cohorts?by=prompt_version,model,region&k.prompt_version=v15"
        "&k.model=claude-haiku-4-5&k.region=eu&evaluator=groundedness"
    )
    expect(page.get_by_text(CHOSEN, exact=True)).to_be_visible()
    expect(page.get_by_text("Newest failing runs")).to_be_visible()


def test_one_step_back_leaves_a_chosen_cell(page: Page, site: Site) -> None:
    open_home(page, site)
    page.locator("td[data-r]").nth(3).click()
    expect(page.locator(".st-key-head_cell")).to_be_visible()
    page.wait_for_url("**evaluator=**", wait_until="commit")
    page.go_back()
    expect(page.locator(".st-key-head_cell")).to_have_count(0)
    assert "evaluator=" not in location(page)
    assert "k." not in location(page)


def test_a_short_link_opens_a_step_and_a_reload_comes_back_to_it(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/t/{site.traces[0]}/77")
    wait_step(page, "77 / 1000")
    page.reload()
    wait_step(page, "77 / 1000")


def test_another_window_changes_the_address_and_the_figures(page: Page, site: Site) -> None:
    open_home(page, site)
    page.get_by_role("radio", name="7d").or_(page.get_by_text("7d", exact=True)).first.click()
    expect(page.get_by_text("last 7 days").locator("visible=true").first).to_be_visible()
    page.wait_for_url("**win=7d**", wait_until="commit")
