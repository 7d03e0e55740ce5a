"""Records as the tuples that COPY takes, in the order of the temporary tables."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, cast

import orjson

from waypost.canon import digest
from waypost.records import Content, Feedback, Kind, Status, Step
from waypost.store.codec import COLUMN_TEXT, KIND_CODE, STATUS_CODE

_EPOCH = dt.date(2000, 1, 1)
_EPOCH_US = 946_684_800 * 10**6
_DAY_NS = 86_400 * 10**9
_SIGN = 1 << 63
_INT8_MAX = _SIGN - 1
_TOKENS_MAX = (1 << 31) - 1
_MARKER = 8
# Where rows hold a body; what COPY takes has the body's encoding before it.
STEP_BODY, MESSAGE_BODY, CONTENT_BODY = 21, 3, 5
_FAILED = frozenset({Status.ERROR})

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class InputColumns:
    """The columns that hold a step's input."""

    base: str | None
    keep: int | None
    add: bytes
    sum: bytes | None


NO_INPUT = InputColumns(None, None, b"", None)


def span_number(span_id: str) -> int:
    """A span id as the signed 64-bit integer that Postgres holds."""
    number = int(span_id, 16)
    return number - (1 << 64) if number >= _SIGN else number


def span_text(number: int) -> str:
    """The span id of a stored number."""
    return f"{number & ((1 << 64) - 1):016x}"


def at_number(ns: int) -> int:
    """Nanoseconds since 1970 as Postgres's microseconds since 2000."""
    return ns // 1000 - _EPOCH_US


def at_ns(at: dt.datetime) -> int:
    """A stored time as nanoseconds since 1970, exact to the microsecond."""
    delta = at - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (delta.days * 86_400_000_000 + delta.seconds * 1_000_000 + delta.microseconds) * 1000


def day_of(ns: int) -> dt.date:
    return dt.date.fromordinal(ns // _DAY_NS + 719_163)


def date_number(day: dt.date) -> int:
    return (day - _EPOCH).days


def clamp(ns: int, window: tuple[int, int]) -> int:
    return min(max(ns, window[0]), window[1] - 1)


def _text(value: str | None) -> str | None:
    return value[:COLUMN_TEXT] if value else None


def step_row(step: Step, given: InputColumns, output: bytes, detail: bytes) -> Row:
    """One row of step_in, but for the compression of its detail."""
    is_step = step.kind.is_step
    tokens = step.tokens
    model = step.kind is Kind.LLM
    return (
        bytes.fromhex(step.trace_id),
        span_number(step.span_id),
        at_number(step.started_at),
        None if step.parent_id is None else span_number(step.parent_id),
        step.started_at % 1000,
        min(max(step.ended_at - step.started_at, -_INT8_MAX), _INT8_MAX),
        KIND_CODE[step.kind],
        STATUS_CODE[step.status],
        step.marker,
        step.name[:COLUMN_TEXT],
        _text(step.tool),
        _text(step.model or step.model_requested),
        _text(step.prompt_version),
        _token(tokens.input),
        _token(tokens.output),
        step.cost_usd,
        None if given.base is None else span_number(given.base),
        given.keep,
        given.add or None,
        given.sum,
        output or None,
        detail,
        date_number(day_of(step.started_at)),
        bytes.fromhex(step.trajectory_id or step.trace_id),
        at_number(max(step.ended_at, step.started_at)),
        step.parent_id is None and not step.marker,
        is_step,
        is_step and step.status in _FAILED,
        _text(step.name) if step.parent_id is None else None,
        _text(step.agent),
        _text(step.session),
        _text(step.user),
        _text(step.service),
        _text(step.environment),
        (_token(tokens.cache_read) or 0) if model else 0,
        model and not step.marker and (tokens.input is None or tokens.output is None),
        model and not step.marker and step.cost_usd is None,
        model,
    )


def _token(value: int | None) -> int | None:
    return value if value is not None and 0 <= value <= _TOKENS_MAX else None


def is_marker(row: Row) -> bool:
    return cast("bool", row[_MARKER])


def content_row(content: Content, name: bytes, body: bytes) -> Row:
    """One row of content_in, but for the compression of its body."""
    return (
        bytes.fromhex(content.trace_id),
        span_number(content.span_id),
        at_number(content.at),
        content.direction,
        name,
        body,
        date_number(day_of(content.at)),
    )


def feedback_row(project_id: int, feedback: Feedback, window: tuple[int, int]) -> Row:
    """One row of feedback_in; the key makes an event and a log record of one verdict one row."""
    detail = {
        name: getattr(feedback, name)
        for name in (
            "target", "step_number", "version", "value", "label", "passed", "explanation",
            "source", "by", "error",
        )
    }  # fmt: skip
    named = [
        project_id, feedback.trace_id, feedback.span_id, feedback.session, feedback.response_id,
        feedback.step_number, feedback.target, feedback.name, feedback.version, feedback.source,
        feedback.by,
    ]  # fmt: skip
    at = clamp(feedback.at, window)
    return (
        digest(orjson.dumps(named)),
        at_number(at),
        None if feedback.trace_id is None else bytes.fromhex(feedback.trace_id),
        None if feedback.span_id is None else span_number(feedback.span_id),
        _text(feedback.session),
        _text(feedback.response_id),
        feedback.name[:COLUMN_TEXT],
        orjson.dumps({k: v for k, v in detail.items() if v is not None}).decode(),
        date_number(day_of(at)),
    )


def feedback_order(row: Row) -> Row:
    return row[:2]
