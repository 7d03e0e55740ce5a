"""What a cell of the home page is about: an evaluator's verdicts, or what is counted of runs."""

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from ui import words
from waypost.store import explain, rates, run_rates
from waypost.store.engine import Connection
from waypost.store.explain import FirstBad, Items
from waypost.store.measures import Measure
from waypost.store.rates import Compared, Failing, Point, Where, Window

OF_RUNS: Final = tuple(run_rates.NAMED)
_DID: Final[Mapping[str, str]] = {
    "run:errors": "had an error", "run:thumbs_down": "got a thumbs down",
}  # fmt: skip


def of_runs(name: str) -> bool:
    """Whether a cell counts runs; else it counts verdicts."""
    return name in run_rates.NAMED


def rate_of(name: str) -> str:
    """The name of a rate of runs in rules."""
    return name.removeprefix(run_rates.PREFIX)


def measure_of(name: str | None) -> Measure | None:
    """What is counted of runs under a cell's name; None for a judge's."""
    return run_rates.NAMED.get(name or "")


def did(name: str) -> str:
    """What is true of the items that a cell counts as failures."""
    return _DID.get(name, "failed")


def of_each(name: str) -> str:
    """What is true of each run that a cell's list shows."""
    return did(name) if of_runs(name) else f"failed by {words.judge(name)}"


def is_failing(name: str) -> str:
    """What a cell out of line begins with, before the cohort it is in."""
    said = words.judge(name)
    return f"More {said[0].lower()}{said[1:]} in" if of_runs(name) else f"{said} is failing in"


def compare(
    connection: Connection,
    project_id: int,
    before: Window,
    after: Window,
    *,
    keys: Sequence[str],
    where: Where,
    where_before: Where | None = None,
) -> list[Compared]:
    """Every cell of a window beside the same cell of another; none where there is no verdict and
    no run that failed."""
    verdicts, counted = (
        compare_all(
            connection, project_id, before, after, keys=keys, where=where,
            where_before=where_before,
        )
        for compare_all in (rates.compare, run_rates.compare)
    )  # fmt: skip
    # Whoever sends verdicts names their evaluator: such a one could pass for what is counted here.
    judged = [one for one in verdicts if not of_runs(one.evaluator)]
    tell = judged or any(one.change.before.k or one.change.after.k for one in counted)
    return judged + counted if tell else []


def series(
    connection: Connection,
    project_id: int,
    window: Window,
    name: str,
    *,
    where: Where,
    step: dt.timedelta,
) -> list[Point]:
    """A cell's rate over time."""
    measure = measure_of(name)
    if measure is None:
        return rates.series(connection, project_id, window, name, where=where, step=step)
    points = run_rates.series(connection, project_id, window, measure, where=where, step=step)
    return [Point(point.at, point.rate, 0) for point in points]


def newest(
    connection: Connection,
    project_id: int,
    window: Window,
    name: str | None,
    *,
    where: Where,
    most: int,
) -> list[Failing]:
    """The newest failing runs of a cell, or of any evaluator."""
    if name is not None and of_runs(name):
        return run_rates.newest(connection, project_id, window, name, where=where, most=most)
    return rates.newest_failing(
        connection, project_id, window, evaluator=name, where=where, most=most
    )


def first(
    connection: Connection, project_id: int, window: Window, name: str, *, where: Where
) -> dt.datetime | None:
    """When a cell failed for the first time in a window."""
    ask = run_rates.first if of_runs(name) else rates.first_failing
    return ask(connection, project_id, window, name, where=where)


def items(
    connection: Connection,
    project_id: int,
    window: Window,
    name: str,
    *,
    where: Where,
    most: int,
) -> Items:
    """What a cell's rate is made of, with what is known of each."""
    measure = measure_of(name)
    if measure is None:
        return explain.of_evaluator(connection, project_id, window, name, where=where, most=most)
    return explain.of_runs(connection, project_id, window, measure, where=where, most=most)


def first_bad_step(
    connection: Connection, project_id: int, name: str, traces: Sequence[str], since: dt.datetime
) -> tuple[FirstBad | None, FirstBad | None]:
    """Of failing runs the step that went wrong first, and the first that failed as this cell says;
    people complain of runs, not of steps."""
    ask = partial(explain.first_bad_step, connection, project_id, traces, since)
    measure = measure_of(name)
    if measure is None:
        return ask(), ask(evaluator=name)
    return ask(), ask(of_errors=True) if measure is Measure.ERRORS else None


def first_said(name: str) -> str:
    """What is said of the second of these."""
    return "with an error" if of_runs(name) else f"that failed {words.judge(name)}"
