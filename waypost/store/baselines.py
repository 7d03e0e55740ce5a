"""How long steps take and how much they write, lately and by cohort, for anomalies."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.store.codec import KINDS

_RUNS, _MOST = 1500, 20_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One step's measures: its cohort, kind, what ran, nanoseconds, and tokens written."""

    cohort_id: int
    kind: str
    what: str
    duration_ns: int
    tokens_out: int | None


def recent(connection: Connection, project_id: int, since: dt.datetime) -> Iterator[Sample]:
    """The steps of a project's newest runs from `since` on, at most twenty thousand.

    By way of the runs: a day of steps has no index on their time.
    """
    values = {"project_id": project_id, "since": since, "runs": _RUNS, "most": _MOST}
    for row in connection.execute(_RECENT, values):
        kind = KINDS[row.kind]
        yield Sample(row.cohort_id, kind.value, row.what or "", row.duration_ns, row.tokens_out)


_RECENT = sa.text("""
    select coalesce(r.cohort_id, 0) as cohort_id, s.kind,
      coalesce(s.model, s.tool, s.name) as what, s.duration_ns, s.tokens_out
    from (
      select trace_id, cohort_id, first_at from trajectory
      where project_id = :project_id and first_at >= :since
      order by first_at desc
      limit :runs) r
    join step s on s.project_id = :project_id and s.trace_id = r.trace_id
      and s.started_at >= r.first_at - interval '1 day'
      and s.started_at >= cast(:since as timestamptz) - interval '1 day'
    limit :most""")
