"""Ways from one screen to another, with what the address must take along."""

from collections.abc import Mapping

import streamlit as st

from ui import place

PAGES = "waypost_pages"


def to(path: str, **more: str | None) -> None:
    """Open another screen, keeping project, window, environment and filters."""
    to_query(path, more)


def to_query(path: str, more: Mapping[str, str | None]) -> None:
    """Like `to`, for parameters whose names are not Python's."""
    st.switch_page(st.session_state[PAGES][path], query_params=place.along(more))


def link(path: str, label: str, more: Mapping[str, str] | None = None, **args: str) -> None:
    """A link that can be opened in another tab; `label` is ours, never a trace's."""
    query = place.along({**(more or {}), **args})
    st.page_link(st.session_state[PAGES][path], label=label, query_params=query)


def to_step(
    trace_id: str, step: int | None, *, back: Mapping[str, str | None] | None = None
) -> None:
    """Open a run at a step; without one the run opens at its first bad step."""
    number = str(step) if step else None
    to_query("trace", {**(back or {}), "trace_id": trace_id, "step": number})
