"""The replay on a page: the one inline component, which walks a run without asking the server."""

from collections.abc import Callable, Mapping
from typing import Any

from ui.widgets.inline import component
from waypost.records import Json


def replay(data: Mapping[str, Json], *, key: str, on_step: Callable[[], None]) -> Any:
    """Draws the replay; the result holds `step`, and at times `verdict`, `leave` or `renew`.

    The reader moves by themselves: `step` counts at first and whenever `jump` is another number.
    """
    return component("replay")(
        key=key,
        data=dict(data),
        default={"step": data["step"]},
        on_step_change=on_step,
        on_verdict_change=_nothing,
        on_leave_change=_nothing,
        on_renew_change=_nothing,
    )


def _nothing() -> None:
    """A trigger reruns the page; the page reads what was triggered from the result."""
