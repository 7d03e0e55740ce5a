"""What each evaluator reaches of a project's recent steps, and why nothing where it is nothing."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from evaluators.config import Assignment
from evaluators.evaluator import Target
from evaluators.plan import Plan, why_not_cohort, why_not_step
from evaluators.project_plan import Plans
from waypost.rates import percent
from waypost.records import Kind
from waypost.store import projects, reach
from waypost.store.engine import Connection, Engine, plainly
from waypost.store.projects import Project
from waypost.store.reach import Reach, Seen

LOOK_SECONDS = 60
LOOK_BACK = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """An evaluator or a model judge, as the plan asks for it."""

    assignment: Assignment
    target: str
    kinds: frozenset[Kind]
    paused: str = ""


def look_at_all(
    engine: Engine, plans: Plans, *, paused: str = "", now: dt.datetime | None = None
) -> int:
    """Look at the projects that nobody has looked at for a minute; how many there were.

    `paused` says why no model judge is asked at present, if none is.
    """
    moment = now or dt.datetime.now(dt.UTC)
    with plainly(), engine.begin() as connection:
        waiting = reach.due(connection, moment - dt.timedelta(seconds=LOOK_SECONDS))
    for project_id in waiting:
        with plainly(), engine.begin() as connection:
            project = projects.get(connection, project_id)
            plan = plans.of(connection, project_id)
            look(connection, project, plan, paused=paused, now=moment)
    return len(waiting)


def look(
    connection: Connection, project: Project, plan: Plan, *, now: dt.datetime, paused: str = ""
) -> list[Reach]:
    """Count a project's recent steps for every evaluator, and keep what came of it."""
    seen = reach.recent(connection, project.id, now - LOOK_BACK)
    found = [reached(one, project.name, seen, now) for one in asked(plan, paused)]
    reach.keep(connection, project.id, found)
    return found


def asked(plan: Plan, paused: str = "") -> Iterator[Asked]:
    """Everything the plan knows of, switched on or off."""
    for name, evaluator in plan.evaluators.items():
        yield Asked(plan.config.assignment(name), evaluator.target, evaluator.kinds)
    for task in plan.config.judges:
        yield Asked(task.assignment, task.target, task.kinds, paused)


def reached(one: Asked, project: str, seen: Iterable[Seen], now: dt.datetime) -> Reach:
    """How many of the steps (or runs) seen an evaluator is asked for, and why none are."""
    steps = one.target == Target.STEP
    mine = [s for s in seen if (s.kind is not None) is steps]
    reasons: Counter[str] = Counter()
    for group in mine:
        reasons[_why_not(one, project, group) or ""] += group.n
    return Reach(
        name=one.assignment.evaluator,
        target=str(one.target),
        owner=one.assignment.owner,
        seen=sum(s.n for s in mine),
        matched=reasons[""],
        why=_told(one, mine, reasons),
        at=now,
        paused=one.paused if one.assignment.enabled else "",
    )


def _why_not(one: Asked, project: str, group: Seen) -> str | None:
    why = why_not_cohort(one.assignment, project, group.cohort)
    if why is not None or one.target == Target.TRAJECTORY:
        return why
    if group.kind not in one.kinds:
        return f"kind is {' or '.join(sorted(one.kinds))}"
    return why_not_step(one.assignment, group)


def _told(one: Asked, mine: Sequence[Seen], reasons: Counter[str]) -> str:
    """One sentence on why nothing matches; empty when something does."""
    if not one.assignment.enabled:
        return "it is switched off"
    if not mine:
        return "no run has arrived lately"
    what = f"{sum(s.n for s in mine):,} {'steps' if one.target == Target.STEP else 'runs'}"
    if not reasons[""]:
        why = _commonest(reasons)
        return f"0 of {what}: {why}{'' if why.startswith('it is') else ', this project has none'}"
    if one.assignment.sampling < 1:
        return f"{reasons['']:,} of {what}: {percent(one.assignment.sampling)} of runs are sampled"
    return ""


def _commonest(reasons: Counter[str]) -> str:
    """The reason to tell: where steps of the right kind fail on something else, that."""
    told = {why: n for why, n in reasons.items() if why}
    narrower = {why: n for why, n in told.items() if not why.startswith("kind is")}
    return max(narrower or told, key=lambda why: told[why])
