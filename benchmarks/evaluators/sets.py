"""The labelled sets as items a judge can be given: a step or run, its surroundings, its flag."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from evaluators.surroundings import Surroundings
from tests.shared import DATA
from tests.unit.evaluators.steps import model, retrieval, run_of
from tests.unit.evaluators.trajectories import Row, read_rows
from waypost.records import Step, Trajectory


@dataclass(frozen=True, slots=True)
class Item:
    """One labelled thing to judge; `flag` is 1 when a judge should fail it."""

    subject: Step | Trajectory
    around: Surroundings
    flag: int
    group: str
    slice: str = ""
    row: Row = field(default_factory=dict)


def answered(row: Row) -> tuple[Step, Trajectory]:
    """A request with context and answer as a retrieval and the model step that answered."""
    steps = [retrieval(row["context"])] if row.get("context") else []
    asked = row.get("input") or ""
    run = run_of(
        *steps, model(row.get("output") or "", asked=asked if isinstance(asked, str) else "")
    )
    return run.steps[-1], run


def items_of(name: str, root: Path = DATA) -> Iterator[Item]:
    """The rows of a set that carry a flag, as answers of a model."""
    for row in read_rows(name, root):
        if row.get("flag") is not None:
            step, run = answered(row)
            yield Item(step, Surroundings(run), row["flag"], row["group"], row=row)
