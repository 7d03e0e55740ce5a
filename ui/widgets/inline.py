"""Our own inline components: a script and a style in a folder, nothing of a trace in either."""

from importlib.resources import files
from typing import Any

import streamlit as st


def script(folder: str, *names: str) -> str:
    """The code of a component: what all of them draw with, then its own files, end to end."""
    here = files("ui")
    own = ((here / folder / f"{name}.js").read_text(encoding="utf-8") for name in names)
    return "\n".join([(here / "element.js").read_text(encoding="utf-8"), *own])


def style(folder: str, name: str) -> str:
    return (files("ui") / folder / f"{name}.css").read_text(encoding="utf-8")


@st.cache_resource(show_spinner=False)
def component(name: str) -> Any:
    """A component of `ui/grid`, made once a process."""
    return st.components.v2.component(
        f"waypost_{name}", css=style("grid", name), js=script("grid", name)
    )
