"""People look at what judges said: one step at a time, by keyboard, without seeing the verdict."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import streamlit as st

from ui import actions, data, frame, go, place, words
from ui.outline import Judged, label_of
from ui.payload import cut, pretty
from ui.queue import ordered
from ui.screen import screen
from ui.widgets import text
from waypost.errors import WaypostError
from waypost.records import Message, Outcome, Step
from waypost.roles import Role
from waypost.store.reviews import Candidate, Review
from waypost.store.scores import StoredScore

QUEUE, DONE, NOTE, TOLD = "review_queue", "review_done", "review_note", "review_told"
_SHORT = 6000


@screen("Review", order=30)
def review() -> None:
    """What does a person say?"""
    if not frame.reader().role.includes(Role.REVIEWER):
        text.answer("Reviewing needs the role reviewer; you can look at everything else.")
        return
    queue = _queue()
    shows = _controls(len(queue))
    _told()
    if not queue:
        text.answer(
            "Nothing is waiting for a person in this window.", tone="good",
            detail="Verdicts that judges doubt, disagree about or that guard most come here first.",
        )  # fmt: skip
        return
    _one(queue[0], shows)


def _queue() -> list[Candidate]:
    """What is left of the queue of this session; made anew when window or evaluator change."""
    here = frame.here()
    asked = (here.project.id, here.win, here.until, place.get("evaluator"))
    state: dict[str, Any] = st.session_state.setdefault(QUEUE, {})
    if state.get("asked") != asked:
        found = data.candidates(here, frame.reader().name, place.get("evaluator") or None)
        state |= {"asked": asked, "items": ordered(found), "total": len(found)}
    items: list[Candidate] = state["items"]
    return items


def _controls(left: int) -> bool:
    here = frame.here()
    today = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    given = data.given(here, frame.reader().name, today)
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch"):
            text.mute(
                f"{left} in the queue, ordered by disagreement, doubt and risk · "
                f"{given} given by you in the last 24 hours",
                key="left",
            )
        evaluator = place.get("evaluator")
        if evaluator and st.button(
            "✕ " + words.label(words.judge(evaluator), 30), help="All evaluators"
        ):
            place.put(evaluator=None)
            st.rerun()
        shows = st.toggle(
            "Show the judge's verdict first", key="review_shows",
            help="Off keeps your verdict independent: you see the judge's after your own.",
        )  # fmt: skip
    return bool(shows)


def _told() -> None:
    """What the judge had said of the step before."""
    told = st.session_state.pop(TOLD, None)
    if told:
        with st.container(key="told", border=True):
            text.say(str(told))


def _one(candidate: Candidate, shows: bool) -> None:
    opened = data.run(frame.here(), candidate.trace_id)
    step = None if opened is None else _step(opened.judged, candidate)
    if opened is None or (candidate.span_id and step is None):
        text.answer("This step is not stored any more.")
        if st.button("Skip", shortcut="S", type="primary"):
            _next()
        return
    _ask(candidate, step)
    _answers(candidate, shows)
    score = _score(opened.judged, candidate, step)
    if shows and score is not None:
        text.say(_verdict_said(candidate, score))
    _content(opened.judged, step)
    number = {} if step is None else {"step": str(step.number)}
    go.link("trace", "The whole run", {"trace_id": candidate.trace_id, **number})


def _step(judged: Judged, candidate: Candidate) -> Step | None:
    return next((s for s in judged.run.steps if s.span_id == candidate.span_id), None)


def _score(judged: Judged, candidate: Candidate, step: Step | None) -> StoredScore | None:
    given = judged.on_run if step is None else judged.scores(step)
    mine = [s for s in given if s.score.evaluator == candidate.evaluator]
    return mine[-1] if mine else None


def _ask(candidate: Candidate, step: Step | None) -> None:
    what = "the whole run" if step is None else f"step {step.number}, {step.kind} {label_of(step)}"
    text.answer(
        f"Does it pass {words.judge(candidate.evaluator)}?",
        detail=f"{what} · {words.clock(candidate.started_at)}",
    )


def _answers(candidate: Candidate, shows: bool) -> None:
    yes, no = ("Agree", "Disagree") if shows else ("Pass", "Fail")
    with st.container(horizontal=True, key="verdict_buttons"):
        if st.button(yes, shortcut="A", type="primary", key="review_yes"):
            _give(candidate, "agree" if shows else Outcome.PASSED)
        if st.button(no, shortcut="D", key="review_no"):
            _give(candidate, "disagree" if shows else Outcome.FAILED)
        if st.button("Note", shortcut="N", key="review_noted"):
            _note()
        if st.button("Skip", shortcut="S", key="review_skip"):
            _next()
        if st.session_state.get(NOTE):
            text.say("Note: " + str(st.session_state[NOTE]), longest=120)


@st.dialog("A note on this step")
def _note() -> None:
    with st.form("note_form", border=False):
        typed = st.text_area("Note", value=st.session_state.get(NOTE, ""), max_chars=2000)
        if st.form_submit_button("Keep the note", type="primary"):
            st.session_state[NOTE] = typed.strip()
            st.rerun()


def _give(candidate: Candidate, given: str) -> None:
    outcome = (
        actions.outcome_of(given, candidate.outcome) if given in actions.ANSWERS else Outcome(given)
    )
    note = str(st.session_state.get(NOTE) or "")
    try:
        actions.review(
            frame.here().project.id,
            Review(candidate.trace_id, candidate.span_id, candidate.evaluator, outcome, note),
        )
    except WaypostError as error:
        st.warning("The verdict was not kept.", icon="⚠️")
        st.text(str(error))
        return
    same = "The judge agrees" if outcome is candidate.outcome else "The judge said otherwise"
    value = "" if candidate.value is None else f" with {candidate.value:.2f}"
    st.session_state[TOLD] = (
        f"You said {outcome}. {same}: {words.judge(candidate.evaluator)} "
        f"{candidate.outcome}{value}."
    )
    _next()


def _next() -> None:
    st.session_state.pop(NOTE, None)
    st.session_state[QUEUE]["items"].pop(0)
    st.rerun()


def _verdict_said(candidate: Candidate, score: StoredScore) -> str:
    value = "" if score.score.value is None else f" {score.score.value:.2f}"
    why = score.score.explanation or "no reason given"
    return f"{words.judge(candidate.evaluator)}: {candidate.outcome}{value}. {why}"


def _content(judged: Judged, step: Step | None) -> None:
    if step is None:
        _messages("The run began with", judged.run.input)
        _messages("and ended with", judged.run.output)
        return
    left, right = st.columns(2)
    with left:
        st.header("What it had to go by", anchor=False)
        _sources(judged, step)
    with right:
        st.header("What it did", anchor=False)
        _done(step)


def _sources(judged: Judged, step: Step) -> None:
    """The newest messages and the documents that came before the step."""
    for message in step.input[-4:]:
        _message(message)
    before = [s for s in judged.run.steps if (s.number or 0) < (step.number or 0)]
    for document in [d for s in before for d in s.documents][:4]:
        text.mute(f"document {document.id or ''}", key=f"doc_{document.id}_{id(document)}")
        text.code(cut(document.content, _SHORT))
    if not step.input and not before:
        text.mute("Nothing came before this step.", key="first")


def _done(step: Step) -> None:
    if step.arguments is not None:
        text.mute(f"called {step.tool or step.name} with", key="arguments")
        text.code(pretty(step.arguments, _SHORT))
    if step.result is not None:
        text.mute("and got", key="result")
        text.code(pretty(step.result, _SHORT))
    for message in step.output:
        _message(message)
    if step.error is not None:
        text.code(cut(f"{step.error.type}: {step.error.message}", _SHORT))


def _messages(title: str, messages: Sequence[Message]) -> None:
    st.header(title, anchor=False)
    for message in messages:
        _message(message)


def _message(message: Message) -> None:
    text.mute(message.role or "message", key=f"role_{id(message)}")
    calls = [
        f"calls {c.get('name')}({pretty(c.get('arguments'), 2000)})" for c in message.tool_calls
    ]
    answers = [pretty(r.get("response"), _SHORT) for r in message.tool_responses]
    text.code(cut("\n".join([*([message.text] if message.text else []), *calls, *answers]), _SHORT))
