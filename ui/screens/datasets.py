"""Datasets: cases made from runs that failed, what is expected of them, and their versions."""

from collections.abc import Sequence
from typing import Any

import orjson
import streamlit as st

from ui import actions, data, frame, go, listing, place, trials, words
from ui.export import as_csv, as_json
from ui.payload import pretty, raw
from ui.place import Place
from ui.screen import screen
from ui.screens.trace import is_id
from ui.widgets import text
from waypost.errors import WaypostError, WrongUse
from waypost.roles import Role
from waypost.store.datasets import Case, Dataset, Version

_MOST = 200
_READ = (
    "The gate reads must and must_not (a text or a list of texts) and evaluators (a list of "
    "names); other entries are yours."
)
_EMPTY = '{\n  "must": "",\n  "must_not": ""\n}'


@screen("Datasets", order=60)
def datasets() -> None:
    """Which failures must never come back?"""
    here = frame.here()
    known = data.all_datasets(here)
    may = frame.reader().role.includes(Role.REVIEWER)
    _sentence(known)
    if may:
        _making(here, known)
    chosen = _choose(known)
    if chosen is not None:
        _dataset(here, chosen, may)


def _sentence(known: Sequence[Dataset]) -> None:
    if not known:
        text.answer(
            "No dataset yet.",
            detail="Make one from a failing cell, from the list of runs, or from one run: its "
            "recorded steps and tool answers are kept with it, past the keep-time.",
        )
        return
    cases = sum(d.cases for d in known)
    text.answer(f"{words.plural(len(known), 'dataset')} with {words.plural(cases, 'case')}.")


# ---------------------------------------------------------------- making


def _making(here: Place, known: Sequence[Dataset]) -> None:
    """Adds one run, the runs of a filter, or makes an empty dataset."""
    trace_id = place.get("add").strip().lower()
    if is_id(trace_id):
        _form(here, known, "Add this run", [trace_id], "add")
    elif place.get("new"):
        ids = _runs_of_address(here)
        noun = words.plural(len(ids), "run")
        _form(here, known, f"Add {noun} that fit the filter", ids, "new")
    else:
        with st.popover("New dataset"), st.form("dataset_new", border=False):
            name = st.text_input("Name", max_chars=100)
            if st.form_submit_button("Make it", type="primary"):
                _do(lambda: actions.create_dataset(here.project.id, name.strip()))


def _runs_of_address(here: Place) -> list[str]:
    """The failing runs of the cell or filter in the address, newest first."""
    return [r.trace_id for r in data.page(here, listing.wanted(), most=_MOST).rows]


def _form(
    here: Place, known: Sequence[Dataset], title: str, trace_ids: Sequence[str], param: str
) -> None:
    with st.container(border=True):
        text.heading(title, key="add")
        names = [d.name for d in known]
        with st.form("dataset_add", border=False):
            old = st.selectbox(
                "To", range(len(names) + 1), index=len(names),
                format_func=lambda i: words.label(names[i]) if i < len(names) else "a new dataset",
            )  # fmt: skip
            new = st.text_input("Name of the new dataset", max_chars=100)
            expected = st.text_area("What is expected (JSON)", value=_EMPTY, height=130, help=_READ)
            kept = st.form_submit_button("Add", type="primary", disabled=not trace_ids)
        if st.button("Leave it", key="add_leave"):
            place.put(**{param: None})
            st.rerun()
        if not kept:
            return
        name = names[old] if old < len(names) else new.strip()
        _add(here, name, trace_ids, expected, param)


def _add(here: Place, name: str, trace_ids: Sequence[str], expected: str, param: str) -> None:
    try:
        expectation = read_expectation(expected)
        bar = st.progress(0.0, "Reading the runs …")

        def told(done: float) -> None:
            bar.progress(done, "Reading the runs …")

        added = actions.add_cases(
            here.project, name, trace_ids, expectation,
            told=told,
        )  # fmt: skip
    except WaypostError as error:
        st.warning("Nothing was added.", icon="⚠️")
        st.text(str(error))
        return
    st.session_state["dataset_said"] = f"{words.plural(added, 'case')} added to {name}."
    place.put(**{param: None, "dataset": name})
    st.rerun()


def read_expectation(typed: str) -> dict[str, Any]:
    """The expectation that was typed; WrongUse when it is not a JSON object."""
    try:
        value = orjson.loads(typed or "{}")
    except orjson.JSONDecodeError as error:
        raise WrongUse(f"The expectation is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise WrongUse('The expectation must be a JSON object, such as {"must": "cite the rule"}.')
    return {k: v for k, v in value.items() if v != ""}


def _do(action: Any) -> None:
    try:
        action()
    except WaypostError as error:
        st.warning("That did not work.", icon="⚠️")
        st.text(str(error))
        return
    st.rerun()


# ---------------------------------------------------------------- looking


def _choose(known: Sequence[Dataset]) -> Dataset | None:
    said = st.session_state.pop("dataset_said", None)
    if said:
        with st.container(key="dataset_said_box"):
            text.say(str(said))
    if not known:
        return None
    picked: Any = st.dataframe(
        [
            {
                "dataset": words.one_line(d.name, 100),
                "cases": d.cases,
                "version": d.version,
                "made": words.local(d.created_at).replace(tzinfo=None),
            }
            for d in known
        ],
        hide_index=True, key="datasets_table", on_select="rerun", selection_mode="single-row",
        alt="Datasets",
        column_config={"made": st.column_config.DatetimeColumn("made", format="D MMM YYYY HH:mm")},
    )  # fmt: skip
    rows: list[int] = picked["selection"]["rows"] if picked else []
    if rows and rows[0] < len(known):
        place.put(dataset=known[rows[0]].name)
        return known[rows[0]]
    wanted = place.get("dataset")
    if wanted and all(d.name != wanted for d in known):
        text.mute(f"There is no dataset {words.one_line(wanted, 60)}.", key="no_dataset")
        return None
    return next((d for d in known if d.name == wanted), known[0] if len(known) == 1 else None)


def _dataset(here: Place, chosen: Dataset, may: bool) -> None:
    st.divider()
    versions = data.dataset_versions(here, chosen.id)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width="stretch"):
            text.heading(f"{chosen.name}, version {chosen.version}", key="dataset")
        number = _version(versions)
    trials.draw(here, chosen)
    cases = data.dataset_cases(here, chosen.id, number)
    if not cases:
        text.mute("This version has no cases.", key="no_cases")
        return
    picked: Any = st.dataframe(
        [_line(c) for c in cases], hide_index=True, key="cases_table", on_select="rerun",
        selection_mode="single-row", alt="Cases of the dataset",
        height=min(33 * (len(cases) + 1) + 3, 420),
    )  # fmt: skip
    _exports(here, chosen, cases, number)
    rows = picked["selection"]["rows"] if picked else []
    if rows and rows[0] < len(cases):
        _case(here, chosen, cases[rows[0]], may and number is None, number)
    with st.expander("Versions"):
        text.lines(f"{v.number}  {words.clock(v.at)}  {v.by}: {v.what}" for v in versions)


def _version(versions: Sequence[Version]) -> int | None:
    numbers = [v.number for v in versions]
    if len(numbers) < 2:
        return None
    picked = st.selectbox("Version", numbers, key="dataset_version", width=120)
    return None if picked == numbers[0] else picked


def _line(case: Case) -> dict[str, object]:
    return {
        "case": words.one_line(case.title, 160),
        "expected": words.one_line(orjson.dumps(dict(case.expectation)).decode(), 160),
        "steps": case.steps,
        "since version": case.since,
        "trace": case.trace_id or "",
    }


def _exports(here: Place, chosen: Dataset, cases: Sequence[Case], number: int | None) -> None:
    plain: list[dict[str, object]] = [
        {
            "key": c.key, "title": c.title, "trace_id": c.trace_id, "steps": c.steps,
            "expectation": dict(c.expectation),
        }
        for c in cases
    ]  # fmt: skip
    flat = [{**p, "expectation": orjson.dumps(p["expectation"]).decode()} for p in plain]
    name = "".join(c if c.isalnum() else "-" for c in chosen.name)[:60]
    with st.container(horizontal=True):
        st.download_button("CSV", as_csv(flat), f"{name}.csv", "text/csv", on_click="ignore")
        st.download_button(
            "JSON", as_json(plain), f"{name}.json", "application/json", on_click="ignore"
        )
        st.download_button(
            "JSON with whole runs", lambda: _whole(here, chosen, plain, number),
            f"{name}-runs.json", "application/json", on_click="ignore",
        )  # fmt: skip


def _whole(
    here: Place, chosen: Dataset, plain: Sequence[dict[str, object]], number: int | None
) -> bytes:
    made = []
    for one in plain:
        run = data.case_run(here, chosen.id, str(one["key"]), number)
        made.append({**one, "steps": [orjson.loads(raw(step)) for step in run.steps]})
    return as_json(made)


def _case(here: Place, chosen: Dataset, case: Case, may: bool, number: int | None) -> None:
    with st.container(border=True):
        text.heading(case.title, key="case")
        run = data.case_run(here, chosen.id, case.key, number)
        text.mute(
            f"{words.plural(len(run.steps), 'step')} kept, with tool answers; ended {run.status}.",
            key="case_run",
        )
        if case.trace_id and data.has_run(here, case.trace_id):
            go.link("trace", "Open the run", trace_id=case.trace_id)
        if not may:
            text.code(pretty(dict(case.expectation)))
            return
        with st.form(f"expect_{case.key}", border=False):
            typed = st.text_area(
                "What is expected (JSON)",
                value=pretty(dict(case.expectation)),
                height=140,
                help=_READ,
            )
            kept = st.form_submit_button("Keep the expectation", type="primary")
        if kept:
            _do(
                lambda: actions.expect(
                    here.project.id, chosen.id, case.key, read_expectation(typed)
                )
            )
        if st.button("Take this case out", key="case_remove"):
            _do(lambda: actions.remove_case(here.project.id, chosen.id, case.key))
