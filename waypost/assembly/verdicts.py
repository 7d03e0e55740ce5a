"""Verdicts from outside, each laid on the step, the trajectory or the session it means."""

from collections.abc import Iterable, Sequence

from waypost.records import Feedback, Step


def place(
    feedback: Iterable[Feedback], steps: Sequence[Step], scopes: Iterable[Step]
) -> tuple[Feedback, ...]:
    """The verdicts with their targets found, each once.

    First that holds: the step number, the span, the answer's id. One that fits nothing here is
    left as it came.
    """
    spans = {(s.trace_id, s.span_id): s for s in (*scopes, *steps)}
    answers = {s.response_id: s for s in reversed(steps) if s.response_id}
    found: dict[tuple[object, ...], Feedback] = {}
    for verdict in feedback:
        placed = _placed(verdict, steps, spans, answers)
        key = (placed.target, placed.trace_id, placed.span_id, placed.name, placed.version)
        if key not in found or found[key].at < placed.at:
            found[key] = placed
    return tuple(sorted(found.values(), key=lambda v: (v.at, v.name)))


def _placed(
    verdict: Feedback,
    steps: Sequence[Step],
    spans: dict[tuple[str, str], Step],
    answers: dict[str, Step],
) -> Feedback:
    if verdict.target != "step":
        return verdict
    if verdict.step_number is not None and 0 < verdict.step_number <= len(steps):
        return _on(verdict, steps[verdict.step_number - 1])
    target = spans.get((verdict.trace_id or "", verdict.span_id or ""))
    if target is None and verdict.response_id:
        target = answers.get(verdict.response_id)
    return verdict if target is None else _on(verdict, target)


def _on(verdict: Feedback, step: Step) -> Feedback:
    return Feedback(
        name=verdict.name,
        target="step" if step.kind.is_step or step.parent_id else "trajectory",
        trace_id=step.trace_id,
        span_id=step.span_id,
        session=verdict.session,
        step_number=step.number,
        response_id=verdict.response_id,
        version=verdict.version,
        value=verdict.value,
        label=verdict.label,
        passed=verdict.passed,
        explanation=verdict.explanation,
        source=verdict.source,
        by=verdict.by,
        at=verdict.at,
        error=verdict.error,
    )
