"""What a page holds before Streamlit is there: the figures of the page itself, as text."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode
from zoneinfo import ZoneInfo

import pytest
import streamlit as st
from starlette.types import Scope

from tests import seed
from tests.conftest import clone
from tests.unit.ui.pages import open_screen, texts
from ui import data, opened, tokens, words
from ui.data import Wanted
from ui.first import ZONE, Firsts
from ui.guard import COOKIE, Sessions
from ui.logins import LOCAL
from ui.place import Place
from ui.routes import PURPOSE
from ui.serve import first_of
from ui.users import add, read_users
from waypost.errors import StoreAway
from waypost.settings import Settings
from waypost.store import projects
from waypost.store.audit import Actor
from waypost.store.engine import connect

FIRSTS = Firsts(lambda _: LOCAL)
HELD = re.compile(
    r'<script type="application/json" id="waypost-first-data">(.*?)</script>', re.DOTALL
)


@pytest.fixture(scope="module")
def filled(servers: dict[str, str]) -> Iterator[str]:
    """A store with a failing cohort, a project of attacks and an empty one; its URL."""
    for url in clone(servers["18"]):
        engine = connect(url)
        seed.seed(engine, runs=400)
        with engine.begin() as connection:
            other = projects.create(connection, "hostile", by=Actor("test", "test"))
            projects.create(connection, "empty", by=Actor("test", "test"))
        seed.hostile(engine, project=other.id)
        engine.dispose()
        yield url


@pytest.fixture(autouse=True)
def here(filled: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("WAYPOST_DATABASE_URL", filled)
    yield
    st.cache_resource.clear()


def request(path: str, query: Mapping[str, str], cookie: str) -> Scope:
    return {
        "type": "http", "path": f"/{path}", "query_string": urlencode(query).encode(),
        "headers": [(b"host", b"way.example"), (b"cookie", cookie.encode())],
    }  # fmt: skip


def html(path: str, *, zone: str = "UTC", **query: str) -> str:
    return FIRSTS(request(path, query, f"other=1; {ZONE}={quote(zone)}")).decode()


def held(path: str, *, zone: str = "UTC", **query: str) -> dict[str, Any]:
    found = HELD.search(html(path, zone=zone, **query))
    assert found is not None
    return dict(json.loads(found[1]))


def say(text: str) -> str:
    return text.replace("\u00a0", " ")


def block(painted: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(one for one in painted["blocks"] if one["kind"] == kind)


def test_the_home_page_says_first_what_it_says_then() -> None:
    painted, page = held(""), open_screen("cohorts")
    said = block(painted, "answer")
    assert said["tone"] == "bad"
    assert say(said["sentence"]) in texts(page)
    assert say(said["detail"]) in texts(page)
    assert [name for name, _, _ in said["buttons"]] == [
        page.button(key="show_first").label, page.button(key="show_cell").label
    ]  # fmt: skip
    project, *others = [one.label for one in page.selectbox]
    assert (project, painted["choices"]) == ("Project", ["default"])
    labels = [page.multiselect[0].label, *others]
    assert [title for title, _ in block(painted, "controls")["named"]] == labels


def test_every_cell_leads_to_the_page_with_that_cell_chosen() -> None:
    grid = block(held("", win="7d", project="default"), "component")
    query = {k: v[0] for k, v in parse_qs(grid["hrefs"]["rows"][1][1:]).items()}
    assert (query["win"], query["project"]) == ("7d", "default")
    again = block(held("", **query, evaluator=grid["hrefs"]["columns"][0]), "component")
    assert again["data"]["chosen"] == [1, 0]
    assert again["data"]["rows"] == grid["data"]["rows"]


def test_the_button_leads_to_the_run_the_page_would_open() -> None:
    name, href, is_main = block(held(""), "answer")["buttons"][0]
    page = open_screen("cohorts")
    page.button(key="show_first").click().run()
    wanted = {k: v[0] for k, v in parse_qs(href.removeprefix("trace?")).items()}
    assert (name, is_main) == ("Show first bad step", True)
    assert dict(page.query_params) == wanted


def test_the_list_says_first_what_it_says_then() -> None:
    painted = held("traces", win="7d", verdict="fail", evaluator="groundedness")
    page = open_screen("traces", win="7d", verdict="fail", evaluator="groundedness")
    assert say(block(painted, "mute")["text"]) in texts(page)
    assert block(painted, "chips")["texts"] == ["failed by Groundedness"]
    rows = block(painted, "component")["data"]["rows"]
    assert rows
    assert all(row["href"].startswith("trace?trace_id=") or "&trace_id=" in row["href"]
               for row in rows)  # fmt: skip
    titles = [title for title, _ in block(painted, "controls")["named"]]
    assert titles == [one.label for one in [*page.selectbox[1:], *page.text_input]]


def test_a_window_in_the_past_leads_back_to_now() -> None:
    painted = held("", win="7d", until=str(int(time.time())), env="")
    ((said, href),) = painted["until"]
    assert said.startswith("✕ ")
    assert href == "?win=7d"
    assert held("", win="7d")["until"] == []


def test_a_run_says_first_what_it_says_then() -> None:
    listed = data.page(Place(data.all_projects()[0], "7d", None, None), Wanted(verdict="fail"))
    run = listed.rows[0]
    painted = held("trace", trace_id=run.trace_id, win="7d")
    page = open_screen("trace", trace_id=run.trace_id, win="7d")
    said, drawn = block(painted, "answer"), block(painted, "component")
    assert say(said["sentence"]) in texts(page)
    assert say(said["detail"]) in texts(page)
    assert [name for name, _, _ in said["buttons"]] == [button.label for button in page.button]
    assert drawn["data"]["step"] == run.first_bad_step
    claims = tokens.read(opened.store().secret, PURPOSE, drawn["data"]["token"])
    assert claims is not None
    assert (claims["project"], claims["trace"]) == (1, run.trace_id)
    assert drawn["data"]["can_review"] is False
    assert drawn["hrefs"] == {"list": "traces?win=7d"}
    beyond = held("trace", trace_id=run.trace_id, step="999999")
    assert beyond["blocks"][-1]["data"]["step"] == run.steps
    assert block(beyond, "notes")["texts"][0] == (
        f"There is no step 999999: the steps are 1 to {run.steps}."
    )


def test_times_are_those_of_the_readers_zone() -> None:

    def newest(zone: str) -> str:
        return str(block(held("traces", win="7d", zone=zone), "component")["data"]["rows"][0]
                   ["cells"][0])  # fmt: skip

    at = data.page(Place(data.all_projects()[0], "7d", None, None), Wanted()).rows[0].first_at
    assert newest("Asia/Tokyo") == f"{at.astimezone(ZoneInfo('Asia/Tokyo')):%d %b %H:%M:%S}"
    for no_zone in ("../../etc/passwd", "Nowhere/Else", "\x00", "é"):
        assert newest(no_zone) == f"{at.astimezone(ZoneInfo('UTC')):%d %b %H:%M:%S}"


@pytest.mark.parametrize("path", ["", "traces"])
def test_an_attack_is_a_value_and_never_markup(path: str) -> None:
    text = html(path, win="7d", project="hostile", by='"</script><script>x', text="")
    assert text.count("<") == text.count("<script") + text.count("</script") + _ours(text)
    assert text.count("<script") == 2


def _ours(text: str) -> int:
    """Signs of our own code, which stands after the values."""
    code = text[text.rindex("<script>") + len("<script>") : text.rindex("</script>")]
    return code.count("<")


def test_no_letter_hides_or_turns_another(monkeypatch: pytest.MonkeyPatch) -> None:
    turned = "\u202egnp.\u202c\x00\x1b"
    monkeypatch.setattr(words, "plural", lambda n, noun: f"{n} {noun} {turned}")
    for path in ("", "traces"):
        said = json.dumps(held(path, win="7d")["blocks"][:-1], ensure_ascii=False)
        assert "gnp." in said
        assert not any(letter in said for letter in turned if not letter.isprintable())


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("", {"project": "empty"}),
        ("traces", {"project": "empty"}),
        ("nothing", {}),
        ("settings", {}),
        ("trace", {"trace_id": "x"}),
    ],
)
def test_a_page_without_figures_is_left_to_streamlit(path: str, query: dict[str, str]) -> None:
    assert html(path, **{"win": "7d", **query}) == ""


def test_a_browser_that_never_said_its_zone_waits() -> None:
    assert FIRSTS(request("traces", {"win": "7d"}, "other=1")) == b""


def test_who_is_nobody_sees_nothing_and_a_person_sees_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = tmp_path / "users"
    add(users, "ana", "reviewer", "correct horse battery")  # a made-up password of a test
    monkeypatch.setenv("WAYPOST_USERS", str(users))
    sessions = Sessions(b"s" * 32, users)
    firsts = first_of(Settings.read(), sessions)
    assert firsts is not None
    stranger, ana = f"{ZONE}=UTC", sessions.start(read_users(users)["ana"])
    assert firsts(request("traces", {"win": "7d"}, stranger)) == b""
    seen = firsts(request("traces", {"win": "7d"}, f"{stranger}; {COOKIE}={ana}")).decode()
    assert '"who":"ana · reviewer"' in seen


def test_with_a_provider_only_streamlit_knows_who_looks(tmp_path: Path) -> None:
    assert first_of(Settings(users=tmp_path / "users"), None) is None
    assert first_of(Settings(), None) is not None


def test_old_figures_are_never_painted_for_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    assert html("traces", win="7d")
    data.forget()

    def away() -> None:
        raise StoreAway("Postgres does not answer: connection refused")

    monkeypatch.setattr(data, "reading", away)
    assert html("traces", win="7d") == ""
