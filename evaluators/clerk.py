"""Model judges at work: jobs of their own, bounded concurrency, a held provider, a daily budget."""

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from evaluators.config import JudgeTask
from evaluators.desk import Desk, Loaded, Verdicted, first_trace
from evaluators.judge import (
    Answer,
    JudgeFailed,
    JudgeHeld,
    Model,
    ask_judge,
    judge_version,
    sorted_error,
)
from evaluators.plan import Plan, why_not_run, why_not_step
from evaluators.surroundings import Surroundings
from waypost.errors import WaypostError
from waypost.records import Score, Step, Trajectory
from waypost.store import feed, jobs, judges, projects, scores
from waypost.store.engine import Connection, Engine, plainly
from waypost.store.jobs import Job
from waypost.store.judges import Spent
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
    _heard: dict[int, list[Answer]] = field(default_factory=dict)

    def ask(self, connection: Connection, project: Project, found: Sequence[Verdicted]) -> None:
        """Queue every question about these runs that has no answer yet."""
        tasks = {id(t): t for one in found for t in one.loaded.plan.config.asking}.values()
        if not tasks:
            return
        wanted = {(t.name, judge_version(t, self.model.name), "model") for t in tasks}
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
                for task, step in _questions(project, one)
                for eid in (ids[task.name, judge_version(task, self.model.name)],)
                if (step.id if step else None, eid) not in done
            ]
            if targets:
                jobs.enqueue(connection, project.id, Queue.JUDGE, targets)

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
        self._heard.clear()
        return len(claimed)

    def _budget_is_spent(self) -> bool:
        at = dt.datetime.fromtimestamp(self.now() / 1e9, dt.UTC)
        if time.monotonic() - self.budget.read_at > REFRESH_SECONDS:
            self.budget.read_at = time.monotonic()
            midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
            with plainly(), self.engine.connect() as connection:
                self.budget.learn(judges.spent_by_all(connection, midnight))
        spent = self.budget.is_spent(at.date())
        if spent and not self.told_budget:
            log.warning("Model judges stop: %s.", self._spent_budget())
        self.told_budget = spent
        return spent

    def paused(self) -> str:
        """Why nothing is asked at present; empty while something may be."""
        if self.told_budget:
            return self._spent_budget()
        left = self.held_until - time.monotonic()
        return f"the provider asks to wait {left:.0f} s more" if left > 0 else ""

    def _spent_budget(self) -> str:
        return f"the budget of ${self.budget.limit:.2f} a day is spent until midnight UTC"

    def _answer(self, job: Job) -> "Answered | None":
        """The verdict on one job; None when the run, step or task is gone."""
        with plainly(), self.engine.begin() as connection:
            project = projects.get(connection, job.project_id)
            loaded = self.desk.load(connection, project, [job.trace_id], self.now())
            found = loaded.get(job.trace_id)
            task = self._task(connection, job, found.plan) if found else None
        if found is None or task is None:
            return None
        step = next((s for s in found.run.steps if s.id == job.span_id), None)
        if job.span_id is not None and step is None:
            return None
        item: Step | Trajectory = step or found.run
        answers = self._heard.setdefault(job.id, [])
        score, spent = ask_judge(
            task, item, Surroundings(found.run), self.model, heard=answers.append
        )
        return Answered(found, step, score, spent)

    def _task(self, connection: Connection, job: Job, plan: Plan) -> JudgeTask | None:
        """The task of an evaluator id; a version that is no longer asked for has none."""
        versions = {(t.name, judge_version(t, self.model.name)): t for t in plan.config.asking}
        at = dt.datetime.fromtimestamp(self.now() / 1e9, dt.UTC)
        for judge in judges.every(connection, job.project_id, at):
            if judge.id == job.evaluator_id:
                return versions.get((judge.name, judge.version))
        return None

    def _settle(self, job: Job, answer: "Future[Answered | None]") -> None:
        error = answer.exception()
        if error is None:
            self._store(job, answer.result())
            return
        if isinstance(error, WaypostError) and not isinstance(error, JudgeHeld | JudgeFailed):
            raise error
        fault = sorted_error(error)
        spent = sum((a.spent for a in self._heard.get(job.id, ())), Spent())
        if isinstance(fault, JudgeHeld):
            self.held_until = max(self.held_until, time.monotonic() + fault.seconds)
            with plainly(), self.engine.begin() as connection:
                self._spend(connection, job, spent)
                jobs.postpone(connection, [job], after_seconds=fault.seconds)
                jobs.hold(connection, Queue.JUDGE, after_seconds=fault.seconds)
            return
        self._put_back(job, fault, spent + fault.spent)

    def _spend(self, connection: Connection, job: Job, spent: Spent) -> None:
        at = dt.datetime.fromtimestamp(self.now() / 1e9, dt.UTC)
        self.budget.add(spent.cost_usd)
        judges.spend(connection, job.project_id, job.evaluator_id, spent, at)

    def _put_back(self, job: Job, fault: JudgeFailed, spent: Spent) -> None:
        error = str(fault)
        log.warning("A model judge failed on trace %s: %s", job.trace_id, error)
        with plainly(), self.engine.begin() as connection:
            self._spend(connection, job, replace(spent, errors=1))
            if fault.permanent or job.attempts >= MOST_ATTEMPTS:
                jobs.bury(connection, job, error)
            else:
                jobs.retry(connection, job, after_seconds=3.0 * 2**job.attempts, error=error)

    def _store(self, job: Job, found: "Answered | None") -> None:
        with plainly(), self.engine.begin() as connection:
            if found is not None:
                run, step = found.loaded.run, found.step
                verdict = Verdict(
                    trace_id=step.trace_id if step else first_trace(run),
                    started_at=step.started_at if step else run.started_at,
                    cohort_id=found.loaded.cohort_id,
                    evaluator_id=job.evaluator_id,
                    score=found.score,
                )
                self._spend(connection, job, found.spent)
                scores.write(connection, job.project_id, [verdict])
                feed.note(connection, job.project_id, [verdict.trace_id])
            jobs.finish(connection, [job])


@dataclass(frozen=True, slots=True)
class Answered:
    """The verdict on one job, and what it took."""

    loaded: Loaded
    step: Step | None
    score: Score
    spent: Spent


def _questions(project: Project, one: Verdicted) -> Iterator[tuple[JudgeTask, Step | None]]:
    """What may be asked about a run: its steps now, the whole of it once it has ended."""
    run = one.loaded.run
    for task in one.loaded.plan.config.asking:
        if why_not_run(task.assignment, project.name, run) is not None:
            continue
        if task.target == "trajectory":
            if one.again_after == 0:
                yield task, None
            continue
        for step in run.steps:
            if step.kind in task.kinds and why_not_step(task.assignment, step) is None:
                yield task, step
