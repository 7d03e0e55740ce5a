"""Our own inline components: a script and a style in a folder, nothing of a trace in either."""

from importlib.resources import files
from typing import Any

import streamlit as st


@st.cache_resource(show_spinner=False)
def component(name: str) -> Any:
    """A component of `ui/grid`, made once a process."""
    folder = files("ui") / "grid"
    return st.components.v2.component(
        f"waypost_{name}",
        css=(folder / f"{name}.css").read_text(encoding="utf-8"),
        js=(folder / f"{name}.js").read_text(encoding="utf-8"),
    )
