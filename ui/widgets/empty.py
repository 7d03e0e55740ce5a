"""What stands where nothing is yet: how to send a first run, and what is being waited for."""

import subprocess
import sys
from socket import gethostname
from typing import Final
from urllib.parse import urlsplit

import streamlit as st

from ui import data, frame, opened
from ui.place import Place
from ui.widgets import text
from waypost.roles import Role
from waypost.settings import Settings
from waypost.store.projects import DEFAULT

DEMO = "waypost_demo"
_EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to

_LINES = """import tracer

tracer.instrument(endpoint="{endpoint}"{key})
# … then run your LangChain or LangGraph agent as before."""


def first_lines(here: Place) -> str:
    """The three lines that send a first trace to this project."""
    current = opened.settings()
    key = ', project_key="wp_…"' if needs_key(here) else ""
    return _LINES.format(endpoint=_over_http(current), key=key)


def needs_key(here: Place) -> bool:
    """Whether what is sent must say by a key that it is for this project."""
    return opened.settings().needs_key or here.project.name != DEFAULT


def addresses(here: Place) -> str:
    """Where the collector listens."""
    current = opened.settings()
    lines = [
        f"OTLP over HTTP  {_over_http(current)}/v1/traces",
        f"OTLP over gRPC  {_host(current)}:{current.otlp_grpc}",
    ]
    if needs_key(here):
        lines.append("With the header x-api-key: wp_… (a key made under Settings)")
    return "\n".join(lines)


def _over_http(current: Settings) -> str:
    scheme = "https" if current.tls_cert else "http"
    return f"{scheme}://{_host(current)}:{current.otlp_http}"


def _host(current: Settings) -> str:
    """A name that other machines can send to, also where the collector listens everywhere."""
    if current.host in _EVERYWHERE:
        return urlsplit(current.public_url or "").hostname or gethostname()
    return f"[{current.host}]" if ":" in current.host else current.host


def no_runs(here: Place) -> None:
    """Nothing in this window; on a new installation, how to begin."""
    if data.has_runs(here):
        only = "" if here.environment is None else " or all environments"
        text.answer(f"No run began in {here.said}.", detail=f"Choose a longer window{only} above.")
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
    if here.project.name != DEFAULT:
        first_steps(here)
        return
    own, shown = st.columns(2, border=True)
    with own:
        first_steps(here)
    with shown:
        st.header("Or look around first", anchor=False)
        text.mute(
            "The demo is a real agent with a scripted model: a few hundred runs over two days, "
            "two cohorts of which fail. It needs no key and costs nothing.",
            key="demo",
        )
        st.code("waypost demo", language=None)
        _demo()


def first_steps(here: Place) -> None:
    """How to send a run to this project, from an agent or any other source."""
    st.header("Send a first run", anchor=False)
    if needs_key(here):
        text.mute("A key says for which project it is; make one under Settings.", key="key")
    text.mute("Three lines in your agent's program:", key="lines")
    st.code(first_lines(here), language=None)
    text.mute("From any other OpenTelemetry source:", key="sources")
    st.code(addresses(here), language=None)


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
