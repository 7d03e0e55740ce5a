"""`waypost evaluate`: run evaluators again over a filter; says the cost first, can be resumed."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from evaluators.clerk import Clerk
from evaluators.desk import Loaded, Verdicted, first_trace
from evaluators.judged import Judged
from evaluators.plan import Plan
from waypost.errors import WrongUse
from waypost.records import Trajectory
from waypost.store import jobs, judges, runs, scores, traces
from waypost.store.engine import Connection, Engine, plainly
from waypost.store.projects import Project
from waypost.store.queues import Queue
from waypost.store.rows import day_of
from waypost.store.traces import Filter

PAGE = 200
LOOK_BACK = dt.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What running again would take: runs, model questions, and dollars as far as is known."""

    runs: int
    steps: int
    questions: int
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is: runs looked at, evaluations asked for, and what had its score already."""

    runs: int
    asked: int
    skipped: int


def check_names(plan: Plan, names: Sequence[str]) -> frozenset[str]:
    """The evaluators asked for, all of them without names; WrongUse for an unknown one."""
    tasks = {t.name for t in plan.config.judges}
    known = {n for n in plan.evaluators if plan.config.assignment(n).enabled} | tasks
    unknown = sorted(set(names) - known)
    if unknown:
        raise WrongUse(
            f"There is no evaluator {unknown[0]!r} that is switched on;"
            f" there are {', '.join(sorted(known))}."
        )
    return frozenset(names) if names else frozenset(known)


def estimate(
    engine: Engine,
    project: Project,
    wanted: Filter,
    plan: Plan,
    names: frozenset[str],
    *,
    now: dt.datetime | None = None,
) -> Estimate:
    """Count first: how many runs and steps, and what model judges cost on average lately."""
    moment = now or dt.datetime.now(dt.UTC)
    count = steps = 0
    for page in _pages(engine, project, wanted):
        count += len(page)
        steps += sum(summary.steps for summary in page)
    tasks = [t for t in plan.config.judges if t.name in names]
    questions = sum(count if t.target == "trajectory" else steps for t in tasks)
    if not tasks:
        return Estimate(count, steps, 0, 0.0)
    with plainly(), engine.connect() as connection:
        average = _average_cost(connection, project, {t.name for t in tasks}, moment - LOOK_BACK)
    return Estimate(count, steps, questions, None if average is None else questions * average)


def _average_cost(
    connection: Connection, project: Project, names: set[str], since: dt.datetime
) -> float | None:
    """Dollars a question of these judges took lately; None when none was asked."""
    known = [j for j in judges.every(connection, project.id, since) if j.name in names]
    spent = judges.spent(connection, project.id, since)
    total = sum((spent[j.id] for j in known if j.id in spent), judges.Spent())
    return total.cost_usd / total.asked if total.asked else None


def ask_again(
    engine: Engine,
    project: Project,
    wanted: Filter,
    plan: Plan,
    names: frozenset[str],
    *,
    clerk: Clerk | None = None,
    force: bool = False,
) -> Iterator[Progress]:
    """Queue the evaluators for every run of the filter, page by page; the worker does the rest.

    Stopped at any moment it can be called again: what waits is not doubled, and a run whose
    scores are of the current versions is skipped unless `force` asks for all.
    """
    local = names & set(plan.evaluators)
    looked = asked = skipped = 0
    for page in _pages(engine, project, wanted):
        with plainly(), engine.begin() as connection:
            found = runs.load_many(
                connection,
                project.id,
                [s.trace_id for s in page],
                cohort_keys=project.cohort_keys,
            )
            distinct = list({id(run): run for run in found.values()}.values())
            done, targets = _targets(connection, project, plan, distinct, local, force=force)
            if targets:
                jobs.enqueue(connection, project.id, Queue.EVALUATE, targets)
            if clerk is not None and names - local:
                clerk.ask(connection, project, [_unjudged(run, plan) for run in distinct])
        looked, asked, skipped = looked + len(page), asked + len(targets), skipped + done
        yield Progress(looked, asked, skipped)


def _unjudged(run: Trajectory, plan: Plan) -> Verdicted:
    return Verdicted(Loaded(run, plan, 0, {}), Judged(run))


Target = tuple[str, str | None, int, dt.date]


def _targets(
    connection: Connection,
    project: Project,
    plan: Plan,
    found: Sequence[Trajectory],
    names: frozenset[str],
    *,
    force: bool,
) -> tuple[int, list[Target]]:
    """What to queue for these runs, and how many evaluations were there already."""
    versions = {run.id: _versions(plan, project, run, names) for run in found}
    wanted = {(n, v, "code") for mine in versions.values() for n, v in mine.items()}
    if not wanted:
        return 0, []
    ids = scores.evaluator_ids(connection, project.id, wanted)
    known = set() if force else _known(connection, project, found)
    done = 0
    targets: list[Target] = []
    for run in found:
        for name, version in versions[run.id].items():
            if (run.id, name, version) in known:
                done += 1
            else:
                evaluator = ids[name, version]
                targets.append((first_trace(run), None, evaluator, day_of(run.started_at)))
    return done, targets


def _versions(
    plan: Plan, project: Project, run: Trajectory, names: frozenset[str]
) -> Mapping[str, str]:
    steps = [binding for binding, _ in plan.of_steps(project.name, run)]
    bindings = [*steps, *plan.of_run(project.name, run)]
    return {b.name: b.version for b in bindings if b.name in names}


def _known(
    connection: Connection, project: Project, found: Sequence[Trajectory]
) -> set[tuple[str, str, str]]:
    by_trace = {trace: run for run in found for trace in run.traces}
    since = min(run.started_at for run in found)
    at = dt.datetime.fromtimestamp(since / 1e9, dt.UTC) - dt.timedelta(days=1)
    stored = scores.of_trace(connection, project.id, list(by_trace), at)
    return {
        (by_trace[s.trace_id].id, s.score.evaluator.split(".")[0], s.score.version) for s in stored
    }


def _pages(engine: Engine, project: Project, wanted: Filter) -> Iterator[list[traces.Summary]]:
    after = None
    while True:
        with plainly(), engine.connect() as connection:
            page = traces.page(connection, project.id, wanted, after=after, most=PAGE)
        if page:
            yield page
        if len(page) < PAGE:
            return
        after = page[-1].first_at, page[-1].trace_id
