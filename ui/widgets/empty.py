"""What stands where nothing is yet: how to send a first run, and what is being waited for."""

import subprocess
import sys

import streamlit as st

from ui import data, frame, opened
from ui.place import Place
from ui.widgets import text
from waypost.roles import Role

DEMO = "waypost_demo"

_LINES = """import tracer

tracer.instrument(endpoint="{endpoint}")
# … then run your LangChain or LangGraph agent as before."""


def first_lines() -> str:
    """The three lines that send a first trace to this installation."""
    current = opened.settings()
    host = current.host if ":" not in current.host else f"[{current.host}]"
    return _LINES.format(endpoint=f"http://{host}:{current.otlp_http}")


def addresses() -> str:
    """Where the collector listens."""
    current = opened.settings()
    host = current.host if ":" not in current.host else f"[{current.host}]"
    return (
        f"OTLP over HTTP  http://{host}:{current.otlp_http}/v1/traces\n"
        f"OTLP over gRPC  {host}:{current.otlp_grpc}"
    )


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
    text.answer(
        "Nothing has arrived yet.",
        detail="This page goes on by itself when the first run is here.",
    )
    own, shown = st.columns(2, border=True)
    with own:
        st.header("Send a first run", anchor=False)
        text.mute("Three lines in your agent's program:", key="lines")
        st.code(first_lines(), language=None)
        text.mute("From any other OpenTelemetry source:", key="sources")
        st.code(addresses(), language=None)
    with shown:
        st.header("Or look around first", anchor=False)
        text.mute(
            "The demo is a real agent with a scripted model: a few hundred runs over two days, "
            "two cohorts of which fail. It needs no key and costs nothing.",
            key="demo",
        )
        st.code("waypost demo", language=None)
        _demo()


def _demo() -> None:
    """On this machine the demo can be sent from here."""
    if not opened.settings().on_loopback or not frame.reader().role.includes(Role.ADMIN):
        return
    started: subprocess.Popen[bytes] | None = st.session_state.get(DEMO)
    if started is None and st.button("Send the demo's runs", type="primary", key="demo_send"):
        command = [sys.executable, "-m", "waypost", "demo"]
        quiet = subprocess.DEVNULL
        started = st.session_state[DEMO] = subprocess.Popen(command, stdout=quiet, stderr=quiet)
    if started is not None:
        failed = started.poll() not in (None, 0)
        st.text("It could not be sent; `waypost demo` in a terminal says why." if failed
                else "The demo's runs are on their way …")  # fmt: skip
