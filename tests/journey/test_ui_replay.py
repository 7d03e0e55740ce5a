"""The replay: keys over a thousand steps, finding, timeline, verdicts and runs that still grow."""

import datetime as dt

from playwright.sync_api import Page, expect

from tests.factories import SECOND, make_run, trace_id
from tests.journey.conftest import (
    Site,
    choose_run,
    focus_replay,
    location,
    replay,
    until,
    wait_step,
)
from waypost.records import Kind, Reading, Step
from waypost.store.ingest import Writer


def open_long(page: Page, site: Site, step: int = 1) -> None:
    page.goto(f"{site.url}/trace?trace_id={site.traces[0]}&step={step}")
    wait_step(page, f"{step} / 1000")
    replay(page, "root.querySelector('.list').focus()")


def test_keys_walk_a_thousand_steps_with_few_rows_on_the_page(page: Page, site: Site) -> None:
    open_long(page, site)
    for _ in range(60):
        page.keyboard.press("ArrowRight")
    wait_step(page, "61 / 1000")
    page.keyboard.press("End")
    wait_step(page, "1000 / 1000")
    page.keyboard.press("Home")
    wait_step(page, "1 / 1000")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    wait_step(page, "2 / 1000")
    rows = replay(page, "root.querySelectorAll('.row').length")
    assert isinstance(rows, int)
    assert rows < 80


def test_a_run_opens_at_its_first_bad_step_and_next_failure_goes_to_each_in_turn(
    page: Page, site: Site
) -> None:
    page.goto(f"{site.url}/trace?trace_id={site.traces[0]}")
    wait_step(page, "501 / 1000")
    focus_replay(page)
    for key, step in (("Home", 1), ("n", 501), ("n", 901), ("p", 501)):
        page.keyboard.press(key)
        wait_step(page, f"{step} / 1000")


def test_the_address_follows_the_step(page: Page, site: Site) -> None:
    open_long(page, site)
    page.keyboard.press("ArrowRight")
    page.wait_for_function("location.search.includes('step=2')")
    page.keyboard.press("c")
    page.wait_for_timeout(200)
    assert "step=2" in page.evaluate("navigator.clipboard.readText()")


def test_find_goes_through_the_steps_that_hold_a_text(page: Page, site: Site) -> None:
    open_long(page, site)
    page.keyboard.press("/")
    page.keyboard.type('"A-77"')
    wait_step(page, "156 / 1000")
    assert replay(page, "root.querySelector('.hits').textContent") == "1 step"


def test_play_goes_on_by_itself_and_space_stops_it(page: Page, site: Site) -> None:
    open_long(page, site)
    replay(page, "(root.querySelector('.bar select').value = '16')")
    page.keyboard.press("Space")
    wait_step(page, "3 / 1000")
    page.keyboard.press("Space")
    stopped = replay(page, "root.querySelector('.bar .count').textContent")
    page.wait_for_timeout(2600)
    assert replay(page, "root.querySelector('.bar .count').textContent") == stopped


def test_only_new_messages_are_open_and_earlier_ones_come_on_demand(page: Page, site: Site) -> None:
    open_long(page, site, step=199)
    assert replay(page, "root.querySelectorAll('.context > section .message').length") == 1
    replay(page, "root.querySelector('.context details').setAttribute('open', '')")
    until(page, "root.querySelectorAll('.context details .message').length > 150")


def test_timeline_shows_the_spans_below_the_steps(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/trace?trace_id={site.traces[1]}&step=1")
    focus_replay(page)
    page.keyboard.press("t")
    until(page, "root.querySelector('.list').textContent.includes('GET https://search.internal')")


def test_a_live_run_grows_while_it_is_watched(page: Page, site: Site) -> None:
    now = dt.datetime.now(dt.UTC)
    steps = make_run(4, trace="live", start=int(now.timestamp() - 60) * SECOND)
    began = [s for s in steps if s.kind is not Kind.AGENT]
    _put(site, began[:3], now)
    page.goto(f"{site.url}/trace?trace_id={trace_id('live')}&step=3")
    wait_step(page, "3 / 3")
    _put(site, began[3:5], now)
    wait_step(page, "5 / 5")
    assert "Running" in page.content()


def _put(site: Site, steps: list[Step], now: dt.datetime) -> None:
    with Writer(site.engine).batch() as batch:
        batch.put(1, [Reading(s) for s in steps], now=now)


def test_a_verdict_given_in_the_replay_is_kept(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/trace?trace_id={site.traces[0]}&step=501")
    wait_step(page, "501 / 1000")
    replay(page, "root.querySelector('.list').focus()")
    page.keyboard.press("a")
    until(page, "root.querySelector('.pane').textContent.includes('Goal, by people')")
    assert "step=501" in location(page)


def test_brackets_know_the_list_that_a_run_s_own_address_names(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/traces?verdict=fail")
    page.locator("tr[data-row]").nth(1).wait_for()
    links = [one.get_attribute("href") or "" for one in page.locator("tr[data-row] a").all()[:2]]
    page.goto("about:blank")  # another visit, which saw no list
    page.goto(f"{site.url}/{links[0]}")
    focus_replay(page)
    page.keyboard.press("]")
    wanted = links[1].split("trace_id=")[1].split("&")[0]
    page.wait_for_url(f"**trace_id={wanted}**", wait_until="commit")


def test_escape_goes_back_to_the_list_and_brackets_to_its_neighbours(
    page: Page, site: Site
) -> None:
    page.goto(f"{site.url}/traces?verdict=fail")
    choose_run(page)
    expect(page.get_by_text("went wrong first")).to_be_visible()
    first = location(page)
    focus_replay(page)
    page.keyboard.press("]")
    page.wait_for_function(
        f"location.href.split('trace_id=')[1] !== {first!r}.split('trace_id=')[1]"
    )
    for _ in range(12):  # the replay of the run before may still be on the page
        page.wait_for_timeout(1500)
        if "/traces" in location(page):
            break
        focus_replay(page)
        page.keyboard.press("Escape")
    expect(page.get_by_text("Choose a line to open")).to_be_visible()
    assert "verdict=fail" in location(page)
