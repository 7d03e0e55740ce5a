"""Every screen that discovery finds draws an empty, a seeded and a hostile store."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

import pytest
import streamlit as st
from sqlalchemy.engine import Engine

from tests import seed
from tests.conftest import clone
from tests.unit.ui.pages import open_screen, texts
from ui.screen import Screen, every
from waypost.store.engine import connect

SCREENS = every()
Here = Callable[[str], list[str]]
BY_PATH = [pytest.param(s, id=s.path) for s in SCREENS]


@dataclasses.dataclass(frozen=True, slots=True)
class Store:
    """A database that screens draw and do not change, and the traces in it."""

    url: str
    traces: list[str]


def fill_seeded(engine: Engine) -> list[str]:
    traces = seed.seed(engine, runs=60)
    seed.tried(engine, traces)
    return traces


def fill_hostile(engine: Engine) -> list[str]:
    traces = seed.hostile(engine)
    seed.tried(engine, traces, text=seed.PAYLOADS[0])
    return traces


FILLED = {"empty": lambda engine: [], "seeded": fill_seeded, "hostile": fill_hostile}


@pytest.fixture(scope="module")
def stores(servers: dict[str, str]) -> Iterator[dict[str, Store]]:
    with contextlib.ExitStack() as stack:
        made = {}
        for name, fill in FILLED.items():
            url = stack.enter_context(contextlib.contextmanager(clone)(servers["18"]))
            engine = connect(url)
            made[name] = Store(url, fill(engine))
            engine.dispose()
        yield made


@pytest.fixture
def here(stores: dict[str, Store], monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    """Has the screens read the store of that name."""

    def read(name: str) -> list[str]:
        monkeypatch.setenv("WAYPOST_DATABASE_URL", stores[name].url)
        return stores[name].traces

    yield read
    st.cache_resource.clear()


def query_of(path: str, traces: list[str]) -> dict[str, str]:
    """An address under which a screen shows the most."""
    first, second = [*traces, "", ""][:2]
    return (
        {
            "trace": {"trace_id": first},
            "compare": {"a": first, "b": second},
            "datasets": {"add": first},
            "alerts": {"new": "1"},
            "cohorts": {"mode": "change"},
        }.get(path, {})
        if first
        else {}
    )


@pytest.mark.parametrize("screen", BY_PATH)
def test_a_screen_says_which_question_it_answers(screen: Screen) -> None:
    assert screen.question.endswith((".", "?"))
    assert screen.path.islower()


def test_the_issue_s_screens_are_there() -> None:
    wanted = {"cohorts", "traces", "trace", "compare", "review", "evaluators", "alerts",
              "datasets", "settings"}  # fmt: skip
    assert wanted <= {s.path for s in SCREENS}


@pytest.mark.parametrize("screen", BY_PATH)
def test_a_screen_draws_an_empty_store(screen: Screen, here: Here) -> None:
    here("empty")
    page = open_screen(screen.path)
    assert not page.exception
    assert texts(page)


@pytest.mark.parametrize("screen", BY_PATH)
def test_a_screen_draws_a_seeded_store(screen: Screen, here: Here) -> None:
    traces = here("seeded")
    page = open_screen(screen.path, **query_of(screen.path, traces))
    assert not page.exception
    assert texts(page)


@pytest.mark.parametrize("screen", BY_PATH)
def test_a_screen_draws_a_hostile_store_without_markdown(screen: Screen, here: Here) -> None:
    traces = here("hostile")
    page = open_screen(screen.path, win="7d", **query_of(screen.path, traces))
    assert not page.exception
    for said in [*page.markdown, *page.caption, *page.header, *page.info, *page.warning]:
        assert "attacker" not in str(said.value)
    labels = [str(getattr(w, "label", "")) for w in (*page.button, *page.selectbox, *page.expander)]
    assert not [one for one in labels if "attacker.invalid/" in one or "![" in one or "<" in one]


@pytest.mark.parametrize("screen", BY_PATH)
def test_a_bad_link_is_a_sentence_never_a_traceback(screen: Screen, here: Here) -> None:
    here("empty")
    names = ("trace_id", "step", "a", "b", "win", "by", "evaluator", "project", "env", "after",
             "add", "until", "mode", "incident", "dataset", "trial")  # fmt: skip
    for value in ("", "x", "-1", "0" * 32, "9" * 40, "<b>", "\ud7ff%00"):
        page = open_screen(screen.path, **dict.fromkeys(names, value), k__model=value)
        assert not page.exception
        assert texts(page)


def test_screens_are_frozen_records() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        SCREENS[0].title = "x"  # type: ignore[misc]  # that is what must fail
