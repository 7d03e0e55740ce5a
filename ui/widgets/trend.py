"""A fail rate over time, with its interval, what was usual before, and what changed when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import altair as alt
import pandas as pd
import streamlit as st

from ui import words
from waypost.rates import Rate, percent
from waypost.store.rates import Point


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
) -> None:
    """Draws the line, and for each hour its interval."""
    shown = [p for p in points if p.at >= since and p.rate.share is not None]
    if not shown:
        st.text("No verdicts of this cell in this window.")
        return
    data = pd.DataFrame(
        {
            "at": [words.local(p.at).replace(tzinfo=None) for p in shown],
            "share": [p.rate.share for p in shown],
            "low": [p.rate.low for p in shown],
            "high": [p.rate.high for p in shown],
            "failed": [words.rate(p.rate) for p in shown],
            "interval": [words.interval(p.rate) for p in shown],
            "UTC": [f"{p.at:%Y-%m-%d %H:%M}" for p in shown],
        }
    )
    top = min(1.0, max(0.1, float(data["high"].max()) * 1.05))
    y = alt.Y("share:Q", title=None, scale=alt.Scale(domain=[0, top]), axis=alt.Axis(format="%"))
    ends = [words.local(moment).replace(tzinfo=None).isoformat() for moment in (since, until)]
    axis = alt.Axis(format="%d %b %H:%M", labelOverlap="greedy", tickCount=8)
    x = alt.X("at:T", title=None, scale=alt.Scale(domain=ends), axis=axis)
    base = alt.Chart(data).encode(x=x)
    layers: list[alt.Chart] = []
    if usual is not None and usual.share is not None:
        band = pd.DataFrame({"low": [usual.low], "high": [usual.high]})
        layers.append(
            alt.Chart(band).mark_rect(color="#7b8ba3", opacity=0.25).encode(y="low:Q", y2="high:Q")
        )
    layers.append(base.mark_rule(color="#e8590c", opacity=0.45, strokeWidth=3).encode(
        y=alt.Y("low:Q", scale=alt.Scale(domain=[0, top])), y2="high:Q"))  # fmt: skip
    layers.append(base.mark_line(color="#d9480f", strokeWidth=2).encode(y=y))
    layers.append(
        base.mark_point(color="#d9480f", filled=True, size=55, opacity=1).encode(
            y=y, tooltip=["failed:N", "interval:N", "UTC:N"]
        )
    )
    layers += _rules(marks)
    st.altair_chart(
        alt.layer(*layers).properties(height=220), width="stretch",
        alt=f"Fail rate over time, now {words.rate(shown[-1].rate)}",
    )  # fmt: skip
    if usual is not None and usual.share is not None:
        st.caption(
            f"Band: the 7 days before, {percent(usual.share)} of {usual.n:,.0f}. "
            "Bars: the interval of each point."
        )


def _rules(marks: Sequence[Mark]) -> list[alt.Chart]:
    if not marks:
        return []
    data = pd.DataFrame(
        {
            "at": [words.local(m.at).replace(tzinfo=None) for m in marks],
            "said": [words.one_line(m.said, 60) for m in marks],
        }
    )
    base = alt.Chart(data).encode(x="at:T")
    return [
        base.mark_rule(color="#3b7dd8", strokeDash=[5, 3], strokeWidth=1.5),
        base.mark_text(align="left", dx=5, dy=-6, baseline="top", color="#3b7dd8", y=8).encode(
            text="said:N"
        ),
    ]
