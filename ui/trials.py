"""The trials of a dataset: what the gate said last, by which rates, and the cases that failed."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from ui import data, go, place, words
from ui.place import Place
from ui.widgets import text
from waypost.rates import of_many
from waypost.records import Json
from waypost.store.datasets import Case, Dataset
from waypost.store.projects import command
from waypost.store.trials import Decision, Result, Trial, Word

_MARKS: Mapping[str, str] = {Word.YES: "✓ yes", Word.NO: "✕ no", Word.UNKNOWN: "? cannot know"}
_TONES: Mapping[Word, text.Tone] = {Word.YES: "good", Word.NO: "bad", Word.UNKNOWN: "plain"}


def draw(here: Place, dataset: Dataset) -> None:
    """The trials with their verdicts, and the chosen one with its conditions and failing cases."""
    trials = data.trials_of(here, dataset.id)
    if not trials:
        _untried(here, dataset)
        return
    text.heading("Trials: may it be released?", key="trials")
    chosen = _choose(trials)
    decision = chosen.decision
    if decision is None:
        text.mute(f"The gate was not asked about {chosen.name} yet. Ask it:", key="undecided")
        asked = ["gate", dataset.name, "--trial", chosen.name, "--condition", _EXAMPLE]
        text.code(command(here.project.name, *asked))
        return
    text.answer(
        decision.sentence, tone=_TONES[decision.word], key="gate",
        detail=_detail(chosen, decision),
    )  # fmt: skip
    st.dataframe(
        [_condition(one) for one in decision.conditions], hide_index=True, key="conditions_table",
        alt="Conditions of the gate", column_config=_COLUMNS,
    )  # fmt: skip
    _failing(here, dataset, chosen, decision)
    text.heading("Cases", key="cases")


def _untried(here: Place, dataset: Dataset) -> None:
    """How to begin, where there are cases to try a candidate on."""
    if not dataset.cases:
        return
    text.mute(
        "No trial yet. Try your changed agent on these cases, with the recorded answers of its "
        "tools:", key="untried",
    )  # fmt: skip
    asked = ["replay", dataset.name, "--agent", "MODULE:NAME", "--trial", "v16"]
    text.code(command(here.project.name, *asked))


_ANSWER = 200
_EXAMPLE = "groundedness fails <= 5%"
_SHARE = st.column_config.NumberColumn(format="%.1f %%")
_COLUMNS = {"fail rate": _SHARE, "from": _SHARE, "to": _SHARE, "at most": _SHARE}


def _choose(trials: Sequence[Trial]) -> Trial:
    """The trial of the chosen row or of the address; else the newest that the gate judged."""
    picked: Any = st.dataframe(
        [_trial(one) for one in trials], hide_index=True, key="trials_table", on_select="rerun",
        selection_mode="single-row", alt="Trials of the dataset, newest first",
        height=min(33 * (len(trials) + 1) + 3, 240),
        column_config={"began": st.column_config.DatetimeColumn("began", format="D MMM HH:mm")},
    )  # fmt: skip
    rows: list[int] = picked["selection"]["rows"] if picked else []
    if rows and rows[0] < len(trials):
        place.put(trial=trials[rows[0]].name)
        return trials[rows[0]]
    wanted = place.get("trial")
    judged = next((one for one in trials if one.decision is not None), trials[0])
    return next((one for one in trials if one.name == wanted), judged)


def _trial(one: Trial) -> dict[str, object]:
    said = one.decision
    return {
        "trial": words.one_line(one.name, 100),
        "gate": "– not asked" if said is None else _MARKS[said.word],
        "version": one.version,
        "cases run": f"{one.results:,} of {one.cases:,}",
        "errors": one.errors,
        "began": words.local(one.began_at).replace(tzinfo=None),
        "finished": "yes" if one.finished_at else "no",
        "note": words.one_line(one.note, 160),
    }


def _detail(trial: Trial, decision: Decision) -> str:
    against = f" against {decision.baseline}" if decision.baseline else ""
    return (
        f"{_MARKS[decision.word]} for {trial.name}{against}, version {trial.version} of the cases; "
        f"decided {words.clock(decision.at)} by {decision.by}."
    )


def _condition(one: Mapping[str, Any]) -> dict[str, object]:
    judged, failed = int(one.get("judged") or 0), int(one.get("failed") or 0)
    compared, needed = one.get("compared") or {}, one.get("more_cases_needed")
    bounds = [
        f"at most {_percent(one[key])}{tail}"
        for key, tail in (("max_fail_rate", ""), ("max_worse_than_baseline", " worse"))
        if one.get(key) is not None
    ]
    return {
        "gate": _MARKS.get(str(one.get("verdict")), "?"),
        "condition": words.one_line(f"{one.get('measure')}: {', '.join(bounds)}", 120),
        "failed": failed,
        "of": judged,
        "fail rate": 100 * failed / judged if judged else None,
        "from": 100 * float(one.get("low") or 0),
        "to": 100 * float(one.get("high") or 0),
        "more cases needed": "–" if needed is None else f"{int(needed):,}",
        "no verdict": _counts(one.get("missing")),
        "counted apart": _counts(one.get("apart")),
        "fail only now": _named(compared, "regressed") if compared else "–",
        "fail only before": _named(compared, "mended") if compared else "–",
    }


def _named(of: Mapping[str, Any], name: str) -> int:
    """How many cases are named there, those that were too many to keep with them."""
    return len(of.get(name, ())) + _left_out(of, name)


def _left_out(of: Mapping[str, Any], name: str) -> int:
    return int(of.get(f"{name}_left_out") or 0)


def _percent(share: float) -> str:
    return f"{share * 100:.1f}".removesuffix(".0") + " %"


def _counts(reasons: Any) -> str:
    return words.one_line(
        ", ".join(f"{n:,} {of_many(n, why)}" for why, n in (reasons or {}).items()), 160
    )


# ---------------------------------------------------------------- failing cases


def _failing(here: Place, dataset: Dataset, trial: Trial, decision: Decision) -> None:
    why = _reasons(decision.conditions)
    worse = _regressed(decision.conditions)
    if not why:
        text.mute("No case failed a condition.", key="none_failed")
        return
    cases = {c.key: c for c in data.dataset_cases(here, dataset.id, trial.version)}
    keys = sorted((key for key in why if key in cases), key=lambda key: key not in worse)
    results = {r.key: r for r in data.trial_results(here, trial.id, keys, shown=_ANSWER)}
    more = max(_left_out(one, "failing") for one in decision.conditions)
    left = f" At least {words.plural(more, 'more case')} failed than are listed." if more else ""
    text.mute(
        f"{words.plural(len(keys), 'case')} failed; choose one to open its runs.{left}", key="fails"
    )
    picked: Any = st.dataframe(
        [_line(cases[k], results.get(k), why[k], only_now=k in worse) for k in keys],
        hide_index=True, key="failing_table", on_select="rerun", selection_mode="single-row",
        alt="Cases that failed the gate", height=min(33 * (len(keys) + 1) + 3, 320),
    )  # fmt: skip
    rows: list[int] = picked["selection"]["rows"] if picked else []
    if rows and rows[0] < len(keys):
        key = keys[rows[0]]
        _links(here, cases[key], next(iter(data.trial_results(here, trial.id, [key])), None))


def _reasons(conditions: Sequence[Mapping[str, Json]]) -> dict[str, list[str]]:
    """Why each case failed, by all conditions."""
    found: dict[str, list[str]] = {}
    for one in conditions:
        failing = one.get("failing")
        for key, why in failing.items() if isinstance(failing, dict) else ():
            if str(why) not in found.setdefault(key, []):
                found[key].append(str(why))
    return found


def _regressed(conditions: Sequence[Mapping[str, Json]]) -> set[str]:
    """The cases that did not fail in the baseline."""
    found: set[str] = set()
    for one in conditions:
        compared = one.get("compared")
        keys = compared.get("regressed") if isinstance(compared, dict) else None
        found |= {str(key) for key in keys} if isinstance(keys, list) else set()
    return found


def _line(
    case: Case, result: Result | None, why: Sequence[str], *, only_now: bool
) -> dict[str, object]:
    return {
        "case": words.one_line(case.title, 120),
        "why": words.one_line(", ".join(why), 200),
        "since": "only now" if only_now else "",
        "answer": words.one_line(result.answer, _ANSWER) if result else "",
        "new run": (result.trace_id or "") if result else "",
        "recorded run": case.trace_id or "",
    }


def _links(here: Place, case: Case, result: Result | None) -> None:
    """To the new run, the recorded one, and both side by side, as far as they are stored."""
    new = result.trace_id if result else None
    there = [t for t in (new, case.trace_id) if t and data.has_run(here, t)]
    with st.container(border=True):
        text.heading(case.title, key="failed_case")
        if result is not None and result.answer:
            text.code(result.answer[:4000])
        if result is not None and result.error:
            text.mute(result.error, key="failed_error")
        with st.container(horizontal=True):
            if new in there:
                go.link("trace", "Open the new run", trace_id=str(new))
            if case.trace_id in there:
                go.link("trace", "Open the recorded run", trace_id=str(case.trace_id))
            if new in there and case.trace_id in there and new != case.trace_id:
                go.link("compare", "Compare them", a=str(case.trace_id), b=str(new))
        if not there:
            text.mute("Neither run is stored any more.", key="runs_gone")
