"""What became of the runs of a trial: whether they arrived, are judged, and by whom how."""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.store import runs
from waypost.store.codec import STATUSES


@dataclass(frozen=True, slots=True)
class Place:
    """One run. `scores` are (failed, passed, abstained) by evaluator, as far as they count.

    `waiting` and `given_up` name the evaluators whose job waits or has failed for good; the empty
    name is the job that judges the whole run.
    """

    status: str = "ok"
    scores: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()
    given_up: frozenset[str] = frozenset()


def of_runs(connection: Connection, project_id: int, trace_ids: Sequence[str]) -> dict[str, Place]:
    """The runs that these traces belong to, by the trace asked for; those not there are left out.

    A run that spans several traces is one.
    """
    groups = runs.groups(connection, project_id, trace_ids)
    if not groups:
        return {}
    traces = {trace for group in groups.values() for trace, _ in group}
    since = min(day for group in groups.values() for _, day in group)
    scores = _scores(connection, project_id, traces, since)
    jobs = _jobs(connection, project_id, traces)
    statuses = _statuses(connection, project_id, traces, since)
    found = {}
    for asked, group in groups.items():
        own = sorted({trace for trace, _ in group})
        said: dict[str, tuple[int, int, int]] = {}
        for trace in own:
            for name, (failed, passed, abstained) in scores.get(trace, {}).items():
                k, n, a = said.get(name, (0, 0, 0))
                said[name] = (k + failed, n + passed, a + abstained)
        waiting, dead = (
            frozenset(name for trace in own for name in jobs.get((trace, is_dead), ()))
            for is_dead in (False, True)
        )
        status = next((statuses[t] for t in own if t in statuses), "ok")
        found[asked] = Place(status, said, waiting, dead)
    return found


def _scores(
    connection: Connection, project_id: int, traces: set[str], since: dt.date
) -> Mapping[str, Mapping[str, tuple[int, int, int]]]:
    rows = connection.execute(
        sa.text("""
            select s.trace_id, e.name, count(*) filter (where s.outcome = 0) as failed,
              count(*) filter (where s.outcome = 1) as passed,
              count(*) filter (where s.outcome = 2) as abstained
            from score s join evaluator e on e.id = s.evaluator_id
            where s.project_id = :project_id and s.trace_id = any(:traces) and s.counts
              and s.started_at >= cast(:since as date) - interval '1 day'
            group by s.trace_id, e.name"""),
        {"project_id": project_id, "traces": [uuid.UUID(t) for t in traces], "since": since},
    )
    found: dict[str, dict[str, tuple[int, int, int]]] = defaultdict(dict)
    for row in rows:
        found[row.trace_id.hex][row.name] = (row.failed, row.passed, row.abstained)
    return found


def _jobs(
    connection: Connection, project_id: int, traces: set[str]
) -> Mapping[tuple[str, bool], set[str]]:
    rows = connection.execute(
        sa.text("""
            select j.trace_id, j.dead, coalesce(e.name, '') as name
            from (
              select trace_id, evaluator_id, false as dead from job
              where project_id = :project_id and trace_id = any(:traces)
              union
              select trace_id, evaluator_id, true from job_dead
              where project_id = :project_id and trace_id = any(:traces)) j
            left join evaluator e on e.id = j.evaluator_id"""),
        {"project_id": project_id, "traces": [uuid.UUID(t) for t in traces]},
    )
    found: dict[tuple[str, bool], set[str]] = defaultdict(set)
    for row in rows:
        found[row.trace_id.hex, row.dead].add(row.name)
    return found


def _statuses(
    connection: Connection, project_id: int, traces: set[str], since: dt.date
) -> Mapping[str, str]:
    """How the runs ended; what a run adds up to stands on its first row."""
    rows = connection.execute(
        sa.text("""
            select distinct on (trace_id) trace_id, status from trajectory
            where project_id = :project_id and trace_id = any(:traces) and day >= :since
              and settled_at is not null and status is not null
            order by trace_id, steps desc"""),
        {"project_id": project_id, "traces": [uuid.UUID(t) for t in traces], "since": since},
    )
    return {row.trace_id.hex: str(STATUSES[row.status]) for row in rows}
