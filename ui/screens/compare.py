"""Two runs side by side, opened at the first difference."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from ui import data, frame, go, place, words
from ui.align import Pair, Side, align, first_difference, unified
from ui.outline import Judged, label_of, verdict_of
from ui.payload import LONGEST, cut, pretty
from ui.screen import screen
from ui.screens.trace import is_id
from ui.widgets import text
from waypost.records import Step
from waypost.store.traces import Summary

_MARKS = {
    Side.SAME: "= same", Side.CHANGED: "≠ changed", Side.ONLY_LEFT: "− only left",
    Side.ONLY_RIGHT: "+ only right",
}  # fmt: skip


@screen("Compare", order=26, hidden=True, bare=True)
def compare() -> None:
    """What did the good run do differently?"""
    left, right = place.get("a").strip().lower(), place.get("b").strip().lower()
    one = data.run(frame.here(), left) if is_id(left) else None
    if one is None:
        text.answer("Choose a run to compare first.")
        go.link("traces", "All runs of this window")
        return
    other = data.run(frame.here(), right) if is_id(right) else None
    if other is None:
        _choose(one.judged, left, right)
        return
    _draw(one.judged, other.judged)


def _choose(one: Judged, left: str, right: str) -> None:
    """Nothing to compare with yet: runs of the same cohort that went well, and a box for any."""
    text.answer(
        f"Compare {one.run.name or 'the run'} with …",
        detail="Runs of the same agent in this window that did not fail. Choose one, "
        "or paste the id of any run.",
    )
    typed = st.text_input("Trace id of the other run", value=right, max_chars=40)
    if typed and typed != right:
        place.put(b=typed.strip().lower())
        st.rerun()
    if right:
        st.info("No run with this id is stored in this project.", icon="ℹ️")
    wanted = data.Wanted(agent=one.run.agent, verdict="pass")
    rows = [r for r in data.page(frame.here(), wanted).rows if r.trace_id != left]
    rows.sort(key=lambda r: _likeness(one, r), reverse=True)
    if not rows:
        text.mute("No run of this agent went well in this window.", key="none")
        return
    picked: Any = st.dataframe(
        [_line(r) for r in rows[:50]], hide_index=True, on_select="rerun", key="compare_with",
        selection_mode="single-row", alt="Runs that went well",
    )  # fmt: skip
    chosen = picked["selection"]["rows"] if picked else []
    if chosen and chosen[0] < len(rows):
        place.put(b=rows[chosen[0]].trace_id)
        st.rerun()


def _likeness(one: Judged, row: Summary) -> tuple[int, int]:
    same = (row.model == next((s.model for s in one.run.model_steps), None)) + (
        row.name == one.run.name
    )
    return same, -abs(row.steps - len(one.run.steps))


def _line(row: Summary) -> dict[str, object]:
    return {
        "started": words.local(row.first_at).replace(tzinfo=None),
        "agent": words.one_line(row.agent or "", 60),
        "model": words.one_line(row.model or "", 60),
        "prompt": words.one_line(row.prompt_version or "", 40),
        "shape": row.shape,
        "steps": row.steps,
        "trace": row.trace_id,
    }


def _draw(left: Judged, right: Judged) -> None:
    pairs = align(left.run, right.run)
    first = first_difference(pairs)
    _answer(left, right, pairs, first)
    _sides(left, right)
    chosen = _table(left, right, pairs, first)
    if chosen is not None and chosen < len(pairs):
        _detail(pairs[chosen])


def _answer(left: Judged, right: Judged, pairs: Sequence[Pair], first: int | None) -> None:
    if first is None:
        text.answer("Both runs did the same, step for step.", tone="good")
        return
    pair = pairs[first]
    step = pair.left or pair.right
    assert step is not None
    numbers = [str(s.number) if s else "–" for s in (pair.left, pair.right)]
    where = f"step {' / '.join(numbers)}"
    said = {
        Side.CHANGED: f"{pair.why} of {label_of(step)} differ",
        Side.ONLY_LEFT: f"only the left run has {label_of(step)}",
        Side.ONLY_RIGHT: f"only the right run has {label_of(step)}",
        Side.SAME: "",
    }[pair.side]
    counts = {side: sum(p.side is side for p in pairs) for side in Side}
    text.answer(
        f"First difference at {where}: {said}.",
        tone="bad" if left.failing or right.failing else "plain",
        detail=f"{counts[Side.SAME]} steps the same · {counts[Side.CHANGED]} changed · "
        f"{counts[Side.ONLY_LEFT]} only left · {counts[Side.ONLY_RIGHT]} only right",
    )


def _sides(left: Judged, right: Judged) -> None:
    columns = st.columns(2, border=True)
    for name, column, one, other in (
        ("left", columns[0], left, right),
        ("right", columns[1], right, left),
    ):
        with column:
            _side(name, one, other)


def _side(name: str, one: Judged, other: Judged) -> None:
    run = one.run
    verdict = f"✕ failed at step {one.first_bad}" if one.first_bad else "✓ nothing failed"
    text.heading(f"{name}: {verdict}", key=f"side_{name}")
    took, took_other = _seconds(one), _seconds(other)
    cost, cost_other = run.cost_usd, other.run.cost_usd
    paid = words.money(cost)
    if cost is not None and cost_other is not None:
        paid += f" ({_signed(cost - cost_other, words.money)})"
    text.lines(
        [
            words.short_cohort(run.cohort) or run.name or run.id,
            f"{words.plural(len(run.steps), 'step')} ({len(run.steps) - len(other.run.steps):+d})",
            f"{words.took(took)} ({_signed(took - took_other, words.took)})",
            paid,
        ]
    )
    trace_id = run.traces[0] if run.traces else run.id
    go.link("trace", "Open this run", trace_id=trace_id)


def _seconds(one: Judged) -> float:
    return max(0, one.run.ended_at - one.run.started_at) / 1e9


def _signed(difference: float, shown: Any) -> str:
    sign = "−" if difference < 0 else "+"
    return f"{sign}{shown(abs(difference))}"


def _table(left: Judged, right: Judged, pairs: Sequence[Pair], first: int | None) -> int | None:
    lines = [
        {
            "how": _MARKS[pair.side],
            "left": _name(pair.left),
            "verdict left": _verdict(left, pair.left),
            "right": _name(pair.right),
            "verdict right": _verdict(right, pair.right),
            "differs in": pair.why,
        }
        for pair in pairs
    ]
    column = st.column_config
    picked: Any = st.dataframe(
        lines, hide_index=True, on_select="rerun", selection_mode="single-row",
        key="compare_steps", height=min(33 * (len(lines) + 1) + 3, 420),
        alt="The steps of both runs beside each other",
        selection_default={"selection": {"rows": [first], "columns": [], "cells": []}}
        if first is not None else None,
        column_config={"how": column.TextColumn("how", width=100)},
    )  # fmt: skip
    rows = picked["selection"]["rows"] if picked else []
    return rows[0] if rows else first


def _name(step: Step | None) -> str:
    return "" if step is None else f"{step.number} {step.kind} {words.one_line(label_of(step), 60)}"


def _verdict(judged: Judged, step: Step | None) -> str:
    if step is None:
        return ""
    return {"f": "✕ failed", "p": "✓ passed", "": "·"}[verdict_of(judged.scores(step))]


def _detail(pair: Pair) -> None:
    step = pair.left or pair.right
    if step is None:
        return
    text.heading(f"{step.kind} {label_of(step)}", key="pair")
    shown = False
    for name, before, after in _texts(pair):
        if before == after:
            continue
        shown = True
        st.header(name, anchor=False)
        if pair.side is Side.CHANGED:
            st.code(unified(before, after), language="diff", wrap_lines=True)
        else:
            text.code(before or after)
    if not shown:
        text.mute("Both runs have this step with the same content.", key="same")


def _texts(pair: Pair) -> list[tuple[str, str, str]]:
    return [
        (name, _text(pair.left, name), _text(pair.right, name))
        for name in ("Model", "Arguments", "Query", "Result", "Documents", "Output", "Error")
    ]


def _text(step: Step | None, name: str) -> str:
    if step is None:
        return ""
    if name == "Output":
        calls = [(c.get("name"), c.get("arguments")) for m in step.output for c in m.tool_calls]
        said = [m.text for m in step.output if m.text]
        return cut("\n".join([*said, *(f"calls {name}({pretty(given)})" for name, given in calls)]))
    if name == "Model":
        return " · ".join(t for t in (step.model, step.prompt_version) if t)
    value = {
        "Arguments": step.arguments,
        "Query": step.query,
        "Result": step.result,
        "Documents": "\n\n".join(d.content for d in step.documents) or None,
        "Error": f"{step.error.type}: {step.error.message}" if step.error else None,
    }[name]
    return "" if value is None else pretty(value, LONGEST)
