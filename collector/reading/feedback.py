"""Verdicts from outside: evaluator events and OpenInference annotations."""

from collections.abc import Mapping
from typing import Final

from collector.reading.draft import Draft
from collector.reading.indexed import objects_of
from collector.reading.values import as_dict, as_int, as_number, as_text
from waypost.names import EVENT_EVALUATION, EVENT_FEEDBACK, RESPONSE_ID, STEP
from waypost.records import Feedback, Json, Kind, LogRecord

_VERDICTS: Final[Mapping[str, bool]] = {
    "pass": True, "passed": True, "true": True, "fail": False, "failed": False, "false": False,
}  # fmt: skip
_SOURCES: Final[Mapping[str, str]] = {
    "human": "human", "llm": "model", "model": "model", "code": "code", "user": "human",
    "annotator": "human",
}  # fmt: skip
_LISTS: Final = (
    ("annotations.", "annotation."), ("evaluations.", "evaluation."),
)  # fmt: skip
_TARGETS: Final = (("", "step"), ("trace.", "trajectory"), ("session.", "session"))
_FIRST: Final = frozenset(
    f"{scope}{outer}{index}.{inner}name"
    for scope, _ in _TARGETS
    for outer, inner in _LISTS
    for index in (0, 1)
)
_EVENTS: Final = (EVENT_EVALUATION, EVENT_FEEDBACK)


def read_feedback(draft: Draft) -> None:
    """Collect the verdicts a span carries as events or as annotations."""
    if draft.span.events:
        for index, event in draft.events(*_EVENTS):
            draft.read_events.add(index)
            trace_id, span_id = _carried_target(draft)
            found = _of_event(event.attributes, trace_id, span_id, event.at)
            if found is not None:
                draft.feedback.append(found)
    if draft.kind is Kind.FEEDBACK or not draft.attributes.keys().isdisjoint(_FIRST):
        _read_annotations(draft)


def _carried_target(draft: Draft) -> tuple[str, str]:
    """The span itself, or the only one a mere carrier of verdicts links to."""
    span = draft.span
    if len(span.links) == 1 and draft.kind in (Kind.OTHER, Kind.FEEDBACK):
        return span.links[0].trace_id, span.links[0].span_id
    return span.trace_id, span.span_id


def _read_annotations(draft: Draft) -> None:
    span = draft.span
    trace_id, span_id = _carried_target(draft)
    for scope, target in _TARGETS:
        for outer, inner in _LISTS:
            for entry in objects_of(draft, scope + outer, inner):
                name = as_text(entry.get("name"))
                if name is None:
                    continue
                draft.feedback.append(
                    Feedback(
                        name=name,
                        target=target,
                        trace_id=trace_id,
                        span_id=span_id if target == "step" else None,
                        session=draft.text("session.id") if target == "session" else None,
                        value=as_number(entry.get("score")),
                        label=_label(entry.get("label")),
                        passed=verdict(entry.get("label")),
                        explanation=as_text(entry.get("explanation")) or "",
                        source=source_of(entry.get("annotator_kind")),
                        by=as_text(entry.get("identifier")),
                        at=span.ended_at or span.started_at,
                    )
                )


def feedback_of_record(record: LogRecord) -> Feedback | None:
    """The verdict in a log record."""
    told = {**as_dict(record.body), **record.attributes}
    return _of_event(told, record.trace_id, record.span_id, record.at)


def _of_event(
    attributes: Mapping[str, Json], trace_id: str | None, span_id: str | None, at: int
) -> Feedback | None:
    name = as_text(attributes.get("gen_ai.evaluation.name"))
    if name is None:
        return None
    label = _label(attributes.get("gen_ai.evaluation.score.label"))
    number = as_int(attributes.get(STEP))
    target = as_text(attributes.get("agent.trajectory.target")) or "step"
    return Feedback(
        name=name,
        target=target if target in ("step", "trajectory", "session") else "step",
        trace_id=trace_id,
        span_id=None if number is not None else span_id,
        session=as_text(attributes.get("session.id")),
        step_number=number,
        response_id=as_text(attributes.get(RESPONSE_ID)),
        version=as_text(attributes.get("gen_ai.evaluation.evaluator.version")) or "",
        value=as_number(attributes.get("gen_ai.evaluation.score.value")),
        label=label,
        passed=verdict(label),
        explanation=as_text(attributes.get("gen_ai.evaluation.explanation")) or "",
        source=_source(attributes),
        by=as_text(attributes.get("gen_ai.evaluation.by")),
        at=at,
        error=as_text(attributes.get("error.type")),
    )


def _label(value: Json) -> str | None:
    """A label, which may come as a flag."""
    return str(value).lower() if isinstance(value, bool) else as_text(value)


def _source(attributes: Mapping[str, Json]) -> str:
    told = attributes.get("gen_ai.evaluation.source")
    if told is None:  # pydantic-evals names the judge's class instead
        judge = as_dict(attributes.get("gen_ai.evaluation.evaluator.source")).get("name")
        told = "llm" if isinstance(judge, str) and judge.startswith("LLM") else None
    return source_of(told)


def verdict(label: Json) -> bool | None:
    """Passed or failed, from the labels that say so; every other label leaves it open."""
    if isinstance(label, bool):
        return label
    return _VERDICTS.get(label.strip().lower()) if isinstance(label, str) else None


def source_of(value: Json) -> str:
    """Who judged: human, code or model, by whichever word the sender has for it."""
    return _SOURCES.get(value.lower(), "code") if isinstance(value, str) else "code"
