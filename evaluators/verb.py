"""`waypost evaluate`: says what running again would take, asks for it, and shows how far it is."""

import datetime as dt
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import click

from evaluators.again import Estimate, Progress, ask_again, check_names, estimate
from evaluators.desk import Desk
from evaluators.health import LOOK_BACK, look
from evaluators.run import build_clerk, build_plans
from waypost.rates import plural
from waypost.settings import Settings
from waypost.store import projects, reach
from waypost.store.engine import plainly
from waypost.store.health import Health, of_evaluators
from waypost.store.opened import store
from waypost.store.traces import Filter

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be judged again: a filter over runs, and which evaluators; none means all."""

    wanted: Filter
    project: str = projects.DEFAULT
    names: Sequence[str] = ()
    force: bool = False
    only_count: bool = False


def evaluate(
    settings: Settings,
    request: Request,
    *,
    confirm: Callable[[str], bool] | None = None,
    say: Say = click.echo,
) -> dict[str, Any]:
    """Ask for evaluators again over a filter; what it would take and what was asked for.

    `confirm` is asked before model judges cost money; without one they are asked for at once.
    """
    wanted = request.wanted
    with store(settings) as engine:
        desk = Desk(build_plans(settings))
        with plainly(), engine.connect() as connection:
            project = projects.named(connection, request.project)
            plan = desk.plans.of(connection, project.id)
        chosen = check_names(plan, request.names)
        found = estimate(engine, project, wanted, plan, chosen)
        say(told(found))
        if request.only_count or not found.runs or not _agreed(found, confirm):
            return {**asdict(found), "asked": 0, "skipped": 0}
        pages = ask_again(
            engine,
            project,
            wanted,
            plan,
            chosen,
            clerk=build_clerk(settings, engine, desk),
            force=request.force,
        )
        done = _shown(pages, found.runs)
    say(f"{plural(done.asked, 'evaluation')} asked for, {done.skipped:,} there already.")
    return {**asdict(found), "asked": done.asked, "skipped": done.skipped}


def health(
    settings: Settings, project: str = projects.DEFAULT, *, days: float = 1.0
) -> list[Health]:
    """What each evaluator of a project did in the last days, and why where it did nothing."""
    now = dt.datetime.now(dt.UTC)
    with store(settings) as engine, plainly(), engine.begin() as connection:
        mine = projects.named(connection, project)
        if mine.id in reach.due(connection, now - LOOK_BACK, most=1000):  # no worker has looked
            look(connection, mine, build_plans(settings).of(connection, mine.id), now=now)
        return of_evaluators(connection, mine.id, now - dt.timedelta(days=days))


def told(found: Estimate) -> str:
    """The estimate in one sentence."""
    runs = f"{plural(found.runs, 'run')} with {plural(found.steps, 'step')}"
    if not found.questions:
        return f"{runs}; local evaluators cost nothing."
    price = "an unknown sum" if found.cost_usd is None else f"about ${found.cost_usd:,.2f}"
    return f"{runs}; up to {plural(found.questions, 'question')} to model judges, {price}."


def _agreed(found: Estimate, confirm: Callable[[str], bool] | None) -> bool:
    return not found.questions or confirm is None or confirm("Ask them?")


def _shown(pages: Iterable[Progress], runs: int) -> Progress:
    """The last of the pages, a bar drawn on the way; what is printed may be read by a program."""
    last = Progress(0, 0, 0)
    with click.progressbar(length=runs, label="Asking", file=sys.stderr) as bar:
        for progress in pages:
            bar.update(progress.runs - last.runs)
            last = progress
    return last
