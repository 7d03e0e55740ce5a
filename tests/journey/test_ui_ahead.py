"""Another window's answer, which stands on the page before the page has drawn it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.journey.conftest import Site, drawn, location

SENTENCE, LIST = '[class*="st-key-answer_"]:visible', ".st-key-mute_list:visible"


@dataclass
class Line:
    """What the page says to its server; nothing of it arrives while it is held."""

    is_held: bool = False
    waiting: list[tuple[WebSocketRoute, str | bytes]] = field(default_factory=list)

    def opened(self, page: WebSocketRoute) -> None:
        server = page.connect_to_server()
        page.on_message(lambda said: self.say(server, said))
        server.on_message(page.send)

    def say(self, server: WebSocketRoute, said: str | bytes) -> None:
        if self.is_held:
            self.waiting.append((server, said))
        else:
            server.send(said)

    def has_answered(self, page: Page) -> bool:
        """Whether the page's own answer is held here; on a busy machine it takes its time."""
        end = time.monotonic() + 30
        while not self.waiting and time.monotonic() < end:
            page.wait_for_timeout(50)
        return bool(self.waiting)

    def let_go(self) -> None:
        self.is_held = False
        for server, said in self.waiting:
            server.send(said)
        self.waiting.clear()


@pytest.fixture
def line(page: Page) -> Iterator[Line]:
    made = Line()
    page.route_web_socket("**/_stcore/stream", made.opened)
    yield made
    page.goto("about:blank")
    page.unroute_all()


def choose(page: Page, window: str) -> None:
    page.get_by_role("radio", name=window, exact=True).click()


def at_home(page: Page, site: Site, line: Line, path: str = "/") -> None:
    line.is_held = False
    page.goto(f"{site.url}{path}")
    drawn(page)
    line.is_held = True


def cells(page: Page) -> list[str]:
    return page.locator("td[data-r]").all_inner_texts()


def test_the_answer_comes_before_the_page_has_drawn(page: Page, site: Site, line: Line) -> None:
    at_home(page, site, line)
    before = cells(page)
    choose(page, "7d")
    expect(page.locator(SENTENCE)).to_contain_text("the last 7 days")
    ahead = cells(page)
    assert ahead != before
    assert line.has_answered(page)
    assert "win=" not in location(page)
    line.let_go()
    page.wait_for_url("**win=7d**")
    drawn(page)
    expect(page.locator('[class*="st-key-answer_"]')).to_have_count(1)
    expect(page.locator(SENTENCE)).to_contain_text("the last 7 days")
    assert cells(page) == ahead


def test_a_list_of_runs_comes_too(page: Page, site: Site, line: Line) -> None:
    at_home(page, site, line, "/traces?verdict=fail")
    page.get_by_role("radio", name="7d", exact=True).press(" ")
    expect(page.locator(LIST)).to_contain_text("last 7 days")
    page.locator("tr[data-row]").nth(1).click()  # an address: the page knows other rows
    page.wait_for_url("**trace_id=**", wait_until="commit")
    assert "win=7d" in location(page)


def test_a_cell_chosen_meanwhile_is_the_one_that_is_seen(
    page: Page, site: Site, line: Line
) -> None:
    at_home(page, site, line)
    choose(page, "7d")
    expect(page.locator(SENTENCE)).to_contain_text("the last 7 days")
    cell = page.locator("td[data-r]").last
    spoken = (cell.get_attribute("aria-label") or "").split(":")[0]
    cell.click()
    page.wait_for_url("**evaluator=**", wait_until="commit")
    asked = parse_qs(urlsplit(location(page)).query)
    assert asked["win"] == ["7d"]
    assert asked["k.prompt_version"][0] in spoken


def test_the_last_of_two_windows_stays(page: Page, site: Site, line: Line) -> None:
    at_home(page, site, line)
    before = cells(page)
    choose(page, "7d")
    expect(page.locator(SENTENCE)).to_contain_text("the last 7 days")
    page.route("**/?win=24h", lambda route: route.abort())
    choose(page, "24h")  # its answer does not come: the page's own words are back
    expect(page.locator(SENTENCE)).to_contain_text("the last 24 hours")
    assert cells(page) == before
    line.let_go()
    page.wait_for_timeout(1000)
    drawn(page)
    expect(page.get_by_role("radio", name="24h", exact=True)).to_be_checked()
    expect(page.locator(SENTENCE)).to_contain_text("the last 24 hours")
    assert cells(page) == before
    assert "win=7d" not in location(page)


def test_of_two_quick_clicks_the_second_counts(page: Page, site: Site, line: Line) -> None:
    at_home(page, site, line)
    line.is_held = False
    waiting: list[Route] = []

    def held(route: Route) -> None:
        waiting.append(route)

    page.route("**/?win=7d", held)
    choose(page, "7d")
    choose(page, "30d")
    expect(page.locator(SENTENCE)).to_contain_text("the last 30 days")
    waiting[0].continue_()
    page.wait_for_url("**win=30d**")
    drawn(page)
    expect(page.get_by_role("radio", name="30d", exact=True)).to_be_checked()
    expect(page.locator(SENTENCE)).to_contain_text("the last 30 days")


def test_without_an_answer_the_page_draws_itself(page: Page, site: Site, line: Line) -> None:
    at_home(page, site, line)
    page.route("**/?win=30d", lambda route: route.fulfill(status=500, body="<p>no</p>"))
    choose(page, "30d")
    line.let_go()
    expect(page.locator(SENTENCE)).to_contain_text("the last 30 days")


def test_attacks_are_text_ahead_too(page: Page, site: Site, line: Line) -> None:
    at_home(page, site, line, "/?project=hostile&win=30d")
    choose(page, "7d")
    expect(page.locator(SENTENCE)).to_contain_text("the last 7 days")
    assert any("<" in text for text in page.locator("th").all_inner_texts())
    assert "owned" not in page.title()


def test_a_pointer_that_rests_asks_already(page: Page, site: Site, line: Line) -> None:
    at_home(page, site, line)
    with page.expect_response("**/?win=7d") as early:
        page.get_by_role("radio", name="7d", exact=True).hover()
    early.value.finished()
    page.route("**/?win=7d", lambda route: route.abort())  # the click needs no other
    choose(page, "7d")
    expect(page.locator(SENTENCE)).to_contain_text("the last 7 days")
