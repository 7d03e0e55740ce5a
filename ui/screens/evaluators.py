"""The judges themselves: how much they judge, what it costs, and how far people bear them out."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from ui import data, frame, go, words
from ui.export import as_csv, as_json
from ui.place import Place
from ui.screen import screen
from ui.widgets import empty, text
from waypost.agreement import Agreement, Corrected
from waypost.rates import Rate, percent
from waypost.store.health import Health
from waypost.store.people import InCohort

_ENOUGH = 20


@screen("Evaluators", order=40)
def evaluators() -> None:
    """Can the judges be trusted, and what do they cost?"""
    here = frame.here()
    known, lags = data.health_of(here)
    if not any(one.judged or one.abstained or one.queued for one in known):
        if data.page(here, data.Wanted(), most=1).rows:
            text.answer("No evaluator has judged anything yet.", detail="Start `waypost work`.")
            _queues(here)
        else:
            empty.no_runs(here)
        return
    working = sorted((h for h in known if h.matched), key=lambda h: (-h.rate.low, h.name))
    _sentence(here, working)
    chosen = _table(working, lags)
    _exports(known)
    if chosen is not None:
        _trust(here, chosen)
    _silent([h for h in known if not h.matched])
    _queues(here)


def _sentence(here: Place, working: Sequence[Health]) -> None:
    judged = sum(h.judged for h in working)
    cost = sum(h.spent.cost_usd for h in working)
    reviewed = sum(h.agreed.n for h in working if h.agreed)
    poor = [h for h in working if _is_poor(h.agreed)]
    parked = sum(h.parked for h in working)
    paused = next((h.paused for h in working if h.paused), "")
    if poor:
        names = ", ".join(words.judge(h.name) for h in poor[:3])
        text.answer(f"People disagree with {names}: look there before trusting it.", tone="bad")
    if paused:
        text.answer(f"Model judges are paused: {paused}", tone="bad", key="paused")
    if parked:
        noun = words.plural(parked, "verdict")
        text.answer(f"{noun} could not be given after several tries.", tone="bad", key="parked")
    text.answer(
        f"{words.plural(len(working), 'evaluator')} gave {judged:,} verdicts in {here.said}"
        + (f", for {words.money(cost)}." if cost else "."),
        key="judged",
        detail=f"People have reviewed {reviewed:,} of them so far.",
    )


def _is_poor(agreed: Agreement | None) -> bool:
    return (
        agreed is not None
        and agreed.n >= _ENOUGH
        and agreed.kappa is not None
        and agreed.kappa < 0.4
    )


def _line(one: Health, lag: float | None) -> dict[str, object]:
    asked = one.judged + one.abstained
    agreed = one.agreed
    return {
        "evaluator": words.judge(one.name),
        "kind": "model" if one.source == "llm" else one.source,
        "judged": one.judged,
        "fail rate": _figure(one.rate),
        "no verdict": percent(one.abstained / asked) if asked else "",
        "verdict after": "" if lag is None else words.took(lag),
        "cost": one.spent.cost_usd or None,
        "errors": percent(one.spent.errors / one.spent.asked) if one.spent.asked else "",
        "waiting": one.queued or None,
        "people": agreed.n if agreed else None,
        "precision": _figure(agreed.precision if agreed else None),
        "recall": _figure(agreed.recall if agreed else None),
        "kappa": None if agreed is None or agreed.kappa is None else round(agreed.kappa, 2),
        "corrected rate": _figure(one.corrected),
    }


def _figure(given: Rate | Corrected | None) -> str:
    """A share with its interval: 34 % (28–41)."""
    value = given.share if isinstance(given, Rate) else getattr(given, "value", None)
    if given is None or value is None:
        return ""
    return f"{percent(value)} ({words.span(given.low, given.high)})"


def _table(working: Sequence[Health], lags: Mapping[str, float]) -> Health | None:
    column = st.column_config
    lines = [_line(one, lags.get(one.name)) for one in working]
    bare = [n for n in lines[0] if not any(line[n] for line in lines)]
    picked: Any = st.dataframe(
        [{n: v for n, v in line.items() if n not in bare} for line in lines],
        hide_index=True, key="judges_table", on_select="rerun", selection_mode="single-row",
        alt="Evaluators with their counts and what people say of them", placeholder="–",
        height=min(33 * (len(lines) + 1) + 3, 760),
        column_config={
            "evaluator": column.TextColumn("evaluator", width=175),
            "fail rate": column.TextColumn("fail rate", help="Share of verdicts, and interval"),
            "no verdict": column.TextColumn("no verdict", help="Abstained: could not tell"),
            "verdict after": column.TextColumn(
                "verdict after", help="From a run's end to the verdict; median of 50 runs"
            ),
            "cost": column.NumberColumn("cost", format="$%.4f"),
            "people": column.NumberColumn("people", help="Verdicts that people have reviewed"),
            "precision": column.TextColumn(
                "precision", help="Of what it failed, what people failed too"
            ),
            "recall": column.TextColumn("recall", help="Of what people failed, what it failed"),
            "kappa": column.NumberColumn(
                "kappa", help="Agreement beyond chance: above 0.6 is good, below 0.4 poor"
            ),
            "corrected rate": column.TextColumn(
                "corrected rate", help="The fail rate with the evaluator's own errors taken out"
            ),
        },
    )  # fmt: skip
    rows: list[int] = picked["selection"]["rows"] if picked else []
    if not rows or rows[0] >= len(working):
        text.mute(
            "Choose an evaluator for its failures, its reviews and its cohorts. What people say "
            f"counts from {_ENOUGH} reviews on.",
            key="choose",
        )
        return None
    return working[rows[0]]


def _exports(known: Sequence[Health]) -> None:
    plain = [one.as_json() for one in known]
    flat = [{n: str(v) if isinstance(v, dict | list) else v for n, v in p.items()} for p in plain]
    with st.container(horizontal=True):
        st.download_button("CSV", as_csv(flat), "evaluators.csv", "text/csv", on_click="ignore")
        st.download_button(
            "JSON", as_json(plain), "evaluators.json", "application/json", on_click="ignore"
        )


def _trust(here: Place, one: Health) -> None:
    """One evaluator: its versions, and what people say of it in each cohort."""
    with st.container(border=True):
        text.heading(words.judge(one.name), key="judge")
        told = [f"version {', '.join(one.versions)}"]
        told += [f"owner {one.owner}"] if one.owner else []
        told += [f"judges {one.target}s, {one.wanted:,} of the last {one.seen:,}"] * bool(one.seen)
        text.mute(" · ".join(told), key="versions")
        with st.container(horizontal=True):
            if st.button("Runs it failed", key="judge_failed"):
                go.to("traces", evaluator=one.name, verdict="fail")
            if st.button("Review its verdicts", key="judge_review"):
                go.to("review", evaluator=one.name)
        cohorts = data.trust_by_cohort(here, one.name)
        if not any(c.agreed.n for c in cohorts):
            text.mute("No person has reviewed it in this window.", key="unreviewed")
            return
        st.dataframe([_cohort(c) for c in cohorts], hide_index=True,
                     alt="What people say of this evaluator by cohort")  # fmt: skip


def _cohort(one: InCohort) -> dict[str, object]:
    return {
        "cohort": words.cohort(one.values),
        "fail rate": _figure(one.rate),
        "n": one.rate.n,
        "people": one.agreed.n,
        "precision": _figure(one.agreed.precision),
        "recall": _figure(one.agreed.recall),
        "corrected rate": _figure(one.corrected),
        "corrected by": "this cohort" if one.own else "all cohorts",
    }


def _silent(silent: Sequence[Health]) -> None:
    """Evaluators that matched nothing, and why."""
    if not silent:
        return
    by_reason: dict[str, list[str]] = {}
    for one in silent:
        by_reason.setdefault(one.why or "nothing asked for it", []).append(words.judge(one.name))
    with st.expander(f"{words.plural(len(silent), 'evaluator')} matched nothing, and why"):
        text.lines(f"{why}: {', '.join(names)}" for why, names in sorted(by_reason.items()))


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
                "evaluator": words.judge(names.get(d.evaluator_id, "all")),
                "waiting": d.waiting,
                "in work": d.leased,
                "given up": d.dead,
                "oldest": "" if d.oldest is None else words.ago(d.oldest, now),
            }
            for d in waiting
        ],
        hide_index=True, alt="What waits to be judged",
    )  # fmt: skip
