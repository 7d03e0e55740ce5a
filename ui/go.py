"""Ways from one screen to another, with what the address must take along."""

from collections.abc import Mapping

import streamlit as st

from ui import place

PAGES = "waypost_pages"


def to(path: str, **more: str | None) -> None:
    """Open another screen, keeping project, window and environment."""
    st.switch_page(st.session_state[PAGES][path], query_params=place.travelling(**more))


def to_query(path: str, more: Mapping[str, str]) -> None:
    """Like `to`, for parameters whose names are not Python's."""
    st.switch_page(st.session_state[PAGES][path], query_params={**place.travelling(), **more})


def link(path: str, label: str, more: Mapping[str, str] | None = None, **args: str) -> None:
    """A link that can be opened in another tab; `label` is ours, never a trace's."""
    st.page_link(
        st.session_state[PAGES][path], label=label,
        query_params={**place.travelling(), **(more or {}), **args},
    )  # fmt: skip


def to_step(trace_id: str, step: int | None, *, back: Mapping[str, str] | None = None) -> None:
    """Open a run at a step; without one the run opens at its first bad step."""
    more = dict(back or {}) | {"trace_id": trace_id}
    if step:
        more["step"] = str(step)
    to_query("trace", more)
