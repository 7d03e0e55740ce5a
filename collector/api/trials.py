"""Datasets, their trials, what came out of each case, and what the gate said."""

import datetime as dt
from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from collector.api import shapes
from collector.api.access import By, needs, router
from collector.api.reads import Maybe, Most, Name
from collector.api.shapes import Json
from waypost.store import datasets
from waypost.store import trials as stored

trials = router()


class DatasetShape(BaseModel):
    """A dataset at its newest version."""

    name: str
    note: str
    version: int
    cases: int
    created_at: dt.datetime


class DecisionShape(BaseModel):
    """What the gate said: yes, no or unknown, the sentence, and every condition as judged."""

    verdict: str
    sentence: str
    baseline: str | None
    conditions: Sequence[Mapping[str, Json]]
    at: dt.datetime
    by: str

    @classmethod
    def of(cls, said: stored.Decision | None) -> "DecisionShape | None":
        if said is None:
            return None
        return cls(
            verdict=str(said.word), sentence=said.sentence, baseline=said.baseline,
            conditions=said.conditions, at=said.at, by=said.by,
        )  # fmt: skip


class TrialShape(BaseModel):
    """A candidate's run over a version of the dataset, and what the gate said last."""

    name: str
    version: int
    note: str
    by: str
    began_at: dt.datetime
    finished_at: dt.datetime | None
    cases: int
    results: int
    errors: int
    decision: DecisionShape | None


class ResultShape(BaseModel):
    """What came out of one case."""

    key: str
    trace_id: str | None
    answer: str
    error: str
    differences: Mapping[str, Json] | None
    at: dt.datetime


@trials.get("/datasets", **needs("read"))
def list_datasets(by: By) -> shapes.Page[DatasetShape]:
    """The datasets by name."""
    found = datasets.every(by.connection, by.project.id)
    return shapes.Page[DatasetShape](
        items=[
            DatasetShape(
                name=d.name, note=d.note, version=d.version, cases=d.cases, created_at=d.created_at
            )
            for d in found
        ]
    )


@trials.get("/trials", **needs("read"))
def list_trials(by: By, dataset: Name) -> shapes.Page[TrialShape]:
    """The trials of a dataset, newest first, each with what the gate said last."""
    place = datasets.named(by.connection, by.project.id, dataset).id
    return shapes.Page[TrialShape](
        items=[
            TrialShape(
                name=t.name, version=t.version, note=t.note, by=t.by, began_at=t.began_at,
                finished_at=t.finished_at, cases=t.cases, results=t.results, errors=t.errors,
                decision=DecisionShape.of(t.decision),
            )
            for t in stored.every(by.connection, by.project.id, place)
        ]
    )  # fmt: skip


@trials.get("/trials/results", **needs("read"))
def list_results(
    by: By, dataset: Name, trial: Name, after: Maybe = None, most: Most = 50
) -> shapes.Page[ResultShape]:
    """What came out of the cases of a trial, in their order; `after` the key of a case."""
    place = datasets.named(by.connection, by.project.id, dataset).id
    known = stored.named(by.connection, by.project.id, place, trial)
    found = stored.results(by.connection, by.project.id, known.id, after=after, most=most + 1)
    shown = found[:most]
    return shapes.Page[ResultShape](
        items=[
            ResultShape(
                key=r.key, trace_id=r.trace_id, answer=r.answer, error=r.error,
                differences=r.differences, at=r.at,
            )
            for r in shown
        ],
        next=shown[-1].key if most < len(found) else None,
    )  # fmt: skip
