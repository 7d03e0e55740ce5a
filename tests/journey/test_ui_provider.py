"""People sign in at an identity provider, and their address decides what they may do."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.journey.conftest import Site, dashboard, free_port, location
from tests.journey.provider import Provider, provider

USERS = "vic@example.org viewer oidc\nana@example.org reviewer oidc\nada@example.org admin oidc\n"


@dataclass(frozen=True, slots=True)
class Guarded:
    """A dashboard whose people sign in elsewhere."""

    url: str
    users: Path
    provider: Provider


@pytest.fixture(scope="module")
def guarded(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("provider")
    users, described = folder / "users", folder / "provider.toml"
    users.write_text(USERS)
    port = free_port()
    with provider() as made:
        described.write_text(made.settings(f"http://127.0.0.1:{port}"))
        given = {"WAYPOST_USERS": str(users), "WAYPOST_OIDC": str(described)}
        with dashboard(site.database, port=port, **given) as (url, _):
            yield Guarded(url, users, made)


@pytest.fixture(scope="module")
def opened(context: BrowserContext) -> Iterator[Page]:
    made = context.new_page()
    yield made
    made.close()


@pytest.fixture
def visitor(opened: Page, guarded: Guarded) -> Page:
    """Somebody who has not signed in."""
    guarded.users.write_text(USERS)
    guarded.provider.claims.clear()
    opened.context.clear_cookies()
    return opened


def sign_in(page: Page, guarded: Guarded, name: str, path: str = "/") -> None:
    page.goto(guarded.url + path)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("E-mail").fill(f"{name}@example.org")
    page.get_by_role("button", name="Go on").click()


@pytest.mark.parametrize(
    ("name", "role"), [("vic", "viewer"), ("ana", "reviewer"), ("ada", "admin")]
)
def test_the_address_decides_the_role(
    visitor: Page, guarded: Guarded, name: str, role: str
) -> None:
    sign_in(visitor, guarded, name, "/settings")
    expect(visitor.get_by_text(f"{name}@example.org · {role}")).to_be_visible()
    keeps = visitor.get_by_role("button", name="Keep these settings")
    expect(keeps).to_be_enabled(enabled=role == "admin")


def test_signing_in_leads_to_the_page_that_was_asked_for_and_signing_out_closes_it(
    visitor: Page, guarded: Guarded
) -> None:
    sign_in(visitor, guarded, "vic", "/traces?verdict=fail&win=7d")
    expect(visitor.get_by_text("Choose a line to open")).to_be_visible()
    assert "verdict=fail" in location(visitor)
    expect_closed_cookie(visitor)
    visitor.get_by_role("button", name="Sign out").click()
    expect(visitor.get_by_text("Sign in to see this project's runs.")).to_be_visible()


def expect_closed_cookie(visitor: Page) -> None:
    """It is closed to scripts and ends within twelve hours."""
    (cookie,) = [c for c in visitor.context.cookies() if c["name"] == "_streamlit_user"]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    assert cookie["expires"] - visitor.evaluate("Date.now() / 1000") < 12.1 * 3600


def test_a_stranger_sees_a_sentence_and_nothing_else(visitor: Page, guarded: Guarded) -> None:
    sign_in(visitor, guarded, "eve", "/traces")
    expect(visitor.get_by_text("eve@example.org may not look at this dashboard")).to_be_visible()
    assert visitor.locator("tr[data-row]").count() == 0
    assert visitor.request.get(f"{guarded.url}/steps/outline").status == 404


def test_an_address_the_provider_has_not_verified_counts_for_nobody(
    visitor: Page, guarded: Guarded
) -> None:
    guarded.provider.claims["email_verified"] = False
    sign_in(visitor, guarded, "ada")
    expect(visitor.get_by_text("without a verified address may not look")).to_be_visible()


def test_a_session_of_yesterday_has_ended(visitor: Page, guarded: Guarded) -> None:
    guarded.provider.claims |= {"iat": 1_700_000_000}
    sign_in(visitor, guarded, "ada")
    expect(visitor.get_by_text("Your session has ended")).to_be_visible()


def test_a_role_that_is_taken_away_is_gone_with_the_next_click(
    visitor: Page, guarded: Guarded
) -> None:
    sign_in(visitor, guarded, "ana", "/datasets")
    expect(visitor.get_by_role("button", name="New dataset")).to_be_visible()
    guarded.users.write_text(USERS.replace("reviewer", "viewer"))
    visitor.get_by_text("7d", exact=True).first.click()
    expect(visitor.get_by_role("button", name="New dataset")).to_have_count(0)
