"""What each evaluator is doing: matched, judged, failed, abstained, queued, oldest, cost, and why
nothing matches where nothing does."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from evaluators.agreement import Agreement, Corrected, corrected_rate
from evaluators.config import JudgeTask
from evaluators.evaluator import Target
from evaluators.plan import Plan, why_not_run, why_not_step, why_nothing_matches
from waypost.records import Kind, Trajectory
from waypost.store import jobs, judges, reviews, runs, traces
from waypost.store.engine import Connection
from waypost.store.jobs import Depth
from waypost.store.judges import Judge
from waypost.store.projects import Project
from waypost.store.queues import Queue

LOOKED_AT = 40


@dataclass(frozen=True, slots=True)
class Health:
    """One evaluator in one project over a window. `matched` is judged, abstained and queued."""

    name: str
    versions: tuple[str, ...]
    source: str
    owner: str
    matched: int
    judged: int
    failed: int
    abstained: int
    queued: int
    parked: int
    oldest: dt.datetime | None
    cost_usd: float
    why: str = ""
    agreed: Agreement | None = None

    @property
    def corrected(self) -> Corrected | None:
        """The fail rate that remains when what people found of its errors is taken into account."""
        if self.agreed is None:
            return None
        return corrected_rate(self.failed, self.judged, self.agreed)

    def as_json(self) -> dict[str, object]:
        """Everything a program may want to know, figures as plain numbers."""
        agreed = self.agreed
        return {
            **{k: v for k, v in asdict(self).items() if k not in ("agreed", "oldest")},
            "oldest": self.oldest.isoformat() if self.oldest else None,
            "precision": asdict(agreed.precision) if agreed and agreed.precision else None,
            "recall": asdict(agreed.recall) if agreed and agreed.recall else None,
            "corrected_fail_rate": asdict(self.corrected) if self.corrected else None,
        }


def examine(
    connection: Connection, project: Project, plan: Plan, since: dt.datetime, *, now: dt.datetime
) -> list[Health]:
    """Every evaluator that is asked for or has scores, by name."""
    known: dict[str, list[Judge]] = defaultdict(list)
    for judge in judges.every(connection, project.id, since):
        known[judge.name.split(".")[0]].append(judge)
    depth = jobs.depth(connection, project.id)
    costs = judges.costs(connection, project.id, since)
    recent = _recent(connection, project, since, now)
    agreed = {
        a.evaluator: Agreement(a.both_failed, a.judge_failed, a.person_failed, a.both_passed)
        for a in reviews.agreement(connection, project.id)
    }
    tasks = {t.name: t for t in plan.config.judges}
    names = sorted({*known, *plan.evaluators, *tasks})
    return [
        _health(
            name,
            known[name],
            depth,
            costs,
            why=_why(name, plan, tasks.get(name), project, recent),
            owner=_owner(plan, tasks.get(name), name),
            agreed=agreed.get(name),
        )
        for name in names
    ]


def _owner(plan: Plan, task: JudgeTask | None, name: str) -> str:
    return task.assignment.owner if task else plan.config.assignment(name).owner


def _recent(
    connection: Connection, project: Project, since: dt.datetime, now: dt.datetime
) -> list[Trajectory]:
    page = traces.page(connection, project.id, traces.Filter(since, now), most=LOOKED_AT)
    found = runs.load_many(
        connection, project.id, [s.trace_id for s in page], cohort_keys=project.cohort_keys
    )
    return list({id(run): run for run in found.values()}.values())


def _why(
    name: str,
    plan: Plan,
    task: JudgeTask | None,
    project: Project,
    recent: Sequence[Trajectory],
) -> str:
    if name in plan.evaluators:
        assignment = plan.config.assignment(name)
        return why_nothing_matches(plan.evaluators[name], assignment, project.name, list(recent))
    return _why_no_question(task, project, recent) if task else "it is no longer asked for"


def _why_no_question(task: JudgeTask, project: Project, recent: Sequence[Trajectory]) -> str:
    if not task.assignment.enabled:
        return "it is switched off"
    reasons: Counter[str] = Counter()
    for run in recent:
        whole = why_not_run(task.assignment, project.name, run)
        if task.target == Target.TRAJECTORY or whole:
            reasons[whole or ""] += 1
            continue
        kinds = task.assignment.kinds or frozenset({Kind.LLM})
        for step in run.steps:
            wrong = None if step.kind in kinds else f"kind is {' or '.join(sorted(kinds))}"
            reasons[wrong or why_not_step(task.assignment, step) or ""] += 1
    if reasons[""] or not recent:
        return "" if recent else "no run has arrived yet"
    steps = sum(len(run.steps) for run in recent)
    return f"0 of {steps:,} steps: {reasons.most_common(1)[0][0]}, this project has none"


def _health(
    name: str,
    mine: Sequence[Judge],
    depth: Iterable[Depth],
    costs: Mapping[int, float],
    *,
    why: str,
    owner: str,
    agreed: Agreement | None,
) -> Health:
    ids = {judge.id for judge in mine}
    waiting = [d for d in depth if d.evaluator_id in ids and d.queue is not Queue.TRACE]
    queued = sum(d.waiting + d.leased for d in waiting)
    judged, abstained = sum(j.judged for j in mine), sum(j.abstained for j in mine)
    matched = judged + abstained + queued
    return Health(
        name=name,
        versions=tuple(j.version for j in mine),
        source=mine[0].source if mine else "code",
        owner=owner,
        matched=matched,
        judged=judged,
        failed=sum(j.failed for j in mine),
        abstained=abstained,
        queued=queued,
        parked=sum(d.dead for d in waiting),
        oldest=min((d.oldest for d in waiting if d.oldest), default=None),
        cost_usd=sum(costs.get(i, 0.0) for i in ids),
        why="" if matched else why,
        agreed=agreed,
    )
