"""The home page: which cohort is failing, since when, why, and which runs show it."""

import datetime as dt
from collections.abc import Mapping, Sequence

import streamlit as st

from ui import cell, data, frame, go, place, ranking, words
from ui.export import as_csv, as_json
from ui.place import Place
from ui.ranking import Finding, Row
from ui.screen import screen
from ui.widgets import empty, text
from ui.widgets.grid import grid, picked
from waypost.links import VALUE, cell_query
from waypost.store.projects import Project
from waypost.store.rates import Compared

_KEYS = ("prompt_version", "model", "region")
_MODES = {"rate": "fail rate", "change": "change to the window before", "values": "two values"}
_ROWS = 20


@screen("Cohorts", order=10)
def cohorts() -> None:
    """Which cohort is failing, since when?"""
    here = frame.here()
    keys = chosen_keys(here.project)
    sides = _sides()
    found = data.compared(here, keys, sides)
    if not found:
        _nothing(here)
        return
    findings = ranking.out_of_line(found)
    _answer(here, found, findings)
    rows, evaluators = ranking.grid(found, findings)
    rows = _controls(here.project, rows, keys, findings)
    telling = ranking.telling(rows, evaluators)
    _grid(rows[:_ROWS], telling or evaluators, findings, keys)
    _crowded(data.crowded(here))
    _legend(rows, [e for e in evaluators if e not in telling] if telling else [])
    _numbers(rows, evaluators)
    chosen = _chosen(found)
    if chosen is not None:
        cell.draw(here, chosen)


def chosen_keys(project: Project) -> list[str]:
    """The cohort keys the rows are made of: those of the address, else the usual ones."""
    asked = [k for k in place.get("by").split(",") if k in project.cohort_keys]
    usual = [k for k in _KEYS if k in project.cohort_keys]
    return asked or usual or list(project.cohort_keys[:2])


def _sides() -> tuple[tuple[str, str | None], ...]:
    """Two values of one key set against each other, when the address asks for it."""
    key, one, other = place.get("of"), place.get("left"), place.get("right")
    if place.get("mode") != "values" or not key or not one or not other:
        return ()
    return (key, one), (key, other)


def _answer(here: Place, found: Sequence[Compared], findings: Sequence[Finding]) -> None:
    if not findings:
        text.answer(
            ranking.all_well(found), tone="good",
            detail=f"{words.plural(len(found), 'cell')} of {here.said} compared with the window "
            "before; a cell counts as out of line when chance alone would not explain it.",
        )  # fmt: skip
        return
    finding = findings[0]
    first = finding.cell
    since = cell.since_when(here, first, is_new=finding.is_new)
    count = words.plural(len(findings), "cell")
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch"):
            text.answer(
                "▲ " + finding.sentence(words.clock(since) if since else None), tone="bad",
                detail=f"{count} out of line in {here.said} · interval "
                f"{words.interval(first.change.after)}",
            )  # fmt: skip
        if st.button("Show first bad step", type="primary", key="show_first"):
            newest = data.failing(here, first.evaluator, {**here.where, **_where(first.values)})
            if newest:
                query = cell_query(first.evaluator, _where(first.values), window=here.win)
                go.to_step(newest[0].trace_id, None, back=query)
        if st.button("Show the cell", key="show_cell"):
            _choose(first)
            st.rerun()


def _where(values: Mapping[str, str]) -> dict[str, str | None]:
    return {key: value or None for key, value in values.items()}


def _choose(one: Compared) -> None:
    for name in [n for n in st.query_params if n.startswith(VALUE)]:
        st.query_params.pop(name)
    for name, value in place.with_values(_where(one.values)).items():
        st.query_params[name] = value
    place.put(evaluator=one.evaluator)


def _chosen(found: Sequence[Compared]) -> Compared | None:
    """The cell the address names."""
    values, evaluator = place.chosen_values(), place.get("evaluator")
    if not evaluator:
        return None
    for one in found:
        if one.evaluator == evaluator and _where(one.values) == values:
            return one
    st.info("The cell of this link has no verdicts in this window.", icon="ℹ️")
    return None


def _controls(
    project: Project, rows: list[Row], keys: Sequence[str], findings: Sequence[Finding]
) -> list[Row]:
    with st.container(horizontal=True, vertical_alignment="bottom", key="grid_controls"):
        _rows_by(project, keys)
        order = _pick("sort", "Sort", list(ranking.ORDERS))
        _pick("mode", "Show", list(_MODES), _MODES)
        if place.get("mode") == "values":
            _two_values(keys)
    rows = sorted(rows, key=ranking.ORDERS[order])
    if order == next(iter(ranking.ORDERS)):
        worst = {tuple(f.cell.values.values()): f.against.low for f in reversed(findings)}
        rows = sorted(rows, key=lambda row: -worst.get(tuple(row.values.values()), -1.0))
    return rows


def _rows_by(project: Project, keys: Sequence[str]) -> None:
    st.session_state["rows_by"] = list(keys)

    def changed() -> None:
        given = st.session_state["rows_by"] or list(keys)
        for name in [n for n in st.query_params if n.startswith(VALUE)]:
            st.query_params.pop(name)
        place.put(by=",".join(given), evaluator=None)

    st.multiselect(
        "A row for each", list(project.cohort_keys), key="rows_by", on_change=changed,
        format_func=lambda k: words.label(k).replace("_", " "), width=430,
    )  # fmt: skip


def _pick(
    name: str, title: str, options: Sequence[str], titles: Mapping[str, str] | None = None
) -> str:
    key = f"grid_{name}"
    given = place.get(name, options[0])
    chosen = given if given in options else options[0]
    st.session_state[key] = chosen

    def changed() -> None:
        value = st.session_state[key]
        place.put(**{name: None if value == options[0] else value})

    st.selectbox(title, options, key=key, on_change=changed, width=210,
                 format_func=lambda v: (titles or {}).get(v, v))  # fmt: skip
    return chosen


def _two_values(keys: Sequence[str]) -> None:
    key = place.get("of") or keys[0]
    values = data.key_values(frame.here(), key)
    _pick("of", "Key", list(keys))
    if len(values) < 2:
        st.text("This key has fewer than two values.")
        return
    for name, title, usual in (("left", "Before", values[1]), ("right", "After", values[0])):
        if place.get(name) not in values:
            place.put(**{name: usual})
        _side(name, title, values)


def _side(name: str, title: str, values: Sequence[str]) -> None:
    slot = f"side_{name}"
    st.session_state[slot] = place.get(name)

    def changed() -> None:
        place.put(**{name: st.session_state[slot]})

    st.selectbox(title, values, key=slot, on_change=changed, width=170, format_func=words.label)


def _grid(
    rows: Sequence[Row],
    evaluators: Sequence[str],
    findings: Sequence[Finding],
    keys: Sequence[str],
) -> None:
    bad = {(f.cell.evaluator, tuple(f.cell.values.values())) for f in findings}
    marks, chosen = set(), None
    values, evaluator = _where_texts(place.chosen_values()), place.get("evaluator")
    for r, row in enumerate(rows):
        for e, name in enumerate(evaluators):
            if (name, tuple(row.values.values())) in bad:
                marks.add((r, e))
            if name == evaluator and dict(row.values) == values:
                chosen = (r, e)

    def choose() -> None:
        at = picked()
        if at is not None and at[0] < len(rows) and at[1] < len(evaluators):
            one = rows[at[0]].cells.get(evaluators[at[1]])
            if one is not None:
                _choose(one)

    grid(
        rows, evaluators, corner=words.one_line(" · ".join(keys).replace("_", " "), 60),
        changes=place.get("mode") in ("change", "values"), flagged=marks, chosen=chosen,
        on_choose=choose,
    )  # fmt: skip


def _legend(rows: Sequence[Row], quiet: Sequence[str]) -> None:
    text.mute(
        f"▲ surely worse than usual. Hatched: fewer than {ranking.FEW} verdicts. Below each rate "
        "its interval and n; colour ends at 40 %. Choose a cell to see why.",
        key="legend",
    )
    if len(rows) > _ROWS:
        text.mute(f"{_ROWS} of {len(rows)} cohorts; the table has them all.", key="cut")
    if quiet:
        names = ", ".join(words.judge(e) for e in quiet)
        text.mute(f"No failure found by {words.plural(len(quiet), 'evaluator')}: {names}.",
                  key="quiet")  # fmt: skip


def _crowded(over: Mapping[str, int]) -> None:
    """A key with more than a thousand values a day is said where its rates are shown."""
    for key, n in over.items():
        text.say(
            f"⚠️ {words.label(key)} has more than 1,000 values a day: {words.plural(n, 'run')} of "
            "these days count as other."
        )


def _where_texts(values: Mapping[str, str | None]) -> dict[str, str]:
    return {key: value or "" for key, value in values.items()}


def _numbers(rows: Sequence[Row], evaluators: Sequence[str]) -> None:
    box = st.expander("The same numbers as a table", key="numbers", on_change="rerun")
    if not box.open:  # nothing is sent, and no code for tables loaded, before somebody looks
        return
    lines = ranking.table(rows, evaluators)
    with box:
        st.dataframe(
            lines, hide_index=True, alt="Fail rates by cohort and evaluator",
            height=min(33 * (len(lines) + 1) + 3, 400),
        )  # fmt: skip
        with st.container(horizontal=True):
            st.download_button(
                "CSV", as_csv(lines), "fail-rates.csv", "text/csv", on_click="ignore"
            )
            st.download_button(
                "JSON", as_json(lines), "fail-rates.json", "application/json", on_click="ignore"
            )


def _nothing(here: Place) -> None:
    waiting = [d for d in data.depth(here) if d.waiting or d.leased]
    if not data.has_runs(here):
        empty.no_runs(here)
        return
    text.answer(f"No verdicts in {here.said}.", detail="Runs are here; nothing has judged them.")
    now = dt.datetime.now(dt.UTC)
    for one in waiting:
        age = "" if one.oldest is None else f", the oldest {words.ago(one.oldest, now)}"
        st.text(f"Queue {one.queue.name.lower()}: {one.waiting + one.leased} waiting{age}")
    go.link("traces", "The runs of this window")
