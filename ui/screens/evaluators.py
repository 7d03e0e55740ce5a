"""The judges themselves: how much they judge, what it costs, and whether people agree."""

import datetime as dt
from typing import Any

import streamlit as st

from ui import data, frame, go, words
from ui.export import as_csv
from ui.place import Place
from ui.screen import screen
from ui.widgets import empty, text
from waypost.rates import Rate, percent
from waypost.store.judges import Judge
from waypost.store.reviews import HUMAN, Agreement

_ENOUGH = 20


@screen("Evaluators", order=40)
def evaluators() -> None:
    """Can the judges be trusted, and what do they cost?"""
    here = frame.here()
    known = [j for j in data.judges_of(here) if j.source != HUMAN]
    if not known:
        if data.has_runs(here):
            text.answer("No evaluator has judged anything yet.", detail="Start `waypost work`.")
            _queues(here)
        else:
            empty.no_runs(here)
        return
    agreed = {a.evaluator: a for a in data.agreement(here)}
    costs = data.judge_costs(here)
    _sentence(here, known, agreed, costs)
    lines = [_line(j, agreed.get(j.name), costs.get(j.id)) for j in known]
    _table(lines, known)
    st.download_button("CSV", as_csv(lines), "evaluators.csv", "text/csv", on_click="ignore")
    _queues(here)
    st.caption(
        "Kappa is agreement beyond chance between judge and people: above 0.6 is good, below 0.4 "
        f"poor; with fewer than {_ENOUGH} verdicts by people it says little."
    )


def _sentence(
    here: Place, known: list[Judge], agreed: dict[str, Agreement], costs: dict[int, float]
) -> None:
    judged = sum(j.judged for j in known)
    active = sum(j.judged > 0 for j in known)
    poor = [a for a in agreed.values() if a.n >= _ENOUGH and a.kappa is not None and a.kappa < 0.4]
    cost = f", for {words.money(sum(costs.values()))}" if costs else ""
    if poor:
        names = ", ".join(words.one_line(a.evaluator, 40) for a in poor[:3])
        text.answer(f"People disagree with {names}: look there before trusting it.", tone="bad")
    text.answer(
        f"{words.plural(active, 'evaluator')} gave {judged:,} verdicts in {here.said}{cost}.",
        key="judged",
        detail=f"People have reviewed {sum(a.n for a in agreed.values()):,} of them so far.",
    )


def _line(judge: Judge, agreed: Agreement | None, cost: float | None) -> dict[str, object]:
    asked = judge.judged + judge.abstained
    rate = Rate.of(judge.failed, judge.judged)
    return {
        "evaluator": words.one_line(judge.name, 80),
        "version": words.one_line(judge.version, 40),
        "kind": judge.source,
        "judged": judge.judged,
        "fail rate": None if rate.share is None else percent(rate.share),
        "interval": "" if rate.share is None else words.interval(rate),
        "no verdict": percent(judge.abstained / asked) if asked else "",
        "mean score": None if judge.value is None else round(judge.value, 3),
        "cost": cost,
        "people agree": ""
        if agreed is None or agreed.share is None
        else f"{percent(agreed.share)} of {agreed.n}",
        "kappa": None if agreed is None or agreed.kappa is None else round(agreed.kappa, 2),
        "in use since": words.local(judge.first_at).replace(tzinfo=None),
    }


def _table(lines: list[dict[str, object]], known: list[Judge]) -> None:
    column = st.column_config
    picked: Any = st.dataframe(
        lines, hide_index=True, key="judges_table", on_select="rerun",
        selection_mode="single-row", alt="Evaluators with their counts and agreement",
        placeholder="–",
        column_config={
            "cost": column.NumberColumn("cost", format="$%.4f"),
            "in use since": column.DatetimeColumn("in use since", format="D MMM HH:mm"),
        },
    )  # fmt: skip
    rows = picked["selection"]["rows"] if picked else []
    if not rows or rows[0] >= len(known):
        text.mute("Choose an evaluator for its failures and its queue of reviews.", key="choose")
        return
    name = known[rows[0]].name
    with st.container(horizontal=True):
        if st.button("Runs it failed", key="judge_failed"):
            go.to("traces", evaluator=name, verdict="fail")
        if st.button("Review its verdicts", key="judge_review"):
            go.to("review", evaluator=name)


def _queues(here: Place) -> None:
    """What waits to be judged, since when, and what was given up."""
    now = dt.datetime.now(dt.UTC)
    waiting = data.depth(here)
    if not waiting:
        text.mute("Nothing waits to be judged.", key="idle")
        return
    names = {j.id: j.name for j in data.judges_of(here)}
    st.header("Queue", anchor=False)
    st.dataframe(
        [
            {
                "queue": d.queue.name.lower(),
                "evaluator": words.one_line(names.get(d.evaluator_id, "all"), 60),
                "waiting": d.waiting,
                "in work": d.leased,
                "given up": d.dead,
                "oldest": "" if d.oldest is None else words.ago(d.oldest, now),
            }
            for d in waiting
        ],
        hide_index=True, alt="What waits to be judged",
    )  # fmt: skip
