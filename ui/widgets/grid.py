"""The grid of fail rates: a cell for each cohort and evaluator, with its rate, interval and n."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import streamlit as st

from ui import place, subjects, words
from ui.ranking import FEW, Row, shown
from ui.widgets.inline import component
from waypost.rates import percent
from waypost.records import Json
from waypost.store.rates import Compared

KEY: Final = "grid"
_RATES: Final = (0.004, 0.02, 0.05, 0.1, 0.15, 0.22, 0.3, 0.4)
_CHANGES: Final = (0.005, 0.02, 0.04, 0.06, 0.09, 0.12, 0.16, 0.2)
_PALEST_FEW: Final = 3


def drawn(
    rows: Sequence[Row],
    evaluators: Sequence[str],
    *,
    corner: str,
    changes: bool,
    titles: Mapping[str, str],
    flagged: set[tuple[int, int]],
    chosen: tuple[int, int] | None,
) -> dict[str, Json]:
    """What the script of the grid draws."""
    lines: list[Json] = [
        {
            "label": row.label,
            "cells": [
                _cell(row.cells.get(name), changes=changes, flagged=(r, e) in flagged)
                for e, name in enumerate(evaluators)
            ],
        }
        for r, row in enumerate(rows)
    ]
    return {
        "rows": lines,
        "columns": [titles[name] for name in evaluators],
        "corner": corner,
        "label": f"Fail rates of {len(rows)} cohorts by {len(evaluators)} evaluators",
        "chosen": None if chosen is None else list(chosen),
    }


def grid(data: Mapping[str, Json], *, on_choose: Callable[[], None]) -> None:
    """Draws the grid; `picked` names the cell while `on_choose` runs."""
    component("grid")(key=KEY, data=dict(data), on_cell_change=on_choose)


def picked() -> tuple[int, int] | None:
    """The cell that was chosen just now, as row and column."""
    state: Any = st.session_state.get(KEY) or {}
    cell = state.get("cell")
    return (int(cell[0]), int(cell[1])) if isinstance(cell, list) and len(cell) == 2 else None


def _cell(one: Compared | None, *, changes: bool, flagged: bool) -> Json:
    """Rate, what stands below it, shade from -8 to 8, few, flagged, and all of it in words."""
    if one is None or not one.change.after.n:
        return None
    after, few = one.change.after, one.change.after.n < FEW
    value = (one.change.difference or 0.0) if changes else (after.share or 0.0)
    shade = sum(abs(value) >= edge for edge in (_CHANGES if changes else _RATES))
    if few:
        shade = min(shade, _PALEST_FEW)
    below = f"{words.span(after.low, after.high)} % of {after.n:,.0f}"
    return [shown(changes, one), below, -shade if value < 0 else shade, few, flagged,
            _spoken(one, flagged=flagged)]  # fmt: skip


def _spoken(one: Compared, *, flagged: bool) -> str:
    after, before = one.change.after, one.change.before
    did = subjects.did(one.evaluator)
    failed = f"{percent(after.share or 0.0)} {did}, {after.k:,.0f} of {after.n:,.0f}"
    other = place.earlier_side()
    than = f"with {other}" if other else "before"
    was = f"nothing {than}" if before.share is None else f"{than} {words.rate(before)}"
    parts = [
        f"{words.judge(one.evaluator)} in {words.cohort(one.values)}: {failed}",
        f"interval {words.interval(after)}",
        was,
    ]
    return ", ".join([*parts, "surely worse than usual"] if flagged else parts)
