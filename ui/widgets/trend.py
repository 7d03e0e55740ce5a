"""A fail rate over time, with its interval, what was usual before, and what changed when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import streamlit as st

from ui import words
from ui.widgets.inline import component
from waypost.rates import Rate, percent
from waypost.records import Json
from waypost.store.rates import Point

MS = timedelta(milliseconds=1)
_TOPS = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)  # where a line's axis may end: a quarter of each is round


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened: a version was seen for the first time."""

    at: datetime
    said: str


def trend(
    points: Sequence[Point],
    *,
    usual: Rate | None,
    marks: Sequence[Mark] = (),
    since: datetime,
    until: datetime,
    step: timedelta,
) -> None:
    """Draws the line, and for each hour its interval."""
    shown = [p for p in points if p.at >= since and p.rate.share is not None]
    if not shown:
        st.text("No verdicts of this cell in this window.")
        return
    known = usual if usual is not None and usual.share is not None else None
    near: list[Json] = [[_ms(m.at), words.one_line(m.said, 60)] for m in marks if m.at >= since]
    component("trend")(
        key="trend",
        data={
            "points": [_point(p, min(step, until - p.at)) for p in shown],
            "usual": None if known is None else [known.low, known.high],
            "marks": near,
            "since": _ms(min(since, shown[0].at)),
            "until": _ms(until),
            "top": next(t for t in _TOPS if t >= min(1.0, max(p.rate.high for p in shown))),
            "label": f"Fail rate over time, now {words.rate(shown[-1].rate)}",
        },
    )
    if known is not None:
        st.caption(
            f"Band: the 7 days before, {percent(known.share or 0.0)} of {known.n:,.0f}. "
            "Bars: the interval of each point."
        )


def _point(point: Point, size: timedelta) -> Json:
    """In the middle of its hour: at its start it would lie before what happened in that hour."""
    rate, ends = point.rate, point.at + size
    said = (
        f"{words.clock(point.at)}–{words.clock(ends)}: {words.rate(rate)}, interval "
        f"{words.interval(rate)} ({point.at:%Y-%m-%d %H:%M}–{ends:%H:%M} UTC)"
    )
    half = size / 2
    return [_ms(point.at + half), rate.share, rate.low, rate.high, said, half / MS]


def _ms(at: datetime) -> float:
    return at.timestamp() * 1000
