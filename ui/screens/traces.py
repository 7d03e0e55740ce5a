"""The list of runs: which runs make up a cell, newest first, a page at a time by key."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from ui import data, frame, go, place, words
from ui.data import Wanted
from ui.export import as_csv, as_json
from ui.place import Place
from ui.screen import screen
from ui.screens.trace import LIST
from ui.widgets import empty, text
from waypost.links import VALUE
from waypost.store.traces import Summary

_PAGE = 100
_PLAIN = ("evaluator", "verdict", "agent", "session", "user", "status", "tool", "text")
_TITLES = {"text": "name contains", "user": "user", "session": "session", "tool": "tool"}


@screen("Traces", order=20)
def traces() -> None:
    """Which runs are these, and what shape do they have?"""
    here = frame.here()
    wanted = wanted_of_address()
    _filters(wanted)
    after = _after()
    rows = data.page(here, wanted, after=after, most=_PAGE)
    if not rows:
        _nothing(here, wanted)
        return
    _sentence(here, wanted, rows, after)
    _table(here, rows)
    _pages(rows, after)


def wanted_of_address() -> Wanted:
    """The filters the address holds."""
    values = {name: place.get(name) or None for name in _PLAIN}
    return Wanted(where=tuple(place.chosen_values().items()), **values)


def _after() -> tuple[dt.datetime, str] | None:
    at, _, trace_id = place.get("after").partition("_")
    if not trace_id or not at.isdigit():
        return None
    return dt.datetime.fromtimestamp(int(at) / 1e6, dt.UTC), trace_id


def _filters(wanted: Wanted) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        _choice("verdict", "Verdict", {"": "any", "fail": "✕ failed", "pass": "✓ passed"})
        _choice("status", "Status", {"": "any", "ok": "ok", "error": "error", "running": "running"})
        for name, title in (("text", "Name contains"), ("tool", "Tool"), ("agent", "Agent"),
                            ("session", "Session"), ("user", "User")):  # fmt: skip
            _typed(name, title)
    _chips(wanted)


def _choice(name: str, title: str, options: Mapping[str, str]) -> None:
    key = f"filter_{name}"
    given = place.get(name)
    st.session_state[key] = given if given in options else ""

    def changed() -> None:
        place.put(**{name: st.session_state[key], "after": None})

    st.selectbox(title, list(options), key=key, format_func=options.__getitem__, width=130,
                 on_change=changed)  # fmt: skip


def _typed(name: str, title: str) -> None:
    key = f"filter_{name}"
    st.session_state[key] = place.get(name)

    def changed() -> None:
        place.put(**{name: str(st.session_state[key]).strip(), "after": None})

    st.text_input(title, key=key, on_change=changed, width=150)


def _chips(wanted: Wanted) -> None:
    """The filters that came with a link, each with a way to take it out."""
    chosen = [(VALUE + k, f"{k} is {v or 'not set'}") for k, v in wanted.where]
    if wanted.evaluator:
        chosen.append(("evaluator", f"failed by {wanted.evaluator}"))
    if not chosen:
        return
    with st.container(horizontal=True, key="chips", vertical_alignment="center"):
        for name, said in chosen:
            if st.button("✕", key=f"chip_{name}", help="Take this filter out"):
                st.query_params.pop(name, None)
                st.query_params.pop("after", None)
                st.rerun()
            st.text(words.one_line(said, 80), width="content")


def _sentence(
    here: Place, wanted: Wanted, rows: Sequence[Summary], after: tuple[dt.datetime, str] | None
) -> None:
    failed = sum(row.fails > 0 for row in rows)
    more = "the newest " if len(rows) == _PAGE and after is None else ""
    older = "older " if after is not None else ""
    noun = words.plural(len(rows), f"{older}run")
    by = f" by {wanted.evaluator}" if wanted.evaluator else ""
    text.mute(
        f"{more}{noun} of {here.said}; {failed} with a failed verdict{by}. "
        "Choose a line to open the run at its first bad step.",
        key="list",
    )


def frame_of(here: Place, rows: Sequence[Summary]) -> pd.DataFrame:
    """The lines of the table."""
    names = data.cohort_names(here, [r.cohort_id for r in rows if r.cohort_id is not None])
    return pd.DataFrame(
        {
            "started": [words.local(r.first_at).replace(tzinfo=None) for r in rows],
            "agent": [words.one_line(r.agent or r.name or "", 60) for r in rows],
            "cohort": [words.short_cohort(names.get(r.cohort_id or -1, {})) for r in rows],
            "shape": [r.shape for r in rows],
            "first bad": [r.first_bad_step for r in rows],
            "✕": [r.fails for r in rows],
            "worst": [r.worst_score for r in rows],
            "status": [_status(r) for r in rows],
            "steps": [r.steps for r in rows],
            "seconds": [(r.last_at - r.first_at).total_seconds() for r in rows],
            "cost": [r.cost_usd for r in rows],
            "trace": [r.trace_id for r in rows],
        }
    )


def _status(row: Summary) -> str:
    if not row.ended and row.status == "ok":
        return "… running"
    return "" if row.status == "ok" else f"! {row.status}"


def _table(here: Place, rows: Sequence[Summary]) -> None:
    shown = frame_of(here, rows)
    column = st.column_config
    chosen: Any = st.dataframe(
        shown,
        key="traces_table",
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        height=min(36 * (len(rows) + 1) + 4, 720),
        alt="Runs, newest first",
        column_config={
            "started": column.DatetimeColumn("started", format="D MMM HH:mm:ss", width=120),
            "agent": column.TextColumn("agent", width=150),
            "cohort": column.TextColumn("cohort", width=250),
            "shape": column.TextColumn(
                "shape", width=150, help="One mark a step: ✓ passed, ✕ failed, · not judged"
            ),
            "first bad": column.NumberColumn("first bad", width=70),
            "✕": column.NumberColumn("✕", width=50, help="Failed verdicts"),
            "worst": column.NumberColumn("worst", format="%.2f", width=65),
            "status": column.TextColumn("status", width=90),
            "steps": column.NumberColumn("steps", width=60),
            "seconds": column.NumberColumn("seconds", format="%.1f", width=75),
            "cost": column.NumberColumn("cost", format="$%.4f", width=80),
            "trace": column.TextColumn("trace", width=110),
        },
    )
    ids = [row.trace_id for row in rows]
    st.session_state[LIST] = ids
    picked = chosen["selection"]["rows"] if chosen else []
    if picked and picked[0] < len(rows):
        row = rows[picked[0]]
        go.to_step(row.trace_id, row.first_bad_step)


def _pages(rows: Sequence[Summary], after: tuple[dt.datetime, str] | None) -> None:
    with st.container(horizontal=True, key="pages"):
        if after is not None and st.button("⏮ Newest"):
            place.put(after=None)
            st.rerun()
        if len(rows) == _PAGE and st.button("Older ▸"):
            last = rows[-1]
            micros = int(last.first_at.timestamp() * 1e6)
            place.put(after=f"{micros}_{last.trace_id}")
            st.rerun()
        plain = [dict(zip(_COLUMNS, _values(r), strict=True)) for r in rows]
        st.download_button("CSV", as_csv(plain), "runs.csv", "text/csv", on_click="ignore")
        st.download_button("JSON", as_json(plain), "runs.json", "application/json",
                           on_click="ignore")  # fmt: skip


_COLUMNS = (
    "trace_id", "started", "agent", "name", "model", "prompt_version", "steps", "errors", "fails",
    "first_bad_step", "worst_score", "tokens_in", "tokens_out", "cost_usd",
)  # fmt: skip


def _values(row: Summary) -> tuple[object, ...]:
    return (
        row.trace_id, row.first_at.isoformat(), row.agent, row.name, row.model,
        row.prompt_version, row.steps, row.errors, row.fails, row.first_bad_step,
        row.worst_score, row.tokens_in, row.tokens_out, row.cost_usd,
    )  # fmt: skip


def _nothing(here: Place, wanted: Wanted) -> None:
    if wanted != Wanted():
        text.answer(f"No run of {here.said} fits these filters.")
        if st.button("Take all filters out", type="primary"):
            kept = place.travelling()
            st.query_params.from_dict(kept)
            st.rerun()
        return
    empty.no_runs(here)
