"""The dashboard's own addresses behind its door: tokens, short links, signing in and out."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from tests import seed
from ui import tokens
from ui.guard import COOKIE, Door, Sessions
from ui.routes import PURPOSE, StepRoutes, plain_routes
from ui.runs import Runs
from ui.signin import SignIn
from ui.users import add
from waypost.records import Json
from waypost.store import parts

SECRET = b"s" * 32
PASSWORD = "correct horse battery"  # a made-up password of a test
HOST = "way.example"
PAGE = {"accept": "text/html"}


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    path = tmp_path / "users"
    add(path, "ana", "reviewer", PASSWORD)
    return Sessions(SECRET, path)


@pytest.fixture
def guarded(sessions: Sessions) -> Iterator[TestClient]:
    routes = [*plain_routes(), *SignIn(sessions, clock=lambda: 5.0).routes()]
    door = Middleware(Door, hosts=(HOST,), sessions=sessions)
    app = Starlette(routes=routes, middleware=[door])
    with TestClient(app, base_url=f"https://{HOST}", follow_redirects=False) as client:
        yield client


def form(password: str = PASSWORD, wanted: str = "/traces") -> dict[str, str]:
    return {"name": "ana", "password": password, "next": wanted}


def test_a_stranger_is_sent_to_the_form_and_a_program_is_told(guarded: TestClient) -> None:
    page = guarded.get("/t/abc/4", headers=PAGE)
    assert (page.status_code, page.headers["location"]) == (303, "/login?next=/t/abc/4")
    assert guarded.get("/steps").status_code == 401
    assert guarded.get("/healthz").text == "ok"


def test_signing_in_gives_a_safe_cookie_and_leads_on(guarded: TestClient) -> None:
    answer = guarded.post("/login", data=form())
    assert (answer.status_code, answer.headers["location"]) == (303, "/traces")
    given = answer.headers["set-cookie"].lower()
    for word in ("httponly", "samesite=lax", "secure", "max-age=43200", "path=/"):
        assert word in given
    assert guarded.get("/t/abc/4").headers["location"] == "/trace?trace_id=abc&step=4"


def test_signing_out_takes_the_cookie_away(guarded: TestClient) -> None:
    guarded.post("/login", data=form())
    guarded.post("/logout")
    assert COOKIE not in guarded.cookies
    assert guarded.get("/t/abc").status_code == 401


def test_a_wrong_password_says_so_and_ten_close_the_form(guarded: TestClient) -> None:
    for _ in range(10):
        assert guarded.post("/login", data=form("wrong password")).status_code == 401
    assert guarded.post("/login", data=form()).status_code == 429


def test_a_form_sent_from_another_page_is_refused(guarded: TestClient) -> None:
    guarded.post("/login", data=form())
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://attacker.invalid"}):
        assert guarded.post("/login", data=form(), headers=headers).status_code == 403
        assert guarded.post("/logout", headers=headers).status_code == 403


def test_what_was_typed_is_not_markup(guarded: TestClient) -> None:
    page = guarded.get("/login", params={"next": '/"><script>x</script>'})
    assert "<script>" not in page.text
    assert "content-security-policy" in page.headers


def test_a_cookie_that_was_changed_is_none(guarded: TestClient) -> None:
    guarded.cookies.set(COOKIE, tokens.sign(b"other", "session", {"name": "ana"}, seconds=60))
    assert guarded.get("/t/abc").status_code == 401


def test_another_host_name_is_not_served(guarded: TestClient) -> None:
    assert guarded.get("/healthz", headers={"host": "attacker.invalid"}).status_code == 421


@pytest.fixture
def steps(engine: Engine) -> Iterator[tuple[TestClient, str]]:
    trace = seed.seed(engine, runs=3)[-1]
    runs = Runs(engine)
    app = Starlette(routes=[*StepRoutes(SECRET, lambda: runs).routes(), *plain_routes()])
    with TestClient(app, follow_redirects=False) as client:
        yield client, trace


def token_of(trace: str, project: int = 1, seconds: int = 60) -> dict[str, str]:
    claims: dict[str, Json] = {"trace": trace, "project": project}
    return {"token": tokens.sign(SECRET, PURPOSE, claims, seconds=seconds)}


def test_a_token_opens_one_run(steps: tuple[TestClient, str]) -> None:
    client, trace = steps
    outline = client.get("/steps/outline", params=token_of(trace)).json()
    window = client.get("/steps", params={**token_of(trace), "from": "2", "count": "3"}).json()
    assert [row[0] for row in outline["rows"]] == list(range(1, len(outline["rows"]) + 1))
    assert [step["n"] for step in window] == [2, 3, 4]
    spans = client.get("/steps/spans", params=token_of(trace)).json()
    assert len(spans) > len(outline["rows"])


def test_one_step_comes_whole_and_an_unknown_one_not(steps: tuple[TestClient, str]) -> None:
    client, trace = steps
    whole = client.get("/steps/one", params={**token_of(trace), "n": "2"}).json()
    assert trace in whole["raw"]
    assert client.get("/steps/one", params={**token_of(trace), "n": "999"}).status_code == 404
    found = client.get("/steps/find", params={**token_of(trace), "q": "e-1042"}).json()
    assert found


def test_another_project_an_unknown_run_and_an_ended_token_are_404(
    steps: tuple[TestClient, str],
) -> None:
    client, trace = steps
    for query in (
        token_of(trace, 2),
        token_of("f" * 32),
        token_of("x"),
        token_of(trace, seconds=-1),
    ):
        assert client.get("/steps/outline", params=query).status_code == 404


def test_of_a_long_run_only_what_is_looked_at_is_read(
    steps: tuple[TestClient, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, trace = steps
    monkeypatch.setattr(parts, "LONG", 3)
    monkeypatch.setattr(parts, "_AROUND", 1)
    outline = client.get("/steps/outline", params={**token_of(trace), "near": "3"}).json()
    assert not outline["whole"]
    assert len(outline["rows"]) < outline["count"]
    for number in range(1, outline["count"] + 1):
        asked = {**token_of(trace), "from": str(number), "count": "1"}
        (step,) = client.get("/steps", params=asked).json()
        assert step["n"] == number
    assert client.get("/steps/failing", params={**token_of(trace), "n": "1"}).json() >= 0
    assert client.get("/steps/find", params={**token_of(trace), "q": "e-1042"}).json()
    assert client.get("/steps/outline", params=token_of(trace)).json()["whole"]


@pytest.mark.parametrize("value", ["", "x", "-3", "9" * 30, "٣"])
def test_letters_for_numbers_open_the_first_window(
    steps: tuple[TestClient, str], value: str
) -> None:
    client, trace = steps
    query = {**token_of(trace), "from": value, "count": value}
    assert client.get("/steps", params=query).json()[0]["n"] == 1


def test_the_home_page_has_a_name_and_short_links_keep_the_project(
    steps: tuple[TestClient, str],
) -> None:
    client, _ = steps
    assert client.get("/cohorts?win=7d").headers["location"] == "/?win=7d"
    assert client.get("/cohorts").headers["location"] == "/"
    wanted = "/trace?trace_id=abc&step=2&project=one"
    assert client.get("/t/abc/2?project=one").headers["location"] == wanted
