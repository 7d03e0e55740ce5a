"""The replay on a page: the one inline component, which walks a run without asking the server."""

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import streamlit as st

_PARTS = ("pure.js", "step.js", "replay.js")


def script() -> str:
    """The component's code: three files end to end, nothing of a trace in any of them."""
    folder = files("ui") / "replay"
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in _PARTS)


def _style() -> str:
    return (files("ui") / "replay" / "replay.css").read_text(encoding="utf-8")


@st.cache_resource(show_spinner=False)
def _component() -> Any:
    return st.components.v2.component("waypost_replay", css=_style(), js=script())


def replay(
    *,
    key: str,
    trace: str,
    step: int,
    jump: int,
    token: str,
    stamp: str,
    can_review: bool,
    on_step: Callable[[], None],
) -> Any:
    """Draws the replay; the result holds `step`, and at times `verdict`, `leave` or `renew`.

    The reader moves by themselves: `step` counts at first and whenever `jump` is another number.
    """
    return _component()(
        key=key,
        data={
            "trace": trace, "step": step, "jump": jump, "token": token, "stamp": stamp,
            "can_review": can_review,
        },
        default={"step": step},
        on_step_change=on_step,
        on_verdict_change=_nothing,
        on_leave_change=_nothing,
        on_renew_change=_nothing,
    )  # fmt: skip


def _nothing() -> None:
    """A trigger reruns the page; the page reads what was triggered from the result."""
