"""The app: who looks, which screens there are, and nothing else."""

from collections.abc import Callable
from importlib.resources import files

import streamlit as st

from ui import data, frame
from ui.screen import Screen, every
from waypost.errors import NotAllowed, NotFound, StoreAway, WaypostError

PAGES = "waypost_pages"
HOME = "cohorts"


def run(first: str = HOME) -> None:
    """Draw the screen the address names."""
    icon = files("ui") / "static" / "icon.png"
    st.set_page_config(page_title="Waypost", page_icon=str(icon), layout="wide")
    frame.style()
    screens = screens_found()
    pages = {s.path: st.Page(_drawn(s), title=s.title, url_path=s.path, default=s.path == first,
                             visibility="hidden" if s.hidden else "visible")
             for s in screens}  # fmt: skip
    st.session_state[PAGES] = pages
    st.logo(str(files("ui") / "static" / "logo.svg"), size="large")
    st.navigation(list(pages.values()), position="top").run()


@st.cache_resource(show_spinner=False)
def screens_found() -> list[Screen]:
    """Looked for once a process: it reads a file of every package that is installed."""
    return every()


def _drawn(screen: Screen) -> Callable[[], None]:
    def draw() -> None:
        try:
            person = data.person()
        except NotAllowed as error:
            _refuse(error)
            return
        except StoreAway as error:
            frame.draw_away(error)
            return
        st.session_state[frame.PERSON] = person
        frame.draw_who(person)
        _draw(screen)

    draw.__name__ = screen.path
    return draw


def _draw(screen: Screen) -> None:
    slot = st.container(key="stale")
    try:
        frame.draw_controls(screen)
        screen.draw()
    except StoreAway as error:
        frame.draw_away(error)
    except (NotFound, NotAllowed) as error:
        st.warning("That cannot be shown.", icon="⚠️")
        st.text(str(error))
    except WaypostError as error:
        st.error("That did not work.", icon="⚠️")
        st.text(str(error))
    with slot:
        frame.draw_staleness()


def _refuse(error: NotAllowed) -> None:
    st.header("Waypost", anchor=False)
    st.text(str(error))
    if data.uses_provider():
        st.button("Sign in", type="primary", on_click=st.login)
        if data.is_known_to_provider():
            st.button("Sign out", on_click=st.logout)
    else:
        st.html('<a href="/login">Sign in</a>')
