"""How long steps take and how much they write, lately and by cohort, for anomalies."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.store.codec import KINDS

_MOST = 20_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One step's measures: its cohort, kind, what ran, nanoseconds, and tokens written."""

    cohort_id: int
    kind: str
    what: str
    duration_ns: int
    tokens_out: int | None


def recent(connection: Connection, project_id: int, since: dt.datetime) -> Iterator[Sample]:
    """The newest steps of a project from `since` on, at most twenty thousand."""
    rows = connection.execute(
        sa.text("""
            select coalesce(t.cohort_id, 0) as cohort_id, s.kind,
              coalesce(s.model, s.tool, s.name) as what, s.duration_ns, s.tokens_out
            from (
              select trace_id, started_at, kind, model, tool, name, duration_ns, tokens_out
              from step
              where project_id = :project_id and started_at >= :since
              order by started_at desc
              limit :most) s
            left join lateral (
              select cohort_id from trajectory
              where project_id = :project_id and trace_id = s.trace_id
                and day >= cast(:since as date)
              limit 1) t on true"""),
        {"project_id": project_id, "since": since, "most": _MOST},
    )
    for row in rows:
        kind = KINDS[row.kind]
        yield Sample(row.cohort_id, kind.value, row.what or "", row.duration_ns, row.tokens_out)
