"""`waypost gate`: waits until a trial's runs are judged, decides, and keeps what was decided."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evaluators.alerts.watch import read
from evaluators.conditions import EXPECTATION, Condition, parse_gates, read_condition
from evaluators.gates import Verdict, decide
from evaluators.registry import find_evaluators
from evaluators.run import build_plans
from evaluators.tried import Outcomes, Tried, texts_of
from waypost.errors import WrongUse
from waypost.links import step_link
from waypost.records import Trajectory
from waypost.redact import Redactor
from waypost.roles import Person
from waypost.settings import Settings
from waypost.store import datasets, judges, projects, runs, standings, trials
from waypost.store.engine import Connection, Engine, plainly
from waypost.store.opened import store
from waypost.store.projects import Project
from waypost.store.trials import Trial

POLL_SECONDS = 1.0
Told = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be decided: a trial of a dataset, by which conditions, against what."""

    dataset: str
    trial: str
    conditions: Sequence[str] = ()
    baseline: str | None = None
    wait: float = 0.0
    project: str = projects.DEFAULT


@dataclass(frozen=True, slots=True)
class Decided:
    """What the gate said, of which cases, and how many runs were not judged in time."""

    trial: Trial
    baseline: str | None
    verdict: Verdict
    cases: Mapping[str, Tried]
    unjudged: int
    links: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        return {
            "verdict": str(self.verdict.word),
            "sentence": self.verdict.sentence,
            "trial": self.trial.name,
            "version": self.trial.version,
            "baseline": self.baseline,
            "cases": self.trial.cases,
            "results": self.trial.results,
            "finished": self.trial.finished_at is not None,
            "not_judged_yet": self.unjudged,
            "conditions": [one.as_json() for one in self.verdict.judged],
            "failing": [
                {
                    "key": key,
                    "title": self.cases[key].title,
                    "trace_id": self.cases[key].trace_id,
                    "recorded_trace_id": self.cases[key].recorded,
                    "link": self.links.get(key),
                    "why": why,
                }
                for key, why in self.verdict.failing.items()
            ],
        }


def gate(settings: Settings, request: Request, *, by: Person, told: Told | None = None) -> Decided:
    """Decide whether a trial may be released; the decision is kept with the trial.

    `told` hears how many of the runs are judged while it waits.
    """
    with store(settings) as engine:
        with plainly(), engine.connect() as connection:
            project = projects.named(connection, request.project)
            dataset = datasets.named(connection, project.id, request.dataset)
            conditions = _conditions(settings, connection, project, request)
            trial = trials.named(connection, project.id, dataset.id, request.trial)
            baseline = None
            if request.baseline is not None:
                baseline = trials.named(connection, project.id, dataset.id, request.baseline)
        both = [trial] if baseline is None else [trial, baseline]
        cases, *rest = _judged(engine, project, both, conditions, wait=request.wait, told=told)
        verdict = decide(conditions, cases, rest[0] if rest else None)
        with plainly(), engine.begin() as connection:
            trials.decide(
                connection, project.id, trial.id, verdict.word, sentence=verdict.sentence,
                conditions=[one.as_json() for one in verdict.judged],
                baseline=request.baseline, by=by,
            )  # fmt: skip
            trial = trials.named(connection, project.id, dataset.id, request.trial)
    base = settings.public_url or f"http://{settings.host}:{settings.ui}"
    links = {c.key: step_link(base, c.trace_id, project=project.name) for c in cases if c.trace_id}
    left = sum(_is_pending(case, conditions) for of in (cases, *rest) for case in of)
    by_key = {case.key: case for case in cases}
    return Decided(trial, request.baseline, verdict, by_key, left, links)


def _conditions(
    settings: Settings, connection: Connection, project: Project, request: Request
) -> list[Condition]:
    """Those of the file for this dataset, then those asked for; WrongUse for what cannot be."""
    found = [
        gate.condition
        for gate in parse_gates(read(settings.config))
        if (gate.project, gate.dataset) == (project.name, request.dataset)
    ]
    found += [read_condition(text) for text in request.conditions]
    if not found:
        raise WrongUse(
            f"Nothing is asked of dataset {request.dataset!r}; give --condition "
            '"groundedness fails <= 5%", or a [[gates]] table in the file of WAYPOST_CONFIG.'
        )
    if request.baseline == request.trial:
        raise WrongUse(f"Trial {request.trial!r} cannot be its own baseline; name an earlier one.")
    if request.baseline is None and any(one.worse is not None for one in found):
        raise WrongUse("A condition compares with a baseline; name it with --baseline TRIAL.")
    _check_names(settings, connection, project, found)
    return found


def _check_names(
    settings: Settings, connection: Connection, project: Project, found: Sequence[Condition]
) -> None:
    """A misspelt evaluator judges nothing, and a gate on it could never say yes or no."""
    asked = [one for one in found if one.is_of_evaluator]
    if not asked:
        return
    names = set(find_evaluators([settings.plugins] if settings.plugins else []))
    plan = build_plans(settings).of(connection, project.id)
    names |= {task.name for task in plan.config.judges}
    names |= set(judges.names(connection, project.id))
    for one in asked:
        if not any(one.covers(name) for name in names):
            raise WrongUse(
                f"There is no evaluator {one.measure!r} in project {project.name}; "
                f"there are {', '.join(sorted(names))}."
            )


def _judged(
    engine: Engine,
    project: Project,
    tried: Sequence[Trial],
    conditions: Sequence[Condition],
    *,
    wait: float,
    told: Told | None,
) -> list[list[Tried]]:
    """The cases of each trial once every run is judged, or as they are when the time is up."""
    until = time.monotonic() + wait
    while True:
        with plainly(), engine.connect() as connection:
            found = [gather(connection, project, trial) for trial in tried]
        cases = [case for of in found for case in of]
        left = sum(_is_pending(case, conditions) for case in cases)
        if told is not None and wait:
            told(len(cases) - left, len(cases))
        seconds = until - time.monotonic()
        if not left or seconds <= 0:
            return found
        time.sleep(min(POLL_SECONDS, seconds))


def _is_pending(case: Tried, conditions: Sequence[Condition]) -> bool:
    """Whether a verdict that a condition asks for may still come."""
    if case.trace_id is None or not case.ran:
        return False
    if not case.arrived or "" in case.waiting:
        return True
    named = texts_of(case.expectation.get("evaluators")) or ()
    asked = [*conditions]
    if any(one.measure == EXPECTATION for one in conditions):
        asked += [Condition(name) for name in named]
    return any(one.covers(name) for one in asked for name in case.waiting)


def gather(connection: Connection, project: Project, trial: Trial) -> list[Tried]:
    """The cases of a trial with what came out of them and what is said of their runs."""
    listed = datasets.cases(connection, project.id, trial.dataset_id, version=trial.version)
    came = {r.key: r for r in trials.results(connection, project.id, trial.id)}
    traces = [r.trace_id for r in came.values() if r.trace_id]
    places = standings.of_runs(connection, project.id, traces)
    masker = Redactor(project.masking)  # answers are stored masked
    found = []
    for case in listed:
        expected = {name: masker.value(item)[0] for name, item in case.expectation.items()}
        told = Tried(case.key, case.title, expected, recorded=case.trace_id, ran=case.key in came)
        result = came.get(case.key)
        if result is not None:
            told = replace(
                told, trace_id=result.trace_id, answer=result.answer, error=result.error,
                differences=result.differences,
            )  # fmt: skip
            told = _placed(told, places.get(result.trace_id or ""))
        found.append(told)
    return _with_answers(connection, project, found)


def _placed(case: Tried, place: standings.Place | None) -> Tried:
    if place is None:
        return replace(case, arrived=case.trace_id is None)
    scores = {name: Outcomes(*counts) for name, counts in place.scores.items()}
    return replace(
        case, broke=place.status == "error", scores=scores, waiting=place.waiting,
        given_up=place.given_up,
    )  # fmt: skip


def _with_answers(connection: Connection, project: Project, cases: Sequence[Tried]) -> list[Tried]:
    """Where whoever ran the case recorded no answer, the final one of its whole run counts."""
    silent = {
        case.trace_id
        for case in cases
        if case.trace_id and case.arrived and "" not in case.waiting
        and not case.answer and not case.error
    }  # fmt: skip
    if not silent:
        return list(cases)
    found = runs.load_many(connection, project.id, sorted(silent), cohort_keys=project.cohort_keys)
    return [
        replace(case, answer=_answer(found[case.trace_id]))
        if case.trace_id in silent and case.trace_id in found
        else case
        for case in cases
    ]


def _answer(run: Trajectory) -> str:
    said = run.output or (run.final.output if run.final else ())
    return "\n".join(message.text for message in said if message.text)
