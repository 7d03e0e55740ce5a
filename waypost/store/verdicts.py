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
    """What was said of these traces, their steps and their sessions from the day `since` on.

    A word on a session belongs to the run before it; said before any, to the one that follows.
    """
    found = connection.execute(
        _OF_TRACES,
        {
            "project_id": project_id,
            "traces": [uuid.UUID(t) for t in trace_ids],
            "since": dt.datetime.combine(since, dt.time(), dt.UTC),
        },
    )
    return [_feedback(row) for row in found]


_OF_TRACES = sa.text("""
    with asked as (
      select trace_id, session_id, first_at, day from trajectory t
      where project_id = :project_id and trace_id = any(:traces)
        and day >= cast(:since as timestamptz)::date and session_id is not null
        and exists (
          select from feedback f
          where f.project_id = :project_id and f.session_id = t.session_id
            and f.trace_id is null and f.at >= cast(:since as timestamptz) - interval '7 days')
    ),
    said as (
      select trace_id, span_id, session_id, response_id, name, at, key, detail from feedback
      where project_id = :project_id and trace_id = any(:traces) and at >= :since
      union all
      select a.trace_id, f.span_id, f.session_id, f.response_id, f.name, f.at, f.key, f.detail
      from asked a
      left join lateral (
        select first_at from trajectory
        where project_id = :project_id and session_id = a.session_id
          and first_at < a.first_at and day between a.day - 7 and a.day
        order by first_at desc limit 1) as earlier on true
      left join lateral (
        select first_at from trajectory
        where project_id = :project_id and session_id = a.session_id
          and first_at > a.first_at and day between a.day and a.day + 8
        order by first_at limit 1) as later on true
      join feedback f on f.project_id = :project_id and f.session_id = a.session_id
        and f.trace_id is null
        and f.at >= case when earlier.first_at is null then a.first_at - interval '7 days'
          else a.first_at end
        and f.at < coalesce(later.first_at, a.first_at + interval '7 days')
    )
    select * from said order by at, key""")


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
