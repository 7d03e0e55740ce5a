"""What stands around every screen: the menu, the project, the window, and what went wrong."""

import time
from dataclasses import dataclass
from html import escape
from importlib.resources import files

import streamlit as st

from ui import data, opened, place, words
from ui.place import Place
from ui.screen import Screen
from waypost.links import WINDOWS
from waypost.roles import Person
from waypost.store.projects import DEFAULT, Project

PERSON, PLACE = "waypost_person", "waypost_place"
_ALL = "all environments"


def style() -> None:
    """Our own rules for the stock pages: constants, never content."""
    rules = (files("ui") / "widgets" / "page.css").read_text(encoding="utf-8")
    st.html(f"<style>{rules}</style>")


def here() -> Place:
    """Where the reader is."""
    found = st.session_state[PLACE]
    assert isinstance(found, Place)
    return found


def reader() -> Person:
    """Who the reader is."""
    found = st.session_state[PERSON]
    assert isinstance(found, Person)
    return found


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing every screen is asked about: what may be chosen, and what is."""

    name: str
    options: list[str]
    chosen: str
    title: str
    nothing: str | None = None


def place_and_choices() -> tuple[Place, list[Choice]]:
    """Where the address says the reader is, and what else they may choose there."""
    known = data.all_projects()
    project = _project(known)
    environments = data.environments(project.id)
    environment = place.get("env") or None
    choices = []
    if len(known) > 1:
        choices.append(Choice("project", [p.name for p in known], project.name, "Project"))
    if len(environments) > 1 or environment is not None:
        options = [_ALL, *environments]
        if environment is not None and environment not in options:
            options.append(environment)
        choices.append(Choice("env", options, environment or _ALL, "Environment", _ALL))
    return Place(project, place.window_name(), environment, place.until()), choices


def draw_controls(screen: Screen) -> None:
    """The line under the menu: the screen's question, and what every screen is asked about."""
    found, choices = place_and_choices()
    st.session_state[PLACE] = found
    if screen.bare:
        st.html(f'<h1 class="wp-hidden">{escape(screen.title)}</h1>')
        _say_which(found)
        return
    with st.container(key="frame", horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(key="frame_title", width="stretch", gap=None):
            st.html(f"<h1>{escape(screen.title)}</h1><p>{escape(screen.question)}</p>")
        for choice in choices:
            _choose(choice)
        if (
            screen.windowed
            and found.until is not None
            and st.button(
                "✕ " + words.clock(found.until), help="The window ends here; click for now."
            )
        ):
            place.put(until=None)
            st.rerun()
        if screen.windowed:
            _windows(found.win)
    _say_which(found)


def _say_which(found: Place) -> None:
    """An address may name a project that is not here, as in a link from another installation."""
    wanted = place.get("project", DEFAULT)
    if wanted not in (found.project.name, DEFAULT):
        named = words.one_line(wanted, 60)
        st.text(f"⚠ There is no project {named} here. This is {found.project.name}.")


def _project(known: list[Project]) -> Project:
    wanted = place.get("project", DEFAULT)
    named = {p.name: p for p in known}
    return named.get(wanted) or named.get(DEFAULT) or known[0]


def _choose(choice: Choice) -> None:
    key = f"frame_choice_{choice.name}"
    place.follow(key, choice.chosen)

    def changed() -> None:
        value = st.session_state[key]
        place.put(**{choice.name: None if value == choice.nothing else value})

    st.selectbox(
        choice.title, choice.options, key=key, on_change=changed, format_func=words.label,
        width=170, label_visibility="collapsed",
    )  # fmt: skip


def _windows(win: str) -> None:
    place.follow("frame_win", win)

    def changed() -> None:
        place.put(win=st.session_state["frame_win"], until=None)

    st.segmented_control(
        "Window", list(WINDOWS), key="frame_win", on_change=changed, required=True,
        label_visibility="collapsed",
    )  # fmt: skip


def draw_staleness() -> None:
    """After the screen: when its figures are old because Postgres is away, how old."""
    since = st.session_state.pop(data.STALE, None)
    if since is not None:
        age = words.took(max(0.0, time.time() - float(since)))
        st.warning(
            f"Postgres does not answer. These are the last figures, {age} old; "
            "the page goes on by itself when it is back.",
            icon="⚠️",
        )


def draw_away(error: Exception) -> None:
    """Nothing to show because Postgres is away."""
    st.warning("Postgres does not answer, so there is nothing to show yet.", icon="⚠️")
    st.text(str(error))
    if st.button("Try again", type="primary"):
        st.rerun()


def draw_who(person: Person) -> None:
    """Who is signed in, and the way out; nothing on an installation without a login."""
    if opened.settings().users is None:
        return
    with st.container(key="who", horizontal=True, horizontal_alignment="right"):
        st.text(f"{person.name} · {person.role}")
        if data.uses_provider():
            st.button("Sign out", type="tertiary", on_click=st.logout)
        else:
            sign_out_form()


def sign_out_form() -> None:
    st.html('<form method="post" action="/logout"><button class="plain">Sign out</button></form>')
