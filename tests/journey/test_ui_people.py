"""Reviewing by keyboard, comparing runs, and signing in with a role."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, expect

from tests.journey.conftest import Site, choose_row, dashboard
from ui.users import add

PASSWORD = "correct horse battery"  # a made-up password of a test


def reviews(site: Site) -> list[tuple[str, str]]:
    with site.engine.connect() as connection:
        rows = connection.execute(sa.text("select reviewer, evaluator from review order by id"))
        return [(row.reviewer, row.evaluator) for row in rows]


def press(page: Page, key: str) -> None:
    """Streamlit listens for a button's key a moment after the button is there."""
    expect(page.get_by_role("button", name="Skip")).to_be_visible()
    page.wait_for_timeout(1200)
    page.keyboard.press(key)


def test_a_queue_is_worked_off_by_keyboard_alone_and_stands_on_the_evaluators_screen(
    page: Page, site: Site
) -> None:
    before = len(reviews(site))
    page.goto(f"{site.url}/review?evaluator=groundedness")
    expect(page.get_by_text("Does it pass Groundedness?")).to_be_visible()
    assert "supported by any retrieved" not in page.content()
    press(page, "d")
    expect(page.get_by_text("You said failed.")).to_be_visible()
    press(page, "a")
    expect(page.get_by_text("You said passed.")).to_be_visible()
    press(page, "s")
    expect(page.get_by_text("Does it pass Groundedness?")).to_be_visible()
    assert [e for _, e in reviews(site)[before:]] == ["groundedness"] * 2
    page.goto(f"{site.url}/evaluators")
    expect(page.get_by_text("of them so far")).to_be_visible()
    assert "reviewed 0" not in page.content()


def test_two_runs_open_at_their_first_difference(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/compare?a={site.traces[3]}")
    expect(page.get_by_text("Compare benefits assistant with")).to_be_visible()
    choose_row(page)
    expect(page.get_by_text("First difference at step")).to_be_visible()
    expect(page.get_by_text("left: ")).to_be_visible()


def test_a_rule_is_previewed_before_it_is_kept(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/alerts?new=1&evaluator=groundedness&k.region=eu")
    expect(page.get_by_text("It would")).to_be_visible()
    page.get_by_role("button", name="Save the rule").click()
    expect(page.get_by_text("All quiet: 1 rule watching")).to_be_visible()


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users"
    for name, role in (("vic", "viewer"), ("ana", "reviewer")):
        add(path, name, role, PASSWORD)
    return path


def test_a_password_opens_what_the_role_allows_until_the_role_changes(
    browser: Browser, site: Site, users: Path
) -> None:
    with dashboard(site.database, WAYPOST_USERS=str(users)) as (url, process):
        page = browser.new_page()
        nobody_gets_in_without_a_password(page, url)
        the_session_is_closed_to_scripts_and_ends_with_the_role(page, url, users)
        a_viewer_looks_and_signs_out(page, url)
        process.terminate()
        assert process.wait(timeout=10) is not None, "it waits for the page that is open"
        page.close()


def sign_in(page: Page, url: str, name: str, password: str = PASSWORD) -> None:
    page.goto(f"{url}/review?evaluator=hallucination")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def nobody_gets_in_without_a_password(page: Page, url: str) -> None:
    sign_in(page, url, "ana", "wrong password!")
    expect(page.get_by_role("alert")).to_have_text("That name and password do not fit.")
    assert page.request.get(f"{url}/steps").status in (401, 404)


def the_session_is_closed_to_scripts_and_ends_with_the_role(
    page: Page, url: str, users: Path
) -> None:
    sign_in(page, url, "ana")
    expect(page.get_by_text("Does it pass Hallucination?")).to_be_visible()
    (cookie,) = [c for c in page.context.cookies() if c["name"] == "waypost_session"]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    add(users, "ana", "viewer", PASSWORD)
    press(page, "a")
    expect(page.get_by_text("session has ended")).to_be_visible()


def a_viewer_looks_and_signs_out(page: Page, url: str) -> None:
    sign_in(page, url, "ana")
    expect(page.get_by_text("Reviewing needs the role reviewer")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
