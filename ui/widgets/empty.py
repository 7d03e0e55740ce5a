"""What stands where nothing is yet: how to send a first run, and what is being waited for."""

import streamlit as st

from ui import data, opened
from ui.place import Place
from ui.widgets import text

_LINES = """import tracer

tracer.instrument(endpoint="{endpoint}")
# … then run your LangChain or LangGraph agent as before."""


def first_lines() -> str:
    """The three lines that send a first trace to this installation."""
    current = opened.settings()
    host = current.host if ":" not in current.host else f"[{current.host}]"
    return _LINES.format(endpoint=f"http://{host}:{current.otlp_http}")


def no_runs(here: Place) -> None:
    """Nothing in this window; on a new installation, how to begin."""
    if data.has_runs(here):
        text.answer(f"No run began in {here.said}.", detail="Choose a longer window above.")
        return
    st.fragment(_waiting, run_every="3s")(here)


def _waiting(here: Place) -> None:
    if data.has_runs_now(here):
        data.forget()
        st.rerun(scope="app")
    text.answer("Nothing has arrived yet.", detail="Three lines send the first run:")
    st.code(first_lines(), language=None)
    current = opened.settings()
    st.text(
        f"The collector listens for OTLP on http://{current.host}:{current.otlp_http} (HTTP) and "
        f"{current.host}:{current.otlp_grpc} (gRPC)."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text("Waiting … this page goes on by itself when the first run is here.")
    st.text("No agent at hand? `waypost demo` sends a few hundred runs with two planted faults.")
