"""How the evaluators are doing, and what a project sets for them."""

import datetime as dt
from pathlib import Path as Folder
from typing import Annotated, Any

from fastapi import Path, Query, Request
from pydantic import BaseModel

from collector.api import shapes
from collector.api.access import By, needs, router
from collector.api.reads import At, Keys, Name, window_of
from collector.api.shapes import Json, Shape
from waypost.agreement import Corrected
from waypost.rates import Rate
from waypost.settings_check import checker
from waypost.store import evaluator_settings, health, people

evaluators = router()
_LONGEST = dt.timedelta(days=31)
Part = Annotated[str, Path(pattern="^(evaluators|judges|policies)$")]
SettingName = Annotated[str, Path(min_length=1, max_length=200, pattern=shapes.NoNul)]


class FigureShape(BaseModel):
    """A figure and the interval that holds it at 95 %."""

    value: float
    low: float
    high: float


class HealthShape(BaseModel):
    """An evaluator over a window: `why` says why nothing matches, `paused` why nobody is asked."""

    name: str
    versions: list[str]
    source: str
    target: str
    owner: str
    matched: int
    judged: int
    failed: int
    abstained: int
    queued: int
    parked: int
    oldest: dt.datetime | None
    seen: int
    wanted: int
    why: str
    paused: str
    cost_usd: float
    asked: int
    errors: int
    tokens_in: int
    tokens_out: int
    self_agreement: FigureShape | None
    fail_rate: FigureShape | None
    corrected_fail_rate: FigureShape | None
    people: int
    precision: FigureShape | None
    recall: FigureShape | None
    kappa: float | None


class PeopleShape(BaseModel):
    """An evaluator against people in one cohort; `own` if the rate is corrected by these alone."""

    values: dict[str, str]
    people: int
    precision: FigureShape | None
    recall: FigureShape | None
    fail_rate: FigureShape | None
    corrected_fail_rate: FigureShape | None
    own: bool


class SettingShape(BaseModel):
    """A table of waypost.toml (origin file) or of the project itself (origin store)."""

    part: str
    name: str
    origin: str
    table: dict[str, Json]
    changed_at: dt.datetime


class SettingIn(Shape):
    """A table as waypost.toml writes it."""

    table: dict[str, Json]


@evaluators.get("/evaluators/health", **needs("read"))
def list_health(by: By, since: At = None) -> list[HealthShape]:
    """What each evaluator judges, why it judges nothing, what it costs, and how far to trust it."""
    window = window_of(since, None, longest=_LONGEST)
    found = health.of_evaluators(by.connection, by.project.id, window.since)
    return [HealthShape.model_validate(one.as_json()) for one in found]


@evaluators.get("/evaluators/agreement", **needs("read"))
def list_agreement(
    by: By, evaluator: Annotated[Name, Query()], since: At = None, keys: Keys = None
) -> list[PeopleShape]:
    """An evaluator's precision and recall by people's verdicts, in each cohort."""
    window = window_of(since, None, longest=_LONGEST)
    found = people.by_cohort(by.connection, by.project.id, evaluator, window.since, by=keys)
    return [
        PeopleShape(
            values=dict(one.values), people=one.agreed.n, precision=_figure(one.agreed.precision),
            recall=_figure(one.agreed.recall), fail_rate=_figure(one.rate),
            corrected_fail_rate=_figure(one.corrected), own=one.own,
        )
        for one in found
    ]  # fmt: skip


def _figure(value: Rate | Corrected | None) -> FigureShape | None:
    plain = health.plain(value)
    return None if plain is None else FigureShape(**plain)


@evaluators.get("/evaluators/settings", **needs("read"))
def list_settings(by: By) -> list[SettingShape]:
    """What is set for evaluators, judges and policies: by the file, and by the project itself."""
    return [
        SettingShape(
            part=s.part, name=s.name, origin=s.origin, table=dict(s.body), changed_at=s.changed_at
        )
        for s in evaluator_settings.every(by.connection, by.project.id)
    ]


@evaluators.put("/evaluators/settings/{part}/{name}", **needs("admin"))
def save_setting(
    request: Request, by: By, part: Part, name: SettingName, body: SettingIn
) -> list[SettingShape]:
    """Set a table of the project, over the file's; workers follow within seconds, and it is in
    the audit log."""
    evaluator_settings.put(
        by.connection, by.project.id, part, name, body.table,
        by=by.actor, check=checker(_folder(request)),
    )  # fmt: skip
    return list_settings(by)


@evaluators.delete("/evaluators/settings/{part}/{name}", status_code=204, **needs("admin"))
def remove_setting(request: Request, by: By, part: Part, name: SettingName) -> None:
    """Take a table of the project away, so that the file's holds again."""
    evaluator_settings.remove(
        by.connection, by.project.id, part, name, by=by.actor, check=checker(_folder(request))
    )


def _folder(request: Request) -> Folder | None:
    """The folder of evaluators that this installation has beside the built-in ones."""
    found: Any = getattr(request.app.state, "plugins", None)
    return found if isinstance(found, Folder) else None
