"""Jobs are leased, shared between projects, and never lost."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tests.factories import trace_id
from waypost.store import jobs
from waypost.store.jobs import Job
from waypost.store.queues import Queue

DAY = dt.date(2026, 11, 20)


def enqueue(engine: Engine, *names: str, project: int = 1) -> None:
    with engine.begin() as connection:
        jobs.enqueue(connection, project, Queue.TRACE, [(trace_id(n), None, 0, DAY) for n in names])


def claim(engine: Engine, most: int = 100, lease: float = 60) -> list[Job]:
    with engine.begin() as connection:
        return jobs.claim(connection, Queue.TRACE, most=most, lease_seconds=lease)


def test_a_job_is_claimed_once_and_gone_when_done(any_engine: Engine) -> None:
    enqueue(any_engine, "a", "b")
    claimed = claim(any_engine)
    assert claim(any_engine) == []
    with any_engine.begin() as connection:
        jobs.finish(connection, claimed)
        assert jobs.depth(connection, 1) == []


def test_an_expired_lease_gives_the_job_to_another(engine: Engine) -> None:
    enqueue(engine, "a")
    claim(engine, lease=-1)
    (again,) = claim(engine)
    assert again.attempts == 2


def test_a_job_asked_for_again_while_leased_runs_again(engine: Engine) -> None:
    enqueue(engine, "a")
    claimed = claim(engine)
    enqueue(engine, "a")
    with engine.begin() as connection:
        jobs.finish(connection, claimed)
        (left,) = jobs.depth(connection, 1)
    assert (left.waiting, left.leased) == (1, 0)


def test_a_failed_job_waits_and_a_hopeless_one_is_buried(engine: Engine) -> None:
    enqueue(engine, "a", "b")
    first, second = claim(engine)
    with engine.begin() as connection:
        jobs.retry(connection, first, after_seconds=60, error="boom")
        jobs.bury(connection, second, "boom again")
        (left,) = jobs.depth(connection, 1)
    assert claim(engine) == []
    assert (left.waiting, left.dead) == (1, 1)


def test_a_flood_of_one_project_does_not_keep_another_waiting(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("insert into project (name) values ('quiet')"))
    enqueue(engine, *(f"flood{n}" for n in range(50)))
    enqueue(engine, "quiet", project=2)
    assert {job.project_id for job in claim(engine, most=4)} == {1, 2}


def test_workers_at_once_share_the_jobs_without_overlap(any_engine: Engine) -> None:
    enqueue(any_engine, *(f"t{n}" for n in range(200)))

    def work(_: int) -> list[int]:
        got: list[int] = []
        while claimed := claim(any_engine, most=7):
            got += [job.id for job in claimed]
        return got

    with ThreadPoolExecutor(4) as pool:
        ids = [i for part in pool.map(work, range(4)) for i in part]
    assert len(ids) == len(set(ids)) == 200
