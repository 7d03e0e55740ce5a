"""Leased jobs: claimed in batches, deleted when done, healed by the lease when a worker dies."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.store.queues import Queue
from waypost.store.rows import span_number, span_text


@dataclass(frozen=True, slots=True)
class Job:
    """One claimed piece of work. `dirty` says how often it was asked for again meanwhile."""

    id: int
    project_id: int
    queue: Queue
    trace_id: str
    span_id: str | None
    evaluator_id: int
    day: dt.date
    attempts: int
    dirty: int
    created_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Depth:
    """How much waits in one queue of a project, and since when."""

    queue: Queue
    evaluator_id: int
    waiting: int
    leased: int
    dead: int
    oldest: dt.datetime | None


_CLAIM = sa.text("""
    with due as (
      select pick.id
      from project p
      cross join lateral (
        select id from job
        where queue = :queue and project_id = p.id and run_at <= now()
        order by run_at, id
        limit :share
        for update skip locked
      ) pick
      limit :most
    )
    update job set
      run_at = now() + make_interval(secs => :lease),
      leased_until = now() + make_interval(secs => :lease), attempts = attempts + 1
    where id = any (array(select id from due))
    returning id, project_id, queue, trace_id, span_id, evaluator_id, day, attempts, dirty,
      created_at""")


def claim(
    connection: Connection, queue: Queue, *, most: int = 100, lease_seconds: float = 300
) -> list[Job]:
    """Lease up to `most` due jobs, shared evenly between the projects that have some."""
    busy = connection.execute(_BUSY, {"queue": int(queue)}).scalar_one()
    share = max(1, -(-most // max(1, busy)))
    found = connection.execute(
        _CLAIM, {"queue": int(queue), "share": share, "most": most, "lease": lease_seconds}
    )
    return [_job(row) for row in found]


_BUSY = sa.text("""
    select count(*) from project p where exists (
      select from job where queue = :queue and project_id = p.id and run_at <= now())""")


def _job(row: sa.Row[tuple[object, ...]]) -> Job:
    values = row._mapping
    return Job(
        id=values["id"],
        project_id=values["project_id"],
        queue=Queue(values["queue"]),
        trace_id=values["trace_id"].hex,
        span_id=span_text(values["span_id"]) if values["span_id"] else None,
        evaluator_id=values["evaluator_id"],
        day=values["day"],
        attempts=values["attempts"],
        dirty=values["dirty"],
        created_at=values["created_at"],
    )


def finish(
    connection: Connection, jobs: Sequence[Job], *, again_after: Sequence[float] = ()
) -> None:
    """Done: delete them. One that was asked for again meanwhile becomes due at once.

    `again_after` gives for each job seconds after which it is due again, or 0 for done.
    """
    connection.execute(
        sa.text("""
            with done as (
              select * from unnest(
                cast(:ids as bigint[]), cast(:dirties as int[]), cast(:waits as float8[]))
                as t (id, dirty, wait)
            ),
            gone as (
              delete from job using done
              where job.id = done.id and job.dirty = done.dirty and done.wait = 0
            )
            update job set
              run_at = now() + make_interval(secs => case
                when job.dirty <> done.dirty then 0.4 else done.wait end),
              leased_until = null, attempts = 0, error = null
            from done
            where job.id = done.id and (job.dirty <> done.dirty or done.wait > 0)"""),
        {
            "ids": [job.id for job in jobs],
            "dirties": [job.dirty for job in jobs],
            "waits": [float(w) for w in again_after] or [0.0] * len(jobs),
        },
    )


def retry(connection: Connection, job: Job, *, after_seconds: float, error: str) -> None:
    """Give a job back, due again after a while, with the reason it failed."""
    connection.execute(
        sa.text("""
            update job set run_at = now() + make_interval(secs => :after), leased_until = null,
              error = :error
            where id = :id"""),
        {"id": job.id, "after": after_seconds, "error": error[:2000]},
    )


def postpone(connection: Connection, jobs: Sequence[Job], *, after_seconds: float) -> None:
    """Give jobs back unharmed: the attempt does not count."""
    connection.execute(
        sa.text("""
            update job set run_at = now() + make_interval(secs => :after), leased_until = null,
              attempts = greatest(0, attempts - 1)
            where id = any(:ids)"""),
        {"ids": [job.id for job in jobs], "after": after_seconds},
    )


def hold(connection: Connection, queue: Queue, *, after_seconds: float, most: int = 5000) -> None:
    """Put off what is due in a queue, so that no worker anywhere takes it before then."""
    connection.execute(
        sa.text("""
            update job set run_at = now() + make_interval(secs => :after)
            where id in (
              select id from job where queue = :queue and run_at <= now()
              order by run_at, id limit :most for update skip locked)"""),
        {"queue": int(queue), "after": after_seconds, "most": most},
    )


def bury(connection: Connection, job: Job, error: str) -> None:
    """Move a job that keeps failing to the dead ones, where it is shown."""
    connection.execute(
        sa.text("""
            with gone as (delete from job where id = :id returning *)
            insert into job_dead (id, project_id, queue, trace_id, span_id, evaluator_id, day,
              created_at, attempts, error)
            select id, project_id, queue, trace_id, span_id, evaluator_id, day, created_at,
              attempts, :error
            from gone"""),
        {"id": job.id, "error": error[:2000]},
    )


def extend(connection: Connection, jobs: Sequence[Job], *, lease_seconds: float) -> None:
    """Heartbeat: hold the leases for longer."""
    connection.execute(
        sa.text("""
            update job set run_at = now() + make_interval(secs => :lease),
              leased_until = now() + make_interval(secs => :lease)
            where id = any(:ids)"""),
        {"ids": [job.id for job in jobs], "lease": lease_seconds},
    )


def enqueue(
    connection: Connection,
    project_id: int,
    queue: Queue,
    targets: Sequence[tuple[str, str | None, int, dt.date]],
    *,
    after_seconds: float = 0,
) -> int:
    """Ask for work on each (trace, span, evaluator, day); one that waits already is marked."""
    ordered = sorted(set(targets), key=lambda t: (t[0], t[1] or "", t[2]))
    done = connection.execute(
        sa.text("""
            insert into job (project_id, queue, trace_id, span_id, evaluator_id, day, run_at)
            select :project_id, :queue, trace, span, evaluator, day,
              now() + make_interval(secs => :after)
            from unnest(cast(:traces as uuid[]), cast(:spans as bigint[]),
              cast(:evaluators as int[]), cast(:days as date[])) as t (trace, span, evaluator, day)
            on conflict (project_id, queue, trace_id, span_id, evaluator_id) do update
            set dirty = job.dirty + 1, day = least(job.day, excluded.day)"""),
        {
            "project_id": project_id,
            "queue": int(queue),
            "after": after_seconds,
            "traces": [t for t, _, _, _ in ordered],
            "spans": [span_number(s) if s else 0 for _, s, _, _ in ordered],
            "evaluators": [e for _, _, e, _ in ordered],
            "days": [d for _, _, _, d in ordered],
        },
    )
    return done.rowcount


def depth(connection: Connection, project_id: int) -> list[Depth]:
    """What waits for this project, by queue and evaluator."""
    found = connection.execute(
        sa.text("""
            select queue, evaluator_id,
              count(*) filter (where not dead and coalesce(leased_until, '-infinity') < now())
                as waiting,
              count(*) filter (where not dead and leased_until >= now()) as leased,
              count(*) filter (where dead) as dead,
              min(created_at) filter (where not dead) as oldest
            from (
              select queue, evaluator_id, leased_until, created_at, false as dead from job
              where project_id = :project_id
              union all
              select queue, evaluator_id, null, created_at, true from job_dead
              where project_id = :project_id) as every
            group by queue, evaluator_id
            order by queue, evaluator_id"""),
        {"project_id": project_id},
    )
    return [
        Depth(Queue(r.queue), r.evaluator_id, r.waiting, r.leased, r.dead, r.oldest) for r in found
    ]
