"""What an attacker writes into a run stays text; what a stranger asks of the server is refused."""

import urllib.error
import urllib.request

import pytest
from playwright.sync_api import Page, expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.journey.conftest import Site, drawn, replay
from ui.guard import HEADERS

SCREENS = ("", "traces", "review", "evaluators", "alerts?new=1", "datasets", "settings")


def open_hostile(page: Page, site: Site, path: str) -> None:
    mark = "&" if "?" in path else "?"
    page.goto(f"{site.url}/{path}{mark}project=hostile&win=7d")
    drawn(page)


@pytest.mark.parametrize("path", SCREENS)
def test_a_screen_of_attacks_runs_nothing_and_asks_nobody(
    page: Page, site: Site, path: str
) -> None:
    open_hostile(page, site, path)
    assert "owned" not in page.title()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.locator("img[src*=attacker], iframe, main script").count() == 0


@pytest.mark.parametrize("number", range(3))
def test_a_run_of_attacks_is_text_step_by_step(page: Page, site: Site, number: int) -> None:
    open_hostile(page, site, f"trace?trace_id={site.hostile[number]}&step=1")
    replay(page, "root.querySelector('.list').focus()")
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "End", "m", "t", "r"):
        page.keyboard.press(key)
        page.wait_for_timeout(250)
    assert "owned" not in page.title()
    assert replay(page, "root.querySelectorAll('img, iframe, script, style, svg').length") == 0


def test_a_hostile_cell_and_comparison_are_text(page: Page, site: Site) -> None:
    open_hostile(page, site, f"compare?a={site.hostile[0]}&b={site.hostile[1]}")
    expect(page.get_by_text("First difference")).to_be_visible()
    assert "owned" not in page.title()


def asked(url: str, **headers: str) -> tuple[int, dict[str, str]]:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}
    except urllib.error.HTTPError as error:
        return error.code, {k.lower(): v for k, v in error.headers.items()}


@pytest.mark.parametrize("path", ["/", "/healthz", "/steps", "/t/abc/1", "/static/nothing.js"])
def test_every_answer_carries_the_policy(site: Site, path: str) -> None:
    _, headers = asked(site.url + path)
    for name, value in HEADERS.items():
        assert headers[name] == value


@pytest.mark.parametrize("token", ["", "x", "e30.e30", "eyJwcm9qZWN0IjoxfQ.AAAA", "é"])
@pytest.mark.parametrize("path", ["steps", "steps/outline", "steps/one", "steps/find"])
def test_steps_need_a_token_of_the_page(site: Site, path: str, token: str) -> None:
    quoted = urllib.parse.quote(token)
    assert asked(f"{site.url}/{path}?token={quoted}")[0] == 404


def test_another_host_name_is_refused(site: Site) -> None:
    assert asked(f"{site.url}/", host="attacker.invalid")[0] == 421


def test_a_web_socket_from_another_page_is_refused(site: Site) -> None:
    address = site.url.replace("http://", "ws://") + "/_stcore/stream"
    with pytest.raises(InvalidStatus), connect(address, origin=Origin("http://attacker.invalid")):
        pytest.fail("the socket was opened")
