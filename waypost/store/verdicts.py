"""Verdicts from outside, as they arrived: evaluator events, thumbs, a reviewer's word."""

import datetime as dt
import uuid
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.records import Feedback
from waypost.store.rows import at_ns, span_text


def of_traces(
    connection: Connection, project_id: int, trace_ids: Sequence[str], since: dt.date
) -> list[Feedback]:
    """What was said of these traces and their steps from the day `since` on."""
    found = connection.execute(
        sa.text("""
            select trace_id, span_id, session_id, response_id, name, at, detail from feedback
            where project_id = :project_id and trace_id = any(:traces) and at >= :since
            order by at, key"""),
        {
            "project_id": project_id,
            "traces": [uuid.UUID(t) for t in trace_ids],
            "since": dt.datetime.combine(since, dt.time(), dt.UTC),
        },
    )
    return [_feedback(row) for row in found]


def _feedback(row: sa.Row[tuple[object, ...]]) -> Feedback:
    values = row._mapping
    known = {k: v for k, v in values["detail"].items() if k in Feedback.__dataclass_fields__}
    return Feedback(
        name=values["name"],
        trace_id=None if values["trace_id"] is None else values["trace_id"].hex,
        span_id=None if values["span_id"] is None else span_text(values["span_id"]),
        session=values["session_id"],
        response_id=values["response_id"],
        at=at_ns(values["at"]),
        **known,
    )
