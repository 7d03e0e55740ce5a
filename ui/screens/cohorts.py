"""The home page: which cohort is failing, since when, why, and which runs show it."""

import datetime as dt
from collections.abc import Mapping, Sequence

import streamlit as st

from ui import cell, data, frame, go, home, place, ranking, words
from ui.export import as_csv, as_json
from ui.home import Home, home_of
from ui.place import Place
from ui.ranking import Row
from ui.screen import screen
from ui.widgets import empty, text
from ui.widgets.grid import grid, picked
from waypost.store.projects import Project
from waypost.store.rates import Compared


@screen("Cohorts", order=10, first=home.first)
def cohorts() -> None:
    """Which cohort is failing, since when?"""
    here = frame.here()
    keys = home.chosen_keys(here.project)
    if place.get("mode") == "values":
        _settle_sides(here, keys)
    found = home_of(here)
    if found is None:
        if place.get("mode") == "values":
            _controls(here, keys)
        _nothing(here)
        return
    _answer(here, found)
    _controls(here, keys)
    _grid(found)
    _crowded(data.crowded(here))
    _legend(found)
    _numbers(found.rows, found.evaluators)
    chosen = _chosen(found.found)
    if chosen is not None:
        cell.draw(here, chosen)


def _answer(here: Place, found: Home) -> None:
    said = home.answer(here, found)
    if not found.findings:
        text.answer(said.sentence, tone=said.tone, detail=said.detail)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch", key="said"):
            text.answer(said.sentence, tone=said.tone, detail=said.detail)
        if st.button(home.FIRST_STEP, type="primary", key="show_first"):
            step = home.first_step(here, found)
            if step is not None:
                go.to_query("trace", step)
        if st.button(home.THE_CELL, key="show_cell"):
            _choose(found.findings[0].cell)
            st.rerun()


def _choose(one: Compared) -> None:
    values = place.with_values(home.where(one.values))
    place.change({**place.no_values(), **values, "evaluator": one.evaluator})


def _chosen(found: Sequence[Compared]) -> Compared | None:
    """The cell the address names."""
    values, evaluator = place.chosen_values(), place.get("evaluator")
    if not evaluator:
        return None
    for one in found:
        if one.evaluator == evaluator and home.where(one.values) == values:
            return one
    st.info("The cell of this link has no verdicts in this window.", icon="ℹ️")
    return None


def _controls(here: Place, keys: Sequence[str]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", key="grid_controls"):
        _rows_by(here.project, keys)
        _pick("sort", home.SORT, list(ranking.ORDERS))
        _pick("mode", home.SHOW, list(home.MODES), home.MODES)
        if place.get("mode") == "values":
            _two_values(here)


def _rows_by(project: Project, keys: Sequence[str]) -> None:
    place.follow("rows_by", list(keys))

    def changed() -> None:
        given = st.session_state["rows_by"] or list(keys)
        place.change({**place.no_values(), "by": ",".join(given), "evaluator": None})

    title, width = home.KEYS
    st.multiselect(
        title, list(project.cohort_keys), key="rows_by", on_change=changed,
        format_func=lambda k: words.label(k).replace("_", " "), width=width,
    )  # fmt: skip


def _pick(
    name: str,
    titled: tuple[str, int],
    options: Sequence[str],
    titles: Mapping[str, str] | None = None,
) -> None:
    key, (title, width) = f"grid_{name}", titled
    place.follow(key, place.one_of(name, options))

    def changed() -> None:
        value = st.session_state[key]
        place.put(**{name: None if value == options[0] else value})

    st.selectbox(title, options, key=key, on_change=changed, width=width,
                 format_func=lambda v: (titles or {}).get(v, v))  # fmt: skip


def _settle_sides(here: Place, keys: Sequence[str]) -> None:
    """Have the address name a key and two of its values, the newest last, before they are read."""
    known = here.project.cohort_keys
    key = place.get("of") if place.get("of") in known else (*keys, *known, "")[0]
    values = data.key_values(here, key)
    sides = place.get("left"), place.get("right")
    if len(values) < 2:
        sides = "", ""
    elif not set(sides) <= set(values):
        sides = values[1], values[0]
    place.put(of=key, left=sides[0], right=sides[1])


def _two_values(here: Place) -> None:
    key = place.get("of")
    values = data.key_values(here, key)
    place.follow("side_of", key)

    def changed() -> None:
        place.put(of=st.session_state["side_of"], left=None, right=None)

    st.selectbox(
        "Key", list(here.project.cohort_keys), key="side_of", on_change=changed, width=170,
        format_func=lambda k: words.label(k).replace("_", " "),
    )  # fmt: skip
    if len(values) < 2:
        st.text("This key has fewer than two values.")
        return
    _side("left", "Before", values)
    _side("right", "After", values)


def _side(name: str, title: str, values: Sequence[str]) -> None:
    slot = f"side_{name}"
    place.follow(slot, place.get(name))

    def changed() -> None:
        place.put(**{name: st.session_state[slot]})

    st.selectbox(title, values, key=slot, on_change=changed, width=140, format_func=words.label)


def _grid(found: Home) -> None:
    def choose() -> None:
        at, rows, evaluators = picked(), found.rows[: home.MOST_ROWS], found.shown
        if at is not None and at[0] < len(rows) and at[1] < len(evaluators):
            one = rows[at[0]].cells.get(evaluators[at[1]])
            if one is not None:
                _choose(one)

    grid(home.grid_data(found), on_choose=choose)


def _legend(found: Home) -> None:
    text.mute(
        f"▲ surely worse than usual. Hatched: fewer than {ranking.FEW} verdicts. Below each rate "
        "its interval and n; colour ends at 40 %. Choose a cell to see why.",
        key="legend",
    )
    if len(found.rows) > home.MOST_ROWS:
        text.mute(
            f"{home.MOST_ROWS} of {len(found.rows)} cohorts; the table has them all.", key="cut"
        )
    if found.quiet:
        titles = words.judges(found.evaluators)
        names = ", ".join(titles[e] for e in found.quiet)
        text.mute(f"No failure found by {words.plural(len(found.quiet), 'evaluator')}: {names}.",
                  key="quiet")  # fmt: skip


def _crowded(over: Mapping[str, int]) -> None:
    """A key with more than a thousand values a day is said where its rates are shown."""
    for key, n in over.items():
        text.say(
            f"⚠️ {words.label(key)} has more than 1,000 values a day: {words.plural(n, 'run')} of "
            "these days count as other."
        )


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
    if not data.page(here, data.Wanted(), most=1).rows:
        empty.no_runs(here)
        return
    text.answer(f"No verdicts in {here.said}.", detail="Runs are here; nothing has judged them.")
    now = dt.datetime.now(dt.UTC)
    for one in waiting:
        age = "" if one.oldest is None else f", the oldest {words.ago(one.oldest, now)}"
        st.text(f"Queue {one.queue.name.lower()}: {one.waiting + one.leased} waiting{age}")
    go.link("traces", "The runs of this window")
