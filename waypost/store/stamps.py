"""What a run was when it was last looked at: equal stamps mean that nothing has changed."""

import datetime as dt
import uuid

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def of_run(connection: Connection, project_id: int, trace_id: str) -> str | None:
    """The stamp of the run a trace belongs to; None when there is no such trace."""
    try:
        asked = uuid.UUID(trace_id)
    except ValueError:
        return None
    found = connection.execute(_STAMP, {"project_id": project_id, "trace_id": asked}).scalar()
    return None if found is None else str(found)


_STAMP = sa.text("""
    with rows as (
      select trace_id, first_at, last_at, settled_at, steps, errors, root_ended, status
      from trajectory
      where project_id = :project_id and trajectory_id in (
        select trajectory_id from trajectory
        where project_id = :project_id and trace_id = :trace_id)
    ),
    said as (
      select count(*) as n, max(s.scored_at) as latest
      from score s
      where s.project_id = :project_id and s.trace_id in (select trace_id from rows)
        and s.started_at >= (select min(first_at) - interval '1 day' from rows)
    )
    select md5(string_agg(rows::text, ',' order by trace_id, first_at)
      || coalesce((select said::text from said), ''))
    from rows""")


def has_any(connection: Connection, project_id: int) -> bool:
    """Whether a project has any listed run."""
    found = connection.execute(
        sa.text(
            "select exists (select from trajectory where project_id = :id"
            " and (steps > 0 or errors > 0 and agent is not null))"
        ),
        {"id": project_id},
    )
    return bool(found.scalar_one())


def first_seen(
    connection: Connection, project_id: int, since: dt.datetime
) -> list[tuple[str, str, str, dt.datetime]]:
    """Versions of prompts, models, policies and tools that came first after `since`."""
    rows = connection.execute(
        sa.text("""
            select kind, name, version, at from first_seen
            where project_id = :project_id and at >= :since order by at limit 200"""),
        {"project_id": project_id, "since": since},
    )
    return [(row.kind, row.name, row.version, row.at) for row in rows]
