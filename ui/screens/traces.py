"""The list of runs: which runs make up a cell, newest first, a page at a time by key."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

import streamlit as st

from ui import blocks, data, frame, go, listing, place, subjects, words
from ui.blocks import Block
from ui.data import Listed, Wanted
from ui.export import as_csv, as_json
from ui.listing import After
from ui.place import Place
from ui.screen import screen
from ui.screens.trace import LIST
from ui.widgets import empty, text
from ui.widgets.inline import component
from waypost import replays
from waypost.links import VALUE
from waypost.records import Json
from waypost.roles import Role
from waypost.store.traces import Summary

_SHORT, _MARKS = 8, 40
_MAY_BE_BARE = ("status", "failed by", "reviewed by")
_KINDS = {
    "agent": ("long second", ""),
    "cohort": ("long", ""),
    "shape": ("marks", "One mark a step: ✓ passed, ✕ failed, ! in error or blocked, · not judged"),
    "first bad": ("number", "The step that went wrong first"),
    "failed by": ("long", "The evaluators that failed it, the most failures first"),
    "worst": ("number second", "The lowest score of a step"),
    "steps": ("number", ""),
    "took": ("number", ""),
    "cost": ("number spare", ""),
    "trace": ("faint spare", "The beginning of its id"),
}
_CHOICES = {
    "verdict": {"": "any", "fail": "✕ failed", "pass": "✓ passed"},
    "status": {"": "any", "ok": "ok", "error": "error", "running": "running"},
}
_CONTROLS = (
    ("verdict", "Verdict", 130), ("status", "Status", 130), ("text", "Name contains", 118),
    ("tool", "Tool", 118), ("agent", "Agent", 118), ("session", "Session", 118),
    ("user", "User", 118),
)  # fmt: skip


def first(here: Place) -> list[Block] | None:
    """The page of runs this address asks for, each line a link."""
    wanted, listed = listing.wanted(), listing.listed(here)
    if not listed.rows:
        return None
    chips = [said for _, said in _chosen(wanted)]
    table = _drawn(listed, lines(here, listed))
    return [
        blocks.controls([(title, width) for _, title, width in _CONTROLS]),
        *([blocks.chips(chips)] if chips else []),
        blocks.mute(_said(here, wanted, listed.rows, listing.after())),
        blocks.component("runs", table, None),
    ]


@screen("Traces", order=20, first=first)
def traces() -> None:
    """Which runs are these, and what shape do they have?"""
    here = frame.here()
    wanted, after = listing.wanted(), listing.after()
    _filters(wanted)
    listed = listing.listed(here)
    if not listed.rows:
        _nothing(here, wanted)
        return
    text.mute(_said(here, wanted, listed.rows, after), key="list")
    _table(here, listed)
    _pages(listed, after)


def _filters(wanted: Wanted) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        for name, title, width in _CONTROLS:
            if name in _CHOICES:
                _choice(name, title, _CHOICES[name], width)
            else:
                _typed(name, title, width)
    _chips(wanted)


def _choice(name: str, title: str, options: Mapping[str, str], width: int) -> None:
    key = f"filter_{name}"
    place.follow(key, place.one_of(name, options))

    def changed() -> None:
        place.put(**{name: st.session_state[key], "after": None})

    st.selectbox(title, list(options), key=key, format_func=options.__getitem__, width=width,
                 on_change=changed)  # fmt: skip


def _typed(name: str, title: str, width: int) -> None:
    key = f"filter_{name}"
    place.follow(key, place.get(name))

    def changed() -> None:
        place.put(**{name: str(st.session_state[key]).strip(), "after": None})

    st.text_input(title, key=key, on_change=changed, width=width)


def _chosen(wanted: Wanted) -> list[tuple[str, str]]:
    """The filters that came with a link: their names in the address, and what they say."""
    chosen = [(VALUE + k, f"{k} is {v or 'not set'}") for k, v in wanted.where]
    if wanted.evaluator:
        chosen.append(("evaluator", subjects.of_each(wanted.evaluator)))
    return [(name, words.one_line(said, 80)) for name, said in chosen]


def _chips(wanted: Wanted) -> None:
    """Each of them, with a way to take it out."""
    chosen = _chosen(wanted)
    if not chosen:
        return
    with st.container(horizontal=True, key="chips", vertical_alignment="center"):
        for name, said in chosen:
            if st.button("✕", key=f"chip_{name}", help="Take this filter out"):
                place.change({name: None, "after": None})
                st.rerun()
            st.text(said, width="content")


def _said(here: Place, wanted: Wanted, rows: Sequence[Summary], after: After | None) -> str:
    failed = sum(row.fails > 0 for row in rows)
    more = "The newest " if len(rows) == listing.PAGE and after is None else ""
    older = "older " if after is not None else ""
    noun = words.plural(len(rows), f"{older}run")
    judge = wanted.evaluator if wanted.evaluator not in subjects.OF_RUNS else None
    by = f" by {words.judge(judge)}" if judge else ""
    return (
        f"{more}{noun} of {here.said}; {failed} with a failed verdict{by}. "
        f"{_without(here, wanted)}Choose a line to open the run at its first bad step."
    )


def _without(here: Place, wanted: Wanted) -> str:
    """That the list of a cohort leaves replays out, as its rates do, where there are any."""
    asked = (*here.where, *dict(wanted.where))
    if not asked or replays.are_asked_for(asked):
        return ""
    there = data.key_values(here, replays.ENVIRONMENT)
    return "Replays are left out. " if replays.REPLAY in there else ""


def lines(here: Place, listed: Listed) -> list[dict[str, Json]]:
    """The lines of the table; what is empty in all of them is left out."""
    names = data.cohort_names(here, [r.cohort_id for r in listed.rows if r.cohort_id is not None])
    zone = words.zone()
    made: list[dict[str, Json]] = [
        {
            "started": f"{row.first_at.astimezone(zone):%d %b %H:%M:%S}",
            "agent": words.one_line(row.agent or row.name or "", 60),
            "cohort": words.short_cohort(names.get(row.cohort_id or -1, {})),
            "shape": row.shape[:_MARKS],
            "first bad": row.first_bad_step,
            "failed by": _judges(listed.failing.get(row.trace_id, ())),
            "worst": "" if row.worst_score is None else f"{row.worst_score:.2f}",
            "steps": f"{row.steps:,}",
            "took": words.took((row.last_at - row.first_at).total_seconds()),
            "cost": words.money(row.cost_usd or None if row.cost_partial else row.cost_usd),
            "status": _status(row),
            "reviewed by": _reviewed(listed.reviewers.get(row.trace_id, ())),
            "trace": row.trace_id[:_SHORT],
        }
        for row in listed.rows
    ]
    bare = [n for n in _MAY_BE_BARE if not any(line[n] for line in made)]
    return [{n: v for n, v in line.items() if n not in bare} for line in made]


def _judges(names: Sequence[str]) -> str:
    return ", ".join(words.judge(name) for name in names[:4])


def _reviewed(names: Sequence[str]) -> str:
    return "✓ " + ", ".join(words.one_line(name, 30) for name in names) if names else ""


def _status(row: Summary) -> str:
    if not row.ended and row.status == "ok":
        return "… running"
    return "" if row.status == "ok" else f"! {row.status}"


def _drawn(listed: Listed, shown: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """What the script of the list draws."""
    drawn: list[Json] = [
        {
            "cells": list(line.values()),
            "href": _href(row),
            "failed": row.fails > 0,
            "title": f"{row.first_at:%Y-%m-%d %H:%M:%S} UTC, trace {row.trace_id}",
        }
        for row, line in zip(listed.rows, shown, strict=True)
    ]
    return {
        "label": "Runs, newest first",
        "columns": [[name, *_KINDS.get(name, ("", ""))] for name in shown[0]],
        "rows": drawn,
    }


def _table(here: Place, listed: Listed) -> None:
    rows = listed.rows
    st.session_state[LIST] = [row.trace_id for row in rows]
    chosen = component("runs")(
        key="traces_table", data=_drawn(listed, lines(here, listed)), on_row_change=lambda: None
    )
    at = getattr(chosen, "row", None)
    if isinstance(at, int) and 0 <= at < len(rows):
        go.to_step(rows[at].trace_id, rows[at].first_bad_step)


def _href(row: Summary) -> str:
    """The run's own address, for a tab of its own."""
    step = {"step": str(row.first_bad_step)} if row.first_bad_step else {}
    return "trace?" + urlencode(place.along({"trace_id": row.trace_id, **step}))


def _pages(listed: Listed, after: After | None) -> None:
    rows = listed.rows
    with st.container(horizontal=True, key="pages"):
        if after is not None and st.button("⏮ Newest"):
            place.put(after=None)
            st.rerun()
        if len(rows) == listing.PAGE and st.button("Older ▸"):
            last = rows[-1]
            micros = int(last.first_at.timestamp() * 1e6)
            place.put(after=f"{micros}_{last.trace_id}")
            st.rerun()
        if frame.reader().role.includes(Role.REVIEWER) and st.button("Make a dataset"):
            go.to("datasets", new="1")
        st.download_button("CSV", lambda: as_csv(_plain(listed)), "runs.csv", "text/csv",
                           on_click="ignore")  # fmt: skip
        st.download_button("JSON", lambda: as_json(_plain(listed)), "runs.json",
                           "application/json", on_click="ignore")  # fmt: skip


_COLUMNS = (
    "trace_id", "agent", "name", "model", "prompt_version", "steps", "errors", "fails",
    "first_bad_step", "worst_score", "tokens_in", "tokens_out", "cost_usd",
)  # fmt: skip


def _plain(listed: Listed) -> list[dict[str, object]]:
    """The runs as an export has them: whole ids, times in UTC."""
    return [
        {
            "started": row.first_at.isoformat(),
            **{name: getattr(row, name) for name in _COLUMNS},
            "failed_by": ", ".join(listed.failing.get(row.trace_id, ())),
            "reviewed_by": ", ".join(listed.reviewers.get(row.trace_id, ())),
        }
        for row in listed.rows
    ]


def _nothing(here: Place, wanted: Wanted) -> None:
    if wanted != Wanted():
        text.answer(f"No run of {here.said} fits these filters.")
        if st.button("Take all filters out", type="primary"):
            kept = place.travelling()
            st.query_params.from_dict(kept)
            st.rerun()
        return
    empty.no_runs(here)
