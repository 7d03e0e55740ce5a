"""A trajectory taken apart again: spans and verdicts that assemble to it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from waypost.records import Feedback, Step, Trajectory

_MISSING_PARENT: Final = "missing_parent"
_LOOKS: Final = 5_000_000


def take_apart(run: Trajectory) -> tuple[list[Step], list[Feedback]]:
    """The spans and the verdicts of a run.

    Tool steps that were read out of messages are left to be read again. A span whose parent was
    folded into another hangs below the span that encloses it.
    """
    spans = [*run.steps, *run.scopes, *run.others]
    if any(step.derived for step in run.steps):
        spans = [s.replace(number=None) if s.kind.is_step else s for s in spans if not s.derived]
    if _MISSING_PARENT not in run.incomplete:
        spans = list(_below_known(spans))
    return spans, [_as_said(one) for one in run.feedback]


def _below_known(spans: Sequence[Step]) -> Iterator[Step]:
    known = {(s.trace_id, s.span_id) for s in spans}
    lost = [s for s in spans if s.parent_id and (s.trace_id, s.parent_id) not in known]
    # Only a made-up run has so many that looking for each among all would take minutes.
    among = spans if len(lost) * len(spans) <= _LOOKS else ()
    roots = {s.trace_id: s.span_id for s in reversed(spans) if s.parent_id is None}
    above = {id(s): _enclosing(s, among) or roots.get(s.trace_id) for s in lost}
    for span in spans:
        yield span.replace(parent_id=above[id(span)]) if id(span) in above else span


def _enclosing(span: Step, among: Sequence[Step]) -> str | None:
    """The shortest span of the trace around this one."""
    around = [
        other
        for other in among
        if other.trace_id == span.trace_id
        and other.started_at <= span.started_at
        and other.ended_at >= span.ended_at
        and other.duration > span.duration
    ]
    return min(around, key=lambda o: (o.duration, o.span_id)).span_id if around else None


def _as_said(verdict: Feedback) -> Feedback:
    """A word on a session came without a trace, and finds its run by the session again."""
    if verdict.target == "session" and verdict.session:
        return replace(verdict, trace_id=None, span_id=None)
    return verdict
