"""Workers are killed at random moments; in the end every score is there once."""

import datetime as dt
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tests.factories import NOW_NS, make_run, readings
from tests.shared import ROOT
from waypost.store import jobs, scores
from waypost.store.ingest import Writer

RUNS = 36


def start(url: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env={**os.environ, "WAYPOST_DATABASE_URL": url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


SCRIPT = """
import evaluators.worker, evaluators.run
evaluators.worker.LEASE_SECONDS = 2.0
from waypost.settings import Settings
from waypost.store.opened import store
import threading
settings = Settings.read()
from evaluators.desk import Desk
with store(settings) as engine:
    worker = evaluators.worker.Worker(engine, Desk(evaluators.run.build_plans(settings)))
    worker.lease_seconds, worker.batch = 2.0, 5
    worker.run(threading.Event())
"""


def left(engine: Engine) -> int:
    with engine.connect() as connection:
        return sum(d.waiting + d.leased + d.dead for d in jobs.depth(connection, 1))


def totals(engine: Engine) -> tuple[int, int, list[tuple[object, ...]]]:
    """Scores, distinct scores, and the counters."""
    with engine.connect() as connection:
        every, distinct = connection.execute(
            sa.text("select count(*), count(distinct (trace_id, span_id, evaluator_id)) from score")
        ).one()
        rows = connection.execute(
            sa.text(
                "select cohort_id, evaluator_id, n, n_fail, n_abstain from score_hour order by 1, 2"
            )
        )
        return every, distinct, [tuple(r) for r in rows]


@pytest.mark.slow
def test_killed_workers_lose_and_double_nothing(engine: Engine, database: str) -> None:
    writer = Writer(engine)
    chance = random.Random(4)
    running = [start(database), start(database)]
    try:
        for n in range(RUNS):
            with writer.batch() as batch:
                batch.put(1, readings(make_run(4, trace=f"k{n}")))
            if n % 6 == 5:
                time.sleep(0.3 + chance.random())
                victim = chance.randrange(2)
                running[victim].send_signal(signal.SIGKILL)
                running[victim].wait()
                running[victim] = start(database)
        deadline = time.monotonic() + 90
        while left(engine) and time.monotonic() < deadline:
            time.sleep(0.3)
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert left(engine) == 0
    every, distinct, counted = totals(engine)
    assert every == distinct
    with engine.connect() as connection:
        whole = connection.execute(sa.text("select count(distinct trace_id) from score")).scalar()
        per_run = connection.execute(
            sa.text("select count(*) from score group by trace_id")
        ).scalars()
        assert (whole, len(set(per_run))) == (RUNS, 1)
    with engine.begin() as connection:
        since = dt.datetime.fromtimestamp(NOW_NS / 1e9, dt.UTC) - dt.timedelta(days=1)
        scores.recount(connection, 1, since)
    assert totals(engine)[2] == counted
