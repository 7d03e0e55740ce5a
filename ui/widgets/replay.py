"""The replay on a page: the one inline component, which walks a run without asking the server."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from ui.widgets.inline import script, style


@st.cache_resource(show_spinner=False)
def _component() -> Any:
    return st.components.v2.component(
        "waypost_replay",
        css=style("replay", "replay"),
        js=script("replay", "pure", "step", "replay"),
    )


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
