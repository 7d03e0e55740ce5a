"""Tokens, sessions, users and addresses: who may come in, and what may be forged."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from socket import gethostname

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from ui import tokens
from ui.guard import HOURS, Sessions, safe_next
from ui.logins import sessions_of
from ui.provider import Onward, check_file
from ui.run import options
from ui.serve import hosts
from ui.users import User, add, by_oidc, check_password, main, read_users
from waypost.errors import BadSetting, NotAllowed, WrongUse
from waypost.roles import Person, Role
from waypost.settings import Settings

SECRET = b"s" * 32
PASSWORD = "correct horse battery"  # a made-up password of a test


def test_a_token_says_what_was_signed_until_it_ends() -> None:
    token = tokens.sign(SECRET, "steps", {"trace": "t"}, seconds=10, now=100)
    assert (tokens.read(SECRET, "steps", token, now=109) or {})["trace"] == "t"
    assert tokens.read(SECRET, "steps", token, now=110) is None
    assert tokens.read(SECRET, "session", token, now=101) is None
    assert tokens.read(b"other", "steps", token, now=101) is None


@given(st.integers(0, 80), st.characters(codec="ascii"))
def test_a_changed_token_is_no_token(place: int, letter: str) -> None:
    token = tokens.sign(SECRET, "steps", {"trace": "t"}, seconds=10, now=100)
    at = place % (len(token) - 1)
    forged = token[:at] + letter + token[at + 1 :]
    read = tokens.read(SECRET, "steps", forged, now=101)
    assert read is None or read == tokens.read(SECRET, "steps", token, now=101)


@given(st.text())
def test_no_text_makes_the_reader_of_tokens_fail(text: str) -> None:
    assert tokens.read(SECRET, "steps", text) is None


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users"
    add(path, "ana", "reviewer", PASSWORD)
    return path


def test_a_password_is_checked_against_its_hash(users: Path) -> None:
    known = read_users(users)
    assert (check_password(known, "ana", PASSWORD) or known["ana"]).role is Role.REVIEWER
    assert check_password(known, "ana", "another password") is None
    assert check_password(known, "nobody", PASSWORD) is None
    assert PASSWORD not in users.read_text()
    assert users.stat().st_mode & 0o077 == 0


def test_a_session_ends_with_time_with_the_user_and_with_the_password(users: Path) -> None:
    now = [1000.0]
    sessions = Sessions(SECRET, users, now=lambda: now[0])
    cookie = sessions.start(read_users(users)["ana"])
    assert sessions.person(cookie) == Person("ana", Role.REVIEWER)
    now[0] += HOURS * 3600
    assert sessions.person(cookie) is None
    now[0] = 1000.0
    add(users, "ana", "reviewer", "another password")
    assert sessions.person(cookie) is None
    assert sessions.person(None) is None


def test_a_role_is_read_anew_for_every_action(users: Path) -> None:
    sessions = Sessions(SECRET, users)
    cookie = sessions.start(read_users(users)["ana"])
    line = users.read_text().replace(" reviewer ", " viewer ")
    users.write_text(line + "# changed\n")
    assert sessions.person(cookie) == Person("ana", Role.VIEWER)


def test_a_role_holds_those_below_it() -> None:
    admin, viewer = Person("a", Role.ADMIN), Person("v", Role.VIEWER)
    admin.must_be(Role.REVIEWER, "Reviewing")
    with pytest.raises(NotAllowed, match="Reviewing needs the role reviewer; v is viewer"):
        viewer.must_be(Role.REVIEWER, "Reviewing")


def test_a_wrong_line_and_a_missing_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "users"
    with pytest.raises(BadSetting, match="cannot be read"):
        read_users(path)
    path.write_text("ana reviewer secret\n")
    with pytest.raises(BadSetting, match="Line 1"):
        read_users(path)


@pytest.mark.parametrize(
    ("name", "role", "password"),
    [("a b", "viewer", PASSWORD), ("ana", "king", PASSWORD), ("ana", "viewer", "short")],
)
def test_users_are_refused_with_a_sentence(
    tmp_path: Path, name: str, role: str, password: str
) -> None:
    with pytest.raises(WrongUse):
        add(tmp_path / "users", name, role, password)


def test_the_command_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Write: python -m ui.users" in capsys.readouterr().err


def test_a_file_of_users_that_cannot_be_written_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(f"{PASSWORD}\n"))
    assert main([str(tmp_path / "none" / "users"), "ana", "admin"]) == 2
    assert "cannot be written: No such file or directory" in capsys.readouterr().err


def test_an_identity_provider_s_people_need_a_line() -> None:
    known = {"ana@example.org": User("ana@example.org", Role.ADMIN, "oidc")}
    assert by_oidc(known, "ana@example.org") == Person("ana@example.org", Role.ADMIN)
    assert by_oidc(known, "eve@example.org") is None
    assert by_oidc({"ana": User("ana", Role.ADMIN, "$argon2id$x")}, "ana") is None


@pytest.mark.parametrize(
    ("wanted", "goes"),
    [
        ("/traces?win=7d", "/traces?win=7d"), ("//evil.invalid", "/"),
        ("https://evil.invalid", "/"),
        ("/\\evil.invalid", "/"), ("javascript:alert(1)", "/"), ("", "/"),
    ],
)  # fmt: skip
def test_signing_in_leads_only_to_our_own_pages(wanted: str, goes: str) -> None:
    assert safe_next(wanted) == goes


def test_another_address_needs_a_login(users: Path) -> None:
    with pytest.raises(BadSetting, match="open to everyone"):
        sessions_of(Settings(host="0.0.0.0"), SECRET)
    assert sessions_of(Settings(), SECRET) is None
    found = sessions_of(Settings(host="0.0.0.0", users=users), SECRET)
    assert found is not None
    assert found.secure
    plain = Settings(host="0.0.0.0", users=users, public_url="http://lan:8501")
    assert sessions_of(plain, SECRET) != found


def test_the_hosts_that_are_served() -> None:
    assert "localhost" in hosts(Settings())
    assert gethostname() in hosts(Settings(host="0.0.0.0"))
    assert "way.example" in hosts(Settings(host="0.0.0.0", public_url="https://way.example/x"))
    assert "::2" in hosts(Settings(host="0.0.0.0", public_url="https://[::2]:8501"))


def test_streamlit_is_told_to_check_forms_and_origins() -> None:
    told = options(Settings(oidc=Path("provider.toml")), SECRET)
    assert told["server.enableXsrfProtection"]
    assert told["server.enableCORS"]
    assert told["secrets.files"] == ["provider.toml"]


def test_tables_leave_the_page_only_through_our_own_exports() -> None:
    assert options(Settings(), SECRET)["client.disableDataExport"]


def test_people_have_passwords_or_a_provider_not_both(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text("ana@example.org reviewer oidc\n")
    with pytest.raises(BadSetting, match="WAYPOST_OIDC"):
        sessions_of(Settings(users=path), SECRET)
    add(path, "bob", "viewer", PASSWORD)
    with pytest.raises(BadSetting, match="mixes passwords"):
        sessions_of(Settings(users=path), SECRET)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "needs redirect_uri, cookie_secret"),
        ("not toml", "cannot be read"),
        (
            "[auth]\n" + "".join(
                f'{name} = "https://x.example/y"\n' for name in
                ("redirect_uri", "cookie_secret", "client_id", "client_secret",
                 "server_metadata_url")
            ),
            "must end in /oauth2callback",
        ),
    ],
)  # fmt: skip
def test_what_is_missing_of_a_provider_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "provider.toml"
    path.write_text(text)
    with pytest.raises(BadSetting, match=said):
        check_file(path)


def callback(_request: Request) -> Response:
    """What Streamlit answers when the provider sends somebody back."""
    answer = RedirectResponse("/", status_code=302)
    answer.set_cookie("_streamlit_user", "signed|text=", max_age=2_592_000, httponly=True)
    return answer


@pytest.fixture
def onward() -> Iterator[TestClient]:
    routes = [Route("/oauth2callback", callback), Route("/{path:path}", PlainTextResponse("page"))]
    app = Starlette(routes=routes, middleware=[Middleware(Onward, secure=True)])
    with TestClient(app, base_url="https://way.example", follow_redirects=False) as client:
        yield client


def test_a_provider_s_session_ends_with_ours_and_leads_on(onward: TestClient) -> None:
    for path in ("/trace?trace_id=a%2Fb&step=4", "/auth/login?provider=x"):
        onward.get(path, headers={"accept": "text/html"})
    answer = onward.get("/oauth2callback")
    assert answer.headers["location"] == "/trace?trace_id=a%2Fb&step=4"
    given, _ = answer.headers.get_list("set-cookie")
    assert "Max-Age=43200" in given
    assert given.endswith("; Secure")
    assert "waypost_next" not in onward.cookies


def test_the_way_on_is_never_another_host(onward: TestClient) -> None:
    onward.cookies.set("waypost_next", "//attacker.invalid/x")
    assert onward.get("/oauth2callback").headers["location"] == "/"
