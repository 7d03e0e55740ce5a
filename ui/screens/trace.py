"""One run, replayed step by step, opened at what went wrong first."""

import time
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from ui import actions, blocks, data, frame, go, listing, opened, place, tokens, words
from ui.blocks import Answer, Block
from ui.outline import BLAME, Judged
from ui.place import Place
from ui.routes import PURPOSE, SECONDS
from ui.runs import Opened
from ui.screen import screen
from ui.widgets import text
from ui.widgets.replay import replay
from waypost.errors import WaypostError
from waypost.records import Fault, Feedback, Json, Status
from waypost.roles import Role
from waypost.store.reviews import Review

LIST, JUMP = "waypost_list", "waypost_jump"
FIRST_BAD = "First bad step"
_STEADY = 600
_MISSING = {
    "missing_step": "a step never arrived",
    "missing_base": "an input is incomplete because its base was lost",
    "skew": "clocks disagreed, so times were moved",
    "missing_parent": "a span they hang below never arrived",
    "truncated": "some texts were cut on the way",
    "dropped_attributes": "some attributes were left out on the way",
    "no_content": "no texts were recorded",
}


def first(here: Place) -> list[Block] | None:
    """What went wrong first, and the replay, which needs nothing of Streamlit to walk."""
    trace_id = place.get("trace_id").strip().lower()
    found = data.run_near(here, trace_id, place.number("step")) if is_id(trace_id) else None
    if found is None:
        return None
    notes, said = _notes(found), _feedbacks(found)
    return [
        blocks.answer(_answer(found, trace_id), _links(found, trace_id)),
        *([blocks.notes(notes)] if notes else []),
        *([blocks.lines(said)] if said else []),
        blocks.component("replay", _drawn(here, found, trace_id), {"list": _leading("traces")}),
    ]


@screen("Trace", order=25, hidden=True, bare=True, first=first)
def trace() -> None:
    """Why did it fail? Show me the first bad step."""
    trace_id = place.get("trace_id").strip().lower()
    if not is_id(trace_id):
        _no_trace("This address names no run." if not trace_id else "That is not a run's id.")
        return
    waiting = st.empty()
    with waiting:
        st.skeleton(height=560)
    found = data.run_near(frame.here(), trace_id, place.number("step"))
    waiting.empty()
    if found is None:
        _no_trace(
            "No run with this id is stored in this project: it may not have arrived yet, belong to "
            "another project, or be past the keep-time."
        )
        return
    _header(found, trace_id)
    live = not found.judged.run.ended
    st.fragment(_replay, run_every="2s" if live else None)(trace_id)


def is_id(text_given: str) -> bool:
    """Whether a text is a trace id."""
    return len(text_given) == 32 and all(c in "0123456789abcdef" for c in text_given)


def _no_trace(sentence: str) -> None:
    text.answer(sentence)
    go.link("traces", "All runs of this window")


def _header(found: Opened, trace_id: str) -> None:
    said = _answer(found, trace_id)
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch", key="said"):
            text.answer(said.sentence, tone=said.tone, detail=said.detail)
        _buttons(found, trace_id)
    for sentence in _notes(found):
        st.info(sentence, icon="ℹ️")
    lines = _feedbacks(found)
    if lines:
        with st.container(key="feedback"):
            text.lines(lines)


def _answer(found: Opened, trace_id: str) -> Answer:
    run = found.judged.run
    tone: text.Tone = "bad" if found.first_bad or run.status is Status.ERROR else "good"
    took = words.took(max(0, run.ended_at - run.started_at) / 1e9)
    facts = [words.plural(found.steps, "step"), took, words.money(run.cost_usd)]
    if run.tokens.input is not None:
        facts.append(f"{(run.tokens.input or 0) + (run.tokens.output or 0):,} tokens")
    detail = [
        run.name or run.agent or "run", words.short_cohort(run.cohort), *facts,
        f"trace {trace_id[:12]}…",
    ]  # fmt: skip
    return Answer(_verdict(found), _joined(detail), tone)


def _feedbacks(found: Opened) -> list[str]:
    return [_feedback(one) for one in found.judged.run.feedback[:5]]


def _feedback(given: Feedback) -> str:
    """What somebody outside said of the run."""
    verdict = {True: "✓ good", False: "✕ bad", None: ""}[given.passed]
    value = "" if given.value is None else f"{given.value:g}"
    who = f"by {given.by}" if given.by else given.source
    where = f"on step {given.step_number}" if given.step_number else ""
    return _joined([f"{given.name} {verdict}".strip(), given.label or value, who, where,
                    given.explanation])  # fmt: skip


def _joined(parts: list[str]) -> str:
    return " · ".join(part for part in parts if part)


def _verdict(found: Opened) -> str:
    judged, first = found.judged, found.first_bad
    if not judged.run.ended:
        return f"Running: {words.plural(found.steps, 'step')} so far."
    crash = judged.run.crash if found.part is None else None
    ended = "" if crash is None else f"The run ended in {_fault(crash)}."
    if first is None and ended:
        return f"{ended} No step shows it."
    if first is None:
        scored = any(judged.by_step.values()) or judged.on_run
        nothing = "Nothing failed in this run" if scored else "No evaluator has judged it yet"
        error = judged.first_error
        return f"{nothing}; step {error:,} ended in an error." if error else f"{nothing}."
    step = found.step(first)
    scores = () if step is None else judged.scores(step)
    names = sorted({s.score.evaluator for s in scores if s.score.is_failed})
    fault = None if step is None or step.status is not Status.ERROR else step.error
    if fault is not None:  # whoever weighs steps says no more than that this one broke
        names = [name for name in names if name != BLAME]
    failing = len(judged.failing) if found.part is None else 1
    broke = [] if fault is None else [_fault(fault)]
    why = ", ".join(broke + [words.judge(n) for n in names]) or ("an error" if step else "")
    more = f" {failing} steps failed in all." if failing > 1 else ""
    blamed = judged.blamed if found.part is None else None
    guess = f"{words.judge(BLAME)} weighs step {blamed:,} heaviest." if blamed else ""
    said = [
        f"Step {first:,} went wrong first{': ' if why else ''}{why}.{more}",
        guess if blamed != first else "",
        ended,
    ]
    return " ".join(t for t in said if t)


def _fault(fault: Fault) -> str:
    message = words.one_line(fault.message, 160).removesuffix(".")
    return f"{words.one_line(fault.type, 60)}{': ' if message else ''}{message}"


def _notes(found: Opened) -> list[str]:
    """A step that is not there, and what is missing of a run; of a part of one nobody knows."""
    return _no_step(found) + (_gaps(found.judged) if found.part is None else [])


def _no_step(found: Opened) -> list[str]:
    wanted = place.get("step")
    number = place.number("step")
    if not wanted or (number is not None and 0 < number <= found.steps):
        return []
    if not found.steps:
        return [f"There is no step {words.one_line(wanted, 20)}: the run has none."]
    return [f"There is no step {words.one_line(wanted, 20)}: the steps are 1 to {found.steps:,}."]


def _gaps(judged: Judged) -> list[str]:
    run = judged.run
    known = [_MISSING[k] for k in sorted(run.incomplete) if k in _MISSING]
    found = [f"Part of this run is missing: {'; '.join(known)}."] if known else []
    holes = sum(not s.input_complete for s in run.steps)
    if holes:
        found.append(
            f"The input of {words.plural(holes, 'step')} is incomplete: its base was lost."
        )
    expected = max((s.total_steps or 0 for s in run.scopes), default=0)
    if expected > len(run.steps):
        found.append(f"{len(run.steps)} of {expected} steps are here.")
    if run.status is Status.ABANDONED:
        found.append("This run never ended: nothing has come for a quarter of an hour.")
    return found


def _buttons(found: Opened, trace_id: str) -> None:
    first_bad = found.first_bad
    with st.container(horizontal=True, width="content", gap="small"):
        if first_bad and st.button(FIRST_BAD, key="first_bad", type="primary"):
            place.put(step=str(first_bad))
            st.session_state[JUMP] = st.session_state.get(JUMP, 0) + 1
        for key, name, path, more in _ways(trace_id):
            if st.button(name, key=key):
                go.to(path, **more)


def _ways(trace_id: str) -> tuple[tuple[str, str, str, dict[str, str]], ...]:
    """Where the buttons beside the answer lead."""
    return (
        ("compare", "Compare", "compare", {"a": trace_id}),
        ("to_dataset", "Add to dataset", "datasets", {"add": trace_id}),
        ("back", "Back to the list", "traces", {}),
    )


def _links(found: Opened, trace_id: str) -> list[tuple[str, str, bool]]:
    ways = [(name, _leading(path, **more), False) for _, name, path, more in _ways(trace_id)]
    if not found.first_bad:
        return ways
    bad = _leading("trace", trace_id=trace_id, step=str(found.first_bad))
    return [(FIRST_BAD, bad, True), *ways]


def _leading(path: str, **more: str) -> str:
    return f"{path}?{urlencode(place.along(more))}"


def _replay(trace_id: str) -> None:
    here = frame.here()
    found = data.run_near(here, trace_id, place.number("step"))
    if found is None:
        return
    key = f"replay_{trace_id}"
    drawn = {
        **_drawn(here, found, trace_id),
        "jump": int(st.session_state.get(JUMP, 0)),
        "can_review": frame.reader().role.includes(Role.REVIEWER),
    }
    result = replay(drawn, key=key, on_step=lambda: _stepped(key))
    _react(result, found, trace_id)


def _drawn(here: Place, found: Opened, trace_id: str) -> dict[str, Json]:
    """What the script of the replay draws; a verdict needs the page, which alone can keep it."""
    return {
        "trace": trace_id, "step": _step(found), "jump": 0, "stamp": found.stamp,
        "token": _token(here.project.id, trace_id), "can_review": False,
    }  # fmt: skip


def _step(found: Opened) -> int:
    wanted = place.number("step")
    return min(max(1, wanted or found.first_bad or 1), max(1, found.steps))


def _token(project_id: int, trace_id: str) -> str:
    """Steady for ten minutes, so that a rerun sends the replay nothing new."""
    now = time.time() // _STEADY * _STEADY
    claims: dict[str, Json] = {"project": project_id, "trace": trace_id}
    return tokens.sign(opened.store().secret, PURPOSE, claims, seconds=SECONDS, now=now)


def _stepped(key: str) -> None:
    state: Any = st.session_state.get(key) or {}
    step = state.get("step")
    if isinstance(step, int):
        place.put(step=str(step))


def _react(result: Any, opened: Opened, trace_id: str) -> None:
    given = getattr(result, "verdict", None)
    if isinstance(given, dict):
        _keep(given, opened, trace_id)
    leave = getattr(result, "leave", None)
    if isinstance(leave, str):
        _leave(leave, trace_id)


def _keep(given: dict[str, Any], opened: Opened, trace_id: str) -> None:
    step = next((s for s in opened.judged.run.steps if s.span_id == given.get("span")), None)
    answer = str(given.get("answer"))
    if step is None or answer not in actions.ANSWERS:
        return
    name = str(given.get("evaluator") or "step")
    said = (s.score for s in opened.judged.scores(step) if s.score.evaluator == name)
    is_of_run = any(score.step is None for score in said)
    trace, span = (trace_id, None) if is_of_run else (step.trace_id, step.span_id)
    outcome = actions.outcome_of(answer, given.get("outcome"))
    try:
        actions.review(
            frame.here().project.id,
            Review(trace, span, name, outcome, str(given.get("note") or "")),
        )
    except WaypostError as error:
        st.warning("The verdict was not kept.", icon="⚠️")
        st.text(str(error))
        return
    st.rerun(scope="fragment")


def _leave(where: str, trace_id: str) -> None:
    if where == "list":
        go.to("traces")
        return
    ids: list[str] = st.session_state.get(LIST) or []
    if trace_id not in ids:  # opened by its address, which names the list as well
        ids = [row.trace_id for row in listing.listed(frame.here()).rows]
    if trace_id in ids:
        place_in = ids.index(trace_id) + (1 if where == "next" else -1)
        if 0 <= place_in < len(ids):
            go.to_step(ids[place_in], None)
