"""Our own inline components: scripts and a style in a folder, nothing of a trace in either."""

from importlib.resources import files
from typing import Any, Final

import streamlit as st

_FILES: Final = {
    "grid": ("grid", ("table", "grid")),
    "runs": ("grid", ("table", "runs")),
    "trend": ("grid", ("trend",)),
    "replay": ("replay", ("pure", "step", "replay")),
}


def script(name: str) -> str:
    """The code of a component: what all of them draw with, then its own files, end to end."""
    folder, parts = _FILES[name]
    own = ((files("ui") / folder / f"{part}.js").read_text(encoding="utf-8") for part in parts)
    return "\n".join([(files("ui") / "element.js").read_text(encoding="utf-8"), *own])


def style(name: str) -> str:
    """The rules of a component."""
    return (files("ui") / _FILES[name][0] / f"{name}.css").read_text(encoding="utf-8")


@st.cache_resource(show_spinner=False)
def component(name: str) -> Any:
    """A component, made once a process."""
    return st.components.v2.component(f"waypost_{name}", css=style(name), js=script(name))
