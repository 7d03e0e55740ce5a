"""Model judges at work: jobs of their own, bounded concurrency, a held provider, a daily budget."""

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from evaluators.config import JudgeTask
from evaluators.desk import Desk, Loaded, Verdicted, first_trace
from evaluators.judge import (
    JudgeFailed,
    JudgeHeld,
    Model,
    ask_judge,
    judge_version,
    sorted_error,
)
from evaluators.plan import why_not_run, why_not_step
from evaluators.surroundings import Surroundings
from waypost.errors import WaypostError
from waypost.records import Kind, Score, Step, Trajectory
from waypost.store import feed, jobs, judges, projects, scores
from waypost.store.engine import Connection, Engine, plainly
from waypost.store.jobs import Job
from waypost.store.projects import Project
from waypost.store.queues import Queue
from waypost.store.rows import day_of
from waypost.store.scores import Verdict

CONCURRENCY = 8
LEASE_SECONDS = 300.0
MOST_ATTEMPTS = 6
PAUSE_SECONDS = 0.5
REFRESH_SECONDS = 60.0
log = logging.getLogger("waypost.judge")


@dataclass(slots=True)
class Budget:
    """What judges may cost a day. What the store knows and what was spent since both count."""

    limit: float
    spent: float = 0.0
    day: dt.date = dt.date.min
    read_at: float = float("-inf")
    known: float = 0.0

    def is_spent(self, today: dt.date) -> bool:
        if today != self.day:
            self.day, self.spent, self.known = today, 0.0, 0.0
        return self.known + self.spent >= self.limit

    def add(self, dollars: float) -> None:
        self.spent += dollars

    def learn(self, known: float) -> None:
        """The store's own sum replaces what was counted here so far."""
        self.known, self.spent = known, 0.0


@dataclass(slots=True)
class Clerk:
    """Asks model judges. Rate limits hold the whole provider; a spent budget stops all, aloud."""

    engine: Engine
    desk: Desk
    model: Model
    budget: Budget
    concurrency: int = CONCURRENCY
    now: Callable[[], int] = time.time_ns
    held_until: float = 0.0
    told_budget: bool = False
    _tasks: dict[int, dict[int, JudgeTask]] = field(default_factory=dict)

    @property
    def tasks(self) -> Sequence[JudgeTask]:
        return [t for t in self.desk.plan.config.judges if t.assignment.enabled]

    def ask(self, connection: Connection, project: Project, found: Sequence[Verdicted]) -> None:
        """Queue every question about these runs that has no answer yet."""
        if not self.tasks or not found:
            return
        wanted = {(t.name, judge_version(t, self.model.name), "model") for t in self.tasks}
        ids = scores.evaluator_ids(connection, project.id, wanted)
        for one in found:
            run = one.loaded.run
            if not run.steps:
                continue
            since = dt.datetime.fromtimestamp(run.started_at / 1e9, dt.UTC)
            since -= dt.timedelta(days=1)
            known = scores.of_trace(connection, project.id, list(run.traces), since)
            done = {(s.score.step, s.evaluator_id) for s in known}
            targets = [
                (
                    step.trace_id if step else first_trace(run),
                    step.id if step else None,
                    eid,
                    day_of(step.started_at if step else run.started_at),
                )
                for task, step in self._questions(project, run, whole=one.again_after == 0)
                for eid in (ids[task.name, judge_version(task, self.model.name)],)
                if (step.id if step else None, eid) not in done
            ]
            if targets:
                jobs.enqueue(connection, project.id, Queue.JUDGE, targets)

    def _questions(
        self, project: Project, run: Trajectory, *, whole: bool
    ) -> Iterator[tuple[JudgeTask, Step | None]]:
        for task in self.tasks:
            if why_not_run(task.assignment, project.name, run) is not None:
                continue
            if task.target == "trajectory":
                if whole:
                    yield task, None
                continue
            for step in run.steps:
                kinds = task.assignment.kinds or frozenset({Kind.LLM})
                if step.kind in kinds and why_not_step(task.assignment, step) is None:
                    yield task, step

    def run(self, stop: threading.Event) -> None:
        """Ask until told to stop."""
        with ThreadPoolExecutor(self.concurrency, thread_name_prefix="judge") as pool:
            while not stop.is_set():
                try:
                    done = self.turn(pool)
                except WaypostError as error:
                    log.warning("Model judges are waiting: %s", error)
                    done = 0
                if not done:
                    stop.wait(PAUSE_SECONDS)

    def turn(self, pool: ThreadPoolExecutor) -> int:
        """Ask one batch of questions at once; how many were answered or put back."""
        if time.monotonic() < self.held_until or self._budget_is_spent():
            return 0
        with plainly(), self.engine.begin() as connection:
            claimed = jobs.claim(
                connection, Queue.JUDGE, most=self.concurrency, lease_seconds=LEASE_SECONDS
            )
        answers = [(job, pool.submit(self._answer, job)) for job in claimed]
        for job, answer in answers:
            self._settle(job, answer)
        return len(claimed)

    def _budget_is_spent(self) -> bool:
        at = dt.datetime.fromtimestamp(self.now() / 1e9, dt.UTC)
        if time.monotonic() - self.budget.read_at > REFRESH_SECONDS:
            self.budget.read_at = time.monotonic()
            midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
            with plainly(), self.engine.connect() as connection:
                known = sum(
                    sum(judges.costs(connection, p.id, midnight).values())
                    for p in projects.every(connection)
                )
            self.budget.learn(max(known, self.budget.known + self.budget.spent))
        spent = self.budget.is_spent(at.date())
        if spent and not self.told_budget:
            log.warning(
                "Model judges stop until midnight UTC: the budget of $%.2f a day is spent.",
                self.budget.limit,
            )
        self.told_budget = spent
        return spent

    def _answer(self, job: Job) -> tuple[Project, Loaded, Step | None, Score] | None:
        """The verdict on one job; None when the run, step or task is gone."""
        with plainly(), self.engine.begin() as connection:
            project = projects.get(connection, job.project_id)
            loaded = self.desk.load(connection, project, [job.trace_id], self.now())
            task = self._task(connection, job)
        found = loaded.get(job.trace_id)
        if found is None or task is None:
            return None
        step = next((s for s in found.run.steps if s.id == job.span_id), None)
        if job.span_id is not None and step is None:
            return None
        item: Step | Trajectory = step or found.run
        score = ask_judge(task, item, Surroundings(found.run), self.model)
        return project, found, step, score

    def _task(self, connection: Connection, job: Job) -> JudgeTask | None:
        """The task of an evaluator id; a version that is no longer asked for has none."""
        versions = {(t.name, judge_version(t, self.model.name)): t for t in self.tasks}
        at = dt.datetime.fromtimestamp(self.now() / 1e9, dt.UTC)
        for judge in judges.every(connection, job.project_id, at):
            if judge.id == job.evaluator_id:
                return versions.get((judge.name, judge.version))
        return None

    def _settle(
        self, job: Job, answer: "Future[tuple[Project, Loaded, Step | None, Score] | None]"
    ) -> None:
        error = answer.exception()
        if error is None:
            self._store(job, answer.result())
            return
        if isinstance(error, WaypostError) and not isinstance(error, JudgeHeld | JudgeFailed):
            raise error
        fault = sorted_error(error)
        if isinstance(fault, JudgeHeld):
            self.held_until = max(self.held_until, time.monotonic() + fault.seconds)
            with plainly(), self.engine.begin() as connection:
                jobs.postpone(connection, [job], after_seconds=fault.seconds)
            return
        self.budget.add(fault.spent)
        self._put_back(job, str(fault), permanent=fault.permanent)

    def _put_back(self, job: Job, error: str, *, permanent: bool) -> None:
        log.warning("A model judge failed on trace %s: %s", job.trace_id, error)
        with plainly(), self.engine.begin() as connection:
            if permanent or job.attempts >= MOST_ATTEMPTS:
                jobs.bury(connection, job, error)
            else:
                jobs.retry(connection, job, after_seconds=3.0 * 2**job.attempts, error=error)

    def _store(self, job: Job, found: tuple[Project, Loaded, Step | None, Score] | None) -> None:
        with plainly(), self.engine.begin() as connection:
            if found is not None:
                project, loaded, step, score = found
                self.budget.add(score.cost_usd or 0.0)
                verdict = Verdict(
                    trace_id=step.trace_id if step else first_trace(loaded.run),
                    started_at=step.started_at if step else loaded.run.started_at,
                    cohort_id=loaded.cohort_id,
                    evaluator_id=job.evaluator_id,
                    score=score,
                )
                scores.write(connection, project.id, [verdict])
                feed.note(connection, project.id, [verdict.trace_id])
            jobs.finish(connection, [job])
