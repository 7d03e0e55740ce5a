"""Evaluators as the store knows them: names, versions, sources, and what they cost lately."""

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection


@dataclass(frozen=True, slots=True)
class Judge:
    """One version of an evaluator, with what its counters say of a window."""

    id: int
    name: str
    version: str
    source: str
    first_at: dt.datetime
    judged: int
    failed: int
    abstained: int
    value: float | None


def every(connection: Connection, project_id: int, since: dt.datetime) -> list[Judge]:
    """All evaluators of a project by name, newest version first, with their counts since then."""
    rows = connection.execute(
        sa.text("""
            select e.id, e.name, e.version, e.source, e.first_at,
              coalesce(sum(h.n), 0) as judged, coalesce(sum(h.n_fail), 0) as failed,
              coalesce(sum(h.n_abstain), 0) as abstained,
              sum(h.value_sum) / nullif(sum(h.n), 0) as value
            from evaluator e
            left join score_hour h on h.project_id = e.project_id and h.evaluator_id = e.id
              and h.bucket >= date_trunc('hour', cast(:since as timestamptz), 'UTC')
            where e.project_id = :project_id
            group by e.id
            order by e.name, e.first_at desc, e.id desc"""),
        {"project_id": project_id, "since": since},
    )
    return [
        Judge(
            row.id, row.name, row.version, row.source, row.first_at, int(row.judged),
            int(row.failed), int(row.abstained),
            None if row.value is None else float(row.value),
        )
        for row in rows
    ]  # fmt: skip


def ids_named(connection: Connection, project_id: int, name: str) -> list[int]:
    """The ids of all versions of an evaluator."""
    rows = connection.execute(
        sa.text("select id from evaluator where project_id = :project_id and name = :name"),
        {"project_id": project_id, "name": name},
    )
    return [int(row.id) for row in rows]


def costs(connection: Connection, project_id: int, since: dt.datetime) -> dict[int, float]:
    """What each evaluator cost since then, in dollars."""
    rows = connection.execute(
        sa.text("""
            select evaluator_id, sum(cost_usd) as cost from score
            where project_id = :project_id and started_at >= :since and cost_usd > 0
            group by evaluator_id"""),
        {"project_id": project_id, "since": since},
    )
    return {int(row.evaluator_id): float(row.cost) for row in rows}
