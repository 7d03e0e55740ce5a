"""One chosen cell: its line over time, what changed, why, and the newest runs that show it."""

import datetime as dt
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import log
from typing import Any

import streamlit as st

from ui import causes, data, go, place, subjects, words
from ui.place import Place
from ui.widgets import text
from ui.widgets.trend import Mark, trend
from waypost.links import cell_query
from waypost.rates import Rate
from waypost.store.rates import Compared, Failing, Point

_BACK = 7


def where_of(here: Place, one: Compared) -> dict[str, str | None]:
    """The cohorts of a cell."""
    return {**here.where, **{key: value or None for key, value in one.values.items()}}


def draw(here: Place, one: Compared) -> None:
    """The detail below the grid."""
    where = where_of(here, one)
    st.divider()
    text.heading(f"{words.judge(one.evaluator)} in {words.cohort(one.values)}", key="cell")
    points = data.series(here, one.evaluator, where, back=_BACK)
    since = here.window().since
    usual = _usual(points, since)
    newest = data.failing(here, one.evaluator, where)
    _sentences(here, one, newest)
    trend(points, usual=usual, marks=marks_of(here, one), since=since,
          until=here.window().until, step=data.step_of_line(here, _BACK))  # fmt: skip
    _newest(here, one, newest)
    _buttons(here, one)


def _usual(points: Sequence[Point], since: dt.datetime) -> Rate | None:
    before = [p.rate for p in points if p.at < since]
    n = sum(r.n for r in before)
    return Rate.of(sum(r.k for r in before), n) if n else None


def since_when(here: Place, one: Compared, *, is_new: bool) -> dt.datetime | None:
    """When the cell began to fail more: the first failure of the hour that best divides its past.

    A new cohort without such an hour has failed since its first hour.
    """
    where = where_of(here, one)
    points = data.series(here, one.evaluator, where, back=1)
    hour = change_hour(points)
    if hour is None and is_new and points:
        hour = points[0].at
    return hour and (data.first_failing(here, one.evaluator, where, hour) or hour)


def change_hour(points: Sequence[Point]) -> dt.datetime | None:
    """The first hour of the worse half under the most likely split; None without a rise."""
    best, found = 3.0, None
    n, k = sum(p.rate.n for p in points), sum(p.rate.k for p in points)
    before_n = before_k = 0.0
    for earlier, later in pairwise(points):
        before_n += earlier.rate.n
        before_k += earlier.rate.k
        after_n, after_k = n - before_n, k - before_k
        if not before_n or not after_n or after_k / after_n <= before_k / before_n:
            continue
        gain = _likely(before_k, before_n) + _likely(after_k, after_n) - _likely(k, n)
        if gain > best:
            best, found = gain, later.at
    return found


def _likely(k: float, n: float) -> float:
    """Log-likelihood of k of n under their own rate."""
    share = k / n
    return 0.0 if share in (0.0, 1.0) else k * log(share) + (n - k) * log(1 - share)


def marks_of(here: Place, one: Compared) -> list[Mark]:
    """What was seen for the first time in this window, of what the runs of the cell carry."""
    carried = causes.explained(here, one.evaluator, where_of(here, one)).versions
    return [Mark(at, said) for at, said in causes.first_seen(here, carried)]


def _sentences(here: Place, one: Compared, newest: Sequence[Failing]) -> None:
    change = one.change
    now, before = words.rate(change.after), words.rate(change.before)
    other = place.earlier_side()
    than = f"with {other}" if other else "before"
    did = subjects.did(one.evaluator)
    said = [f"{now} {did} (interval {words.interval(change.after)}); {than}: {before}."]
    said += causes.explained(here, one.evaluator, where_of(here, one)).sentences
    if not newest:
        said.append("No failing run of this cell is stored in this window.")
    text.lines(said)


def _newest(here: Place, one: Compared, newest: Sequence[Failing]) -> None:
    if not newest:
        return
    st.header(f"Newest failing runs ({len(newest)})", anchor=False)
    shown = [
        {
            "at": words.local(f.at).replace(tzinfo=None),
            "why": words.one_line(f.explanation or f.label or "", 200),
            "score": f.value,
            "judged": "a step" if f.span_id else "the whole run",
            "trace": f.trace_id,
        }
        for f in newest
    ]
    column = st.column_config
    picked: Any = st.dataframe(
        shown, hide_index=True, key="cell_newest", on_select="rerun",
        selection_mode="single-row", alt="The newest failing runs of the chosen cell",
        column_config={
            "at": column.DatetimeColumn("at", format="D MMM HH:mm:ss", width=130),
            "why": column.TextColumn("why", width=560),
            "score": column.NumberColumn("score", format="%.2f", width=70),
            "judged": column.TextColumn("judged", width=110),
            "trace": column.TextColumn("trace", width=280),
        },
    )  # fmt: skip
    rows = picked["selection"]["rows"] if picked else []
    if rows and rows[0] < len(newest):
        go.to_step(newest[rows[0]].trace_id, None, back=_query(here, one))


def _query(here: Place, one: Compared) -> Mapping[str, str]:
    values = {key: value or None for key, value in one.values.items()}
    return cell_query(one.evaluator, values, window=here.win)


def _buttons(here: Place, one: Compared) -> None:
    query, others = dict(_query(here, one)), {"verdict": None, "status": None}
    is_judged = not subjects.of_runs(one.evaluator)
    what = words.plural(int(one.change.after.k), "failed verdict" if is_judged else "run")
    with st.container(horizontal=True):
        if st.button(f"All {what} →", key="cell_all"):
            go.to_query("traces", {**query, **others, "verdict": "fail" if is_judged else None})
        if st.button("Alert on this", key="cell_alert"):
            go.to_query("alerts", {**query, "new": "1"})
        if st.button("Make a dataset", key="cell_dataset"):
            go.to_query("datasets", {**query, **others, "new": "1"})
        if is_judged and st.button("Review these", key="cell_review"):
            go.to_query("review", {"evaluator": one.evaluator})
