"""From commit to score: `python -m benchmarks.evaluators.lag [--rate 1000] [--seconds 20]`.

Starts an embedded Postgres and worker processes, commits real runs at a steady rate and prints
the lag to the local scores, steps a second for each core of worker, and the CPU of each evaluator.
"""

import argparse
import datetime as dt
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import psutil
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from evaluators.desk import Desk
from evaluators.run import build_plans, spare_garbage
from evaluators.worker import Worker
from tests.factories import trace_id
from tests.unit.evaluators.trajectories import recorded_runs
from waypost.records import Kind, Reading, Step
from waypost.settings import Settings
from waypost.store import partitions, scores
from waypost.store.embedded import EmbeddedPostgres
from waypost.store.engine import connect
from waypost.store.ingest import Writer
from waypost.store.migrate import migrate
from waypost.store.queues import Queue

ROOT = Path(__file__).resolve().parents[2]


def fresh_runs() -> Iterator[list[Step]]:
    """Recorded runs again and again, each time as a new trace that begins now."""
    known = [r.run.steps for r in recorded_runs("tau_bench")]
    for number, steps in enumerate(cycle(known)):
        yield _moved(steps, f"lag{time.time_ns()}:{number}", time.time_ns())


def _moved(steps: Sequence[Step], name: str, now: int) -> list[Step]:
    trace = trace_id(name)
    start = now - 60 * 10**9
    root = Step(
        trace_id=trace, span_id="f" * 16, parent_id=None, kind=Kind.AGENT, name="agent",
        started_at=start, ended_at=now, agent="bench",
    )  # fmt: skip
    own = [
        replace(
            s,
            trace_id=trace,
            parent_id=root.span_id,
            started_at=start + n * 10**6,
            ended_at=start + n * 10**6 + 10**5,
            number=None,
        )
        for n, s in enumerate(steps, 1)
    ]
    return [root, *own]


def commit(writer: Writer, runs: Sequence[list[Step]]) -> int:
    with writer.batch() as batch:
        for steps in runs:
            batch.put(1, [Reading(s) for s in steps])
    return sum(len(steps) - 1 for steps in runs)


def drain(engine: Engine, worker: Worker) -> float:
    """Work until nothing is left; the CPU it took here, in seconds."""
    with engine.begin() as connection:
        connection.execute(sa.text("update job set run_at = now()"))
    began = time.process_time()
    while worker.turn():
        continue
    return time.process_time() - began


def throughput(engine: Engine, steps: int) -> None:
    """One worker over a backlog: steps a second of its CPU, and what each evaluator took."""
    source, writer, sent = fresh_runs(), Writer(engine), 0
    while sent < steps:
        sent += commit(writer, [next(source) for _ in range(20)])
    spare_garbage()
    worker = Worker(engine, Desk(build_plans(Settings())))
    spent = drain(engine, worker)
    print(f"backlog: {sent:,} steps, {sent / spent:,.0f} steps a second of one core")
    print(f"CPU per 1,000 steps: {1e6 * spent / sent:,.0f} ms in the worker, of which")
    for name, nanoseconds in worker.cpu.most_common():
        print(f"  {name:22} {nanoseconds / sent / 1000:8.1f} ms")


def lag(engine: Engine, url: str, *, rate: int, seconds: int, workers: int) -> None:
    """A steady stream and worker processes: the time from commit to the last local score."""
    running = [_start(url) for _ in range(workers)]
    try:
        time.sleep(4)
        committed = _stream(engine, rate, seconds)
        time.sleep(6)
        used = [psutil.Process(p.pid).cpu_times() for p in running]
        cpu = sum(t.user + t.system for t in used)
    finally:
        for process in running:
            process.kill()
            process.wait()
    waits = _waits(engine, committed)
    if waits:
        waits.sort()
        p50, p95 = statistics.median(waits), waits[int(0.95 * (len(waits) - 1))]
        print(
            f"stream: {len(committed)} runs at {rate} steps/s, {len(waits)} scored;"
            f" lag p50 {p50:.2f} s, p95 {p95:.2f} s, max {waits[-1]:.2f} s;"
            f" {workers} workers used {cpu:.1f} s of CPU in {seconds} s"
        )


def _start(url: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "WAYPOST_DATABASE_URL": url}
    return subprocess.Popen(
        [sys.executable, "-m", "waypost", "work"],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.DEVNULL,
    )


def _stream(engine: Engine, rate: int, seconds: int) -> dict[str, float]:
    """Commit whole runs at the rate; when each was committed."""
    source, writer = fresh_runs(), Writer(engine)
    committed: dict[str, float] = {}
    began, sent = time.time(), 0
    while time.time() - began < seconds:
        batch = [next(source) for _ in range(2)]
        sent += commit(writer, batch)
        committed |= {steps[0].trace_id: time.time() for steps in batch}
        time.sleep(max(0.0, began + sent / rate - time.time()))
    return committed


def _waits(engine: Engine, committed: dict[str, float]) -> list[float]:
    since = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    waits = []
    traces = list(committed)
    for start in range(0, len(traces), 100):
        with engine.connect() as connection:
            found = scores.of_trace(connection, 1, traces[start : start + 100], since)
        last: dict[str, float] = {}
        for one in found:
            at = one.scored_at.timestamp()
            last[one.trace_id] = max(at, last.get(one.trace_id, at))
        waits += [at - committed[t] for t, at in last.items()]
    return waits


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=1)
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as folder,
        EmbeddedPostgres(Path(folder) / "pg") as server,
    ):
        engine = connect(server.url)
        migrate(engine)
        partitions.ensure_ahead(engine, dt.datetime.now(dt.UTC).date())
        throughput(engine, chosen.steps)
        lag(
            engine,
            server.url,
            rate=chosen.rate,
            seconds=chosen.seconds,
            workers=chosen.workers,
        )
        engine.dispose()


if __name__ == "__main__":
    print(f"queues: {', '.join(q.name.lower() for q in Queue)}")
    main()
