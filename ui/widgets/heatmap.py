"""The grid of fail rates: a cell for each cohort and evaluator, with its text, n and interval."""

from collections.abc import Callable, Sequence
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from ui import words
from ui.ranking import FEW, Row, shown
from waypost.rates import percent

_ROW = 34
KEY = "heatmap"


def heatmap(
    rows: Sequence[Row],
    evaluators: Sequence[str],
    *,
    changes: bool,
    flagged: set[tuple[int, int]],
    chosen: tuple[int, int] | None,
    on_choose: Callable[[], None],
) -> None:
    """Draws the grid; a chosen cell is in the session under KEY as `selection.cell`."""
    data = _data(rows, evaluators, changes=changes, flagged=flagged, chosen=chosen)
    pick = alt.selection_point(name="cell", fields=["r", "e"], empty=False)
    base = alt.Chart(data).encode(
        x=alt.X("column:N", sort=None, title=None,
                axis=alt.Axis(orient="top", labelAngle=0, labelLimit=150, domain=False,
                              ticks=False, labelPadding=6)),
        y=alt.Y("line:N", sort=None, title=None,
                axis=alt.Axis(labelLimit=330, domain=False, ticks=False, labelPadding=8,
                              labelFlush=False, labelBound=False)),
    )  # fmt: skip
    boxes = base.mark_rect(cornerRadius=3, strokeWidth=2.5, cursor="pointer").encode(
        color=_scale(changes),
        stroke=alt.Stroke("edge:N", scale=None),
        opacity=alt.Opacity("opacity:Q", scale=None),
        tooltip=[alt.Tooltip(f"{name}:N", title=name) for name in
                 ("cohort", "evaluator", "failed", "interval", "before")],
    ).add_params(pick)  # fmt: skip
    marks = base.mark_text(fontSize=13).encode(
        text="text:N",
        color=alt.condition(
            "datum.dark", alt.value("#ffffff"), alt.value("#e6eaf0" if _is_dark() else "#1b2430")
        ),
    )
    chart = (
        (boxes + marks)
        .properties(height=max(1, len(rows)) * _ROW + 34)
        .configure_view(strokeWidth=0)
        .configure_axis(grid=False, labelFontSize=13)
    )
    st.altair_chart(
        chart, width="stretch", key=KEY, on_select=on_choose, selection_mode="cell",
        alt=f"Fail rates of {len(rows)} cohorts by {len(evaluators)} evaluators; "
        "the same numbers stand in the table below.",
    )  # fmt: skip


def _is_dark() -> bool:
    return st.context.theme.type == "dark"


def _scale(changes: bool) -> alt.Color:
    dark = _is_dark()
    if changes:
        scale = alt.Scale(
            domain=[-0.2, -0.02, 0, 0.02, 0.2], clamp=True, interpolate="rgb",
            range=["#2f62b5", "#1d2f4d", "#1a212c", "#40291c", "#c4470a"] if dark
            else ["#3b7dd8", "#dbe9fb", "#f3f5f8", "#fde7d2", "#e8590c"],
        )  # fmt: skip
    else:
        scale = alt.Scale(
            domain=[0, 0.05, 0.12, 0.25, 0.4], clamp=True, interpolate="rgb",
            range=["#1a212c", "#33261f", "#5f3517", "#a34a12", "#d2400f"] if dark
            else ["#f3f5f8", "#fdebdc", "#fbc79b", "#f0803c", "#c2330f"],
        )  # fmt: skip
    return alt.Color("shade:Q", scale=scale, legend=None)


def _data(
    rows: Sequence[Row],
    evaluators: Sequence[str],
    *,
    changes: bool,
    flagged: set[tuple[int, int]],
    chosen: tuple[int, int] | None,
) -> pd.DataFrame:
    lines: list[dict[str, Any]] = []
    names = _unique([words.one_line(name, 40) for name in evaluators])
    labels = _unique([row.label for row in rows])
    for r, row in enumerate(rows):
        for e, name in enumerate(evaluators):
            one = row.cells.get(name)
            if one is None:
                continue
            after, before = one.change.after, one.change.before
            shade = (one.change.difference or 0.0) if changes else (after.share or 0.0)
            flag = (r, e) in flagged
            lines.append(
                {
                    "r": r, "e": e, "line": labels[r], "column": names[e], "shade": shade,
                    "text": shown(changes, one) + (" ▲" if flag else ""),
                    "flag": flag,
                    "dark": after.n >= FEW and (shade > 0.28 if not changes else abs(shade) > 0.13),
                    "opacity": 0.5 if after.n < FEW else 1.0,
                    "edge": "#1d4ed8" if (r, e) == chosen else "#ffffff00",
                    "cohort": row.label, "evaluator": name,
                    "failed": words.rate(after) + f" ({after.k:,.0f} failed)",
                    "interval": words.interval(after),
                    "before": "nothing" if before.share is None
                    else f"{percent(before.share)} of {before.n:,.0f}",
                }
            )  # fmt: skip
    return pd.DataFrame(lines)


def _unique(names: Sequence[str]) -> list[str]:
    """Two names that look alike would share a line of the grid."""
    seen: dict[str, int] = {}
    made = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        made.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return made


def picked() -> tuple[int, int] | None:
    """The cell that was clicked, as row and column."""
    state: Any = st.session_state.get(KEY) or {}
    selection = state["selection"].get("cell") if "selection" in state else None
    if not selection:
        return None
    first = selection[0]
    return int(first["r"]), int(first["e"])
