"""The worker: claims leased jobs, judges runs, writes scores; one place that catches everything."""

import datetime as dt
import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from evaluators.chores import first_line
from evaluators.desk import Desk, Verdicted, first_trace, verdicts_of
from evaluators.plan import Binding
from waypost.errors import WaypostError
from waypost.records import Score, Trajectory
from waypost.store import feed, jobs, judges, projects, scores
from waypost.store.engine import Connection, Engine, plainly
from waypost.store.jobs import Job
from waypost.store.projects import Project
from waypost.store.queues import Queue
from waypost.store.rows import day_of
from waypost.store.scores import Verdict

LEASE_SECONDS = 60.0
BATCH = 48
PAUSE_SECONDS = 0.15
LONGEST_PAUSE = 1.0
MOST_ATTEMPTS = 5
PROJECT_SECONDS = 30.0
log = logging.getLogger("waypost.worker")


@dataclass(frozen=True, slots=True)
class Fault:
    """A crash of one evaluator on one run."""

    binding: Binding
    run: Trajectory
    error: str


Tell = Callable[[Project, Sequence[tuple[Trajectory, Verdict]]], None]
Ask = Callable[[Connection, Project, Sequence[Verdicted]], None]


@dataclass(slots=True)
class Worker:
    """One loop over one store. `tell` hears of what was committed, `ask` may ask model judges."""

    engine: Engine
    desk: Desk
    tell: Tell | None = None
    ask: Ask | None = None
    batch: int = BATCH
    lease_seconds: float = LEASE_SECONDS
    now: Callable[[], int] = time.time_ns
    cpu: Counter[str] = field(default_factory=Counter)
    _projects: dict[int, tuple[float, Project]] = field(default_factory=dict)

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop; a store that is away is waited for."""
        pause = PAUSE_SECONDS
        while not stop.is_set():
            try:
                done = self.turn()
            except Exception as error:  # noqa: BLE001  whatever happens, the worker goes on
                log.warning("A round of work failed: %s", first_line(error))
                done, pause = 0, LONGEST_PAUSE
            if done:
                pause = PAUSE_SECONDS
            else:
                stop.wait(pause)
                pause = min(LONGEST_PAUSE, pause * 1.5)

    def turn(self) -> int:
        """One round: a batch of changed runs, then a batch of single evaluators; how many jobs."""
        return self._round(Queue.TRACE, self._judge_traces) + self._round(
            Queue.EVALUATE, self._judge_again
        )

    def _round(self, queue: Queue, work: Callable[[Project, list[Job]], None]) -> int:
        with plainly(), self.engine.begin() as connection:
            claimed = jobs.claim(
                connection, queue, most=self.batch, lease_seconds=self.lease_seconds
            )
        for project_id, mine in _by_project(claimed).items():
            self._guarded(self._project(project_id), mine, work)
        return len(claimed)

    def _guarded(
        self, project: Project, mine: list[Job], work: Callable[[Project, list[Job]], None]
    ) -> None:
        """Do a batch; one that fails is done job by job, so that one bad run holds up no other."""
        try:
            with plainly():
                work(project, mine)
        except WaypostError:
            raise
        except Exception as error:  # noqa: BLE001  a batch's fault is found by doing its jobs alone
            if len(mine) > 1:
                for job in mine:
                    self._guarded(project, [job], work)
                return
            self._put_back(mine[0], first_line(error))

    def _put_back(self, job: Job, error: str) -> None:
        log.warning("Job on trace %s failed (attempt %d): %s", job.trace_id, job.attempts, error)
        with plainly(), self.engine.begin() as connection:
            if job.attempts >= MOST_ATTEMPTS:
                jobs.bury(connection, job, error)
            else:
                jobs.retry(connection, job, after_seconds=2.0**job.attempts, error=error)

    def _judge_traces(self, project: Project, mine: list[Job]) -> None:
        now, faults = self.now(), list[Fault]()
        with self.engine.begin() as connection:
            loaded = self.desk.load(connection, project, [j.trace_id for j in mine], now)
        found: dict[int, Verdicted] = {}
        held = time.monotonic()
        for one in loaded.values():
            if id(one) not in found:
                attempt = self._attempt(one.run, faults)
                found[id(one)] = self.desk.judge(project, one, now, attempt=attempt)
                self.cpu.update(found[id(one)].judged.cpu)
                held = self._hold(mine, held)
        waits = [
            found[id(loaded[j.trace_id])].again_after if j.trace_id in loaded else 0.0 for j in mine
        ]
        with self.engine.begin() as connection:
            verdicts = self.desk.write(connection, project, list(found.values()))
            self._park(connection, project, faults)
            if self.ask is not None:
                self.ask(connection, project, list(found.values()))
            jobs.finish(connection, mine, again_after=waits)
        self.desk.remember(found.values())
        self._tell(project, list(found.values()), verdicts)

    def _hold(self, mine: list[Job], since: float) -> float:
        """Heartbeat: a batch that takes long keeps its leases."""
        if time.monotonic() - since < self.lease_seconds / 3:
            return since
        with self.engine.begin() as connection:
            jobs.extend(connection, mine, lease_seconds=self.lease_seconds)
        return time.monotonic()

    def _attempt(
        self, run: Trajectory, faults: list[Fault]
    ) -> Callable[[Binding, Callable[[], list[Score]]], list[Score]]:
        """Run one judge; a crash becomes a fault of the evaluator."""

        def attempt(binding: Binding, judge: Callable[[], list[Score]]) -> list[Score]:
            try:
                return judge()
            except Exception as error:  # noqa: BLE001  a judge may be anybody's; its fault is kept
                faults.append(Fault(binding, run, f"{type(error).__name__}: {error}"))
                return []

        return attempt

    def _park(self, connection: Connection, project: Project, faults: Iterable[Fault]) -> None:
        """A crashed evaluator gets a job of its own, retried and in the end kept with the dead."""
        by_binding = {(f.binding.name, f.binding.version, f.run.id): f for f in faults}
        if not by_binding:
            return
        wanted = {(name, version, "code") for name, version, _ in by_binding}
        ids = scores.evaluator_ids(connection, project.id, wanted)
        targets = [
            (first_trace(f.run), None, ids[name, version], day_of(f.run.started_at))
            for (name, version, _), f in by_binding.items()
        ]
        jobs.enqueue(connection, project.id, Queue.EVALUATE, targets, after_seconds=1)

    def _judge_again(self, project: Project, mine: list[Job]) -> None:
        """Jobs for one evaluator on one run: crashes tried again, and what people asked for."""
        now = self.now()
        with self.engine.begin() as connection:
            names = {j.id: j.name for j in judges.every(connection, project.id, _moment(now))}
            loaded = self.desk.load(connection, project, [j.trace_id for j in mine], now)
        for trace, wanted in _by_trace(mine).items():
            one = loaded.get(trace)
            asked = frozenset(names[j.evaluator_id] for j in wanted if j.evaluator_id in names)
            found = None
            if one is not None:
                found = self.desk.judge(project, one, now, attempt=_plainly_called, only=asked)
            with self.engine.begin() as connection:
                if found is not None:
                    self._write_again(connection, project, found)
                jobs.finish(connection, wanted)

    def _write_again(self, connection: Connection, project: Project, found: Verdicted) -> None:
        verdicts = verdicts_of(connection, project.id, [found], outside=False)
        if scores.write(connection, project.id, verdicts):
            feed.note(connection, project.id, {v.trace_id for v in verdicts})
        self.desk.memory.forget(found.loaded.run.id)
        if self.ask is not None:
            self.ask(connection, project, [found])

    def _tell(
        self, project: Project, found: Sequence[Verdicted], verdicts: Sequence[Verdict]
    ) -> None:
        if self.tell is None:
            return
        of = {t: one.loaded.run for one in found for t in one.loaded.run.traces}
        self.tell(project, [(of[v.trace_id], v) for v in verdicts if v.trace_id in of])

    def _project(self, project_id: int) -> Project:
        kept = self._projects.get(project_id)
        if kept is None or time.monotonic() - kept[0] > PROJECT_SECONDS:
            with plainly(), self.engine.connect() as connection:
                kept = time.monotonic(), projects.get(connection, project_id)
            self._projects[project_id] = kept
        return kept[1]


def _moment(ns: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(ns / 1e9, dt.UTC)


def _plainly_called(binding: Binding, judge: Callable[[], list[Score]]) -> list[Score]:
    return judge()


def _by_project(claimed: Iterable[Job]) -> Mapping[int, list[Job]]:
    groups: dict[int, list[Job]] = defaultdict(list)
    for job in claimed:
        groups[job.project_id].append(job)
    return groups


def _by_trace(mine: Iterable[Job]) -> Mapping[str, list[Job]]:
    groups: dict[str, list[Job]] = defaultdict(list)
    for job in mine:
        groups[job.trace_id].append(job)
    return groups
