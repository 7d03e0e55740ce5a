"""Trajectories, steps, scores, rates, cohorts, explanations and evaluators: what may be read."""

import base64
import binascii
import datetime as dt
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import orjson
from fastapi import Depends, Path, Query

from collector.api import shapes
from collector.api.access import By, needs, router
from collector.api.shapes import RateShape
from waypost.errors import NotFound, WrongUse
from waypost.records import Step, Trajectory
from waypost.store import (
    cohort_values,
    explain,
    feedback_counts,
    jobs,
    judges,
    rates,
    run_rates,
    runs,
    scores,
    traces,
)  # fmt: skip
from waypost.store.measures import Measure
from waypost.store.queues import Queue
from waypost.store.rates import Window

reads = router()
_DAY = dt.timedelta(days=1)
_LONGEST = dt.timedelta(days=400)
_YEARS = range(1970, 9000)
_LONGEST_LIST = dt.timedelta(days=31)
At = Annotated[dt.datetime | None, Query(description="A time with its zone, as in RFC 3339.")]
Most = Annotated[int, Query(ge=1, le=200)]
Where = Annotated[
    list[str] | None,
    Query(max_length=16, description="Conditions `key:value`; `key:` asks that it is not set."),
]
Keys = Annotated[list[Annotated[str, Query(max_length=64)]] | None, Query(max_length=8)]
Name = Annotated[str, Query(min_length=1, max_length=200, pattern=shapes.NoNul)]
Maybe = Annotated[str | None, Query(max_length=200, pattern=shapes.NoNul)]
Trace = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


@dataclass(frozen=True, slots=True)
class Span:
    """A window and conditions on cohorts."""

    since: At = None
    until: At = None
    where: Where = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What else a trajectory must be."""

    failed: bool | None = None
    agent: Maybe = None
    session: Maybe = None
    user: Maybe = None
    tool: Maybe = None


def window_of(
    since: dt.datetime | None, until: dt.datetime | None, *, longest: dt.timedelta = _LONGEST
) -> Window:
    """The window asked for, a day by default; WrongUse when it is none."""
    try:
        end = dt.datetime.now(dt.UTC) if until is None else until.astimezone(dt.UTC)
        start = end - _DAY if since is None else since.astimezone(dt.UTC)
        in_calendar = start.year in _YEARS and end.year in _YEARS
    except (OverflowError, ValueError):
        in_calendar = False
    if not in_calendar:
        raise WrongUse("The times asked for lie outside the calendar.")
    if not dt.timedelta() < end - start <= longest:
        raise WrongUse(f"A window must end after it begins, and be at most {longest.days} days.")
    return Window(start, end)


def where_of(conditions: list[str] | None) -> dict[str, str | None]:
    """The conditions on cohorts; WrongUse when one is not key:value."""
    found: dict[str, str | None] = {}
    for condition in conditions or ():
        key, colon, value = condition.partition(":")
        if not colon or not key or "\x00" in condition:
            raise WrongUse(f"The condition {condition[:100]!r} is not of the form key:value.")
        found[key] = value or None
    return found


def cursor_of(at: dt.datetime, last: object) -> str:
    """The text that opens the page after this place."""
    return base64.urlsafe_b64encode(orjson.dumps([at.isoformat(), last])).decode()


def place_of(cursor: str | None, fits: Callable[[Any], bool]) -> tuple[dt.datetime, Any] | None:
    """The place a cursor stands for; WrongUse when it is not one of ours."""
    if cursor is None:
        return None
    try:
        at, last = orjson.loads(base64.urlsafe_b64decode(cursor))
        moment = dt.datetime.fromisoformat(at)
        is_ours = moment.tzinfo is not None and moment.year in _YEARS and fits(last)
    except (binascii.Error, ValueError, TypeError):
        is_ours = False
    if not is_ours:
        raise WrongUse("The cursor is not one that this interface gave.")
    return moment, last


@reads.get("/trajectories", **needs("read"))
def list_trajectories(
    by: By,
    *,
    span: Annotated[Span, Depends()],
    wanted: Annotated[Wanted, Depends()],
    cursor: Maybe = None,
    most: Most = 50,
) -> shapes.Page[shapes.TrajectoryShape]:
    """The newest trajectories that fit."""
    window = window_of(span.since, span.until, longest=_LONGEST_LIST)
    conditions = where_of(span.where)
    ids = rates.cohort_ids(by.connection, by.project.id, conditions) if conditions else None
    asked = traces.Filter(since=window.since, until=window.until, cohort_ids=ids, **asdict(wanted))
    after = place_of(cursor, _is_trace)
    found = traces.page(by.connection, by.project.id, asked, after=after, most=most)
    items = [shapes.TrajectoryShape(**_known(asdict(s))) for s in found]
    last = found[-1] if len(found) == most else None
    return shapes.Page(
        items=items, next=None if last is None else cursor_of(last.first_at, last.trace_id)
    )


def _is_trace(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{32}", value) is not None


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    fields = shapes.TrajectoryShape.model_fields
    return {k: v for k, v in values.items() if k in fields}


@reads.get("/trajectories/{trace_id}", **needs("read"))
def get_trajectory(by: By, trace_id: Trace) -> shapes.RunShape:
    """One whole trajectory, over all its traces."""
    run = _run(by, trace_id)
    return shapes.RunShape(
        id=run.id, traces=list(run.traces), name=run.name, agent=run.agent, session=run.session,
        user=run.user, status=str(run.status),
        error=None if run.error is None else asdict(run.error), ended=run.ended,
        cohort=dict(run.cohort),
        started_at=_at(run.started_at), ended_at=_at(run.ended_at), steps=len(run.steps),
        final_step=run.final_step, cost_usd=run.cost_usd, incomplete=sorted(run.incomplete),
    )  # fmt: skip


@reads.get("/trajectories/{trace_id}/steps", **needs("read"))
def list_steps(
    by: By,
    trace_id: Trace,
    *,
    kind: Maybe = None,
    tool: Maybe = None,
    status: Maybe = None,
    after: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    most: Most = 50,
) -> shapes.Page[shapes.StepShape]:
    """The steps of a trajectory that fit, after a number, in order."""
    asked = {"kind": kind, "tool": tool, "status": status}
    wanted = {name: value for name, value in asked.items() if value is not None}
    steps = [
        s for s in _run(by, trace_id).steps[after:]
        if all(getattr(s, name) == value for name, value in wanted.items())
    ][: most + 1]  # fmt: skip
    last = steps[most - 1].number if len(steps) > most else None
    return shapes.Page(
        items=[_step(s) for s in steps[:most]], next=None if last is None else str(last)
    )


@reads.get("/trajectories/{trace_id}/scores", **needs("read"))
def list_scores(by: By, trace_id: Trace) -> list[shapes.ScoreShape]:
    """Every verdict on a trajectory and its steps."""
    run = _run(by, trace_id)
    since = _at(run.started_at) - _DAY
    found = scores.of_trace(by.connection, by.project.id, run.traces, since)
    return [
        shapes.ScoreShape(
            trace_id=s.trace_id, span_id=s.score.step, at=_at(s.started_at),
            scored_at=s.scored_at, evaluator=s.score.evaluator, version=s.score.version,
            source=s.score.source, outcome="noted" if s.noted else str(s.score.outcome),
            value=s.score.value, label=s.score.label, explanation=s.score.explanation,
            by=s.score.by,
        )
        for s in found
    ]  # fmt: skip


def _run(by: By, trace_id: str) -> Trajectory:
    run = runs.load(by.connection, by.project.id, trace_id, cohort_keys=by.project.cohort_keys)
    if run is None:
        raise NotFound(f"There is no trajectory with trace {trace_id}.")
    return run


def _at(ns: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(ns / 1e9, dt.UTC)


def _step(step: Step) -> shapes.StepShape:
    return shapes.StepShape(
        number=step.number, span_id=step.span_id, trace_id=step.trace_id,
        parent_step=step.parent_step, kind=str(step.kind), name=step.name,
        status=str(step.status), started_at=_at(step.started_at),
        duration_ms=step.duration / 1e6, agent=step.agent,
        model=step.model or step.model_requested, prompt_version=step.prompt_version,
        tool=step.tool, arguments=step.arguments, result=step.result,
        input=[m.as_json() for m in step.input], output=[m.as_json() for m in step.output],
        query=step.query, documents=[asdict(d) for d in step.documents],
        error=None if step.error is None else asdict(step.error),
        guard=None if step.guard is None else asdict(step.guard),
        tokens_in=step.tokens.input, tokens_out=step.tokens.output, cost_usd=step.cost_usd,
    )  # fmt: skip


@reads.get("/rates", **needs("read"))
def list_rates(
    by: By,
    *,
    since: At = None,
    until: At = None,
    key: Keys = None,
    evaluator: Maybe = None,
    where: Where = None,
) -> list[shapes.CellShape]:
    """The fail rate of each evaluator by each combination of keys, the surest worst first."""
    found = rates.by_cohort(
        by.connection, by.project.id, window_of(since, until), keys=_keys(key),
        evaluators=None if evaluator is None else [evaluator], where=where_of(where),
    )  # fmt: skip
    return [
        shapes.CellShape(
            evaluator=c.evaluator, values=dict(c.values), fails=RateShape.of(c.rate),
            abstains=RateShape.of(c.abstained), value=c.value,
        )
        for c in found
    ]  # fmt: skip


def _keys(given: list[str] | None) -> list[str]:
    if any("\x00" in key for key in given or ()):
        raise WrongUse("A cohort key cannot hold a NUL.")
    return list(dict.fromkeys(given or ()))


@reads.get("/rates/series", **needs("read"))
def list_series(
    by: By,
    *,
    evaluator: Name,
    since: At = None,
    until: At = None,
    where: Where = None,
    daily: bool = False,
) -> list[shapes.PointShape]:
    """One evaluator's rate over time."""
    found = rates.series(
        by.connection, by.project.id, window_of(since, until), evaluator,
        where=where_of(where), step=rates.DAY if daily else rates.HOUR,
    )  # fmt: skip
    return [
        shapes.PointShape(at=p.at, fails=RateShape.of(p.rate), abstained=p.abstained) for p in found
    ]


@reads.get("/rates/compare", **needs("read"))
def compare_rates(
    by: By,
    *,
    since: At = None,
    until: At = None,
    key: Keys = None,
    where: Where = None,
    where_before: Where = None,
    same_time: bool = False,
) -> list[shapes.ComparedShape]:
    """A window against the one before; with `same_time`, one cohort against another."""
    window = window_of(since, until)
    found = rates.compare(
        by.connection, by.project.id, window if same_time else window.before, window,
        keys=_keys(key), where=where_of(where),
        where_before=None if where_before is None else where_of(where_before),
    )  # fmt: skip
    return [
        shapes.ComparedShape(
            evaluator=c.evaluator, values=dict(c.values), before=RateShape.of(c.change.before),
            after=RateShape.of(c.change.after), difference=c.change.difference,
            low=c.change.low, high=c.change.high, p=c.change.p,
        )
        for c in found
    ]  # fmt: skip


@reads.get("/rates/runs", **needs("read"))
def list_run_rates(
    by: By, since: At = None, until: At = None, key: Keys = None, where: Where = None
) -> list[shapes.RunCellShape]:
    """Errors, retries, blocks, fallbacks, complaints, time, tokens and cost by cohort."""
    found = run_rates.by_cohort(
        by.connection, by.project.id, window_of(since, until), keys=_keys(key),
        where=where_of(where),
    )  # fmt: skip
    return [
        shapes.RunCellShape(
            values=dict(c.values), runs=c.runs, steps=c.steps,
            shares={_word(m): RateShape.of(r) for m, r in c.shares.items()},
            counts={_word(m): n for m, n in c.counts.items()},
            amounts={
                _word(m): shapes.AmountShape(total=a.total, mean=a.mean, p50=a.p50, p95=a.p95)
                for m, a in c.amounts.items()
            },
        )
        for c in found
    ]  # fmt: skip


def _word(measure: Measure) -> str:
    return measure.name.lower()


@reads.get("/rates/feedback", **needs("read"))
def list_feedback_rates(
    by: By, *, since: At = None, until: At = None, key: Keys = None, where: Where = None
) -> list[shapes.SaidShape]:
    """Thumbs down, escalations, tickets and reviewer overrides per 1,000 sessions."""
    found = feedback_counts.by_cohort(
        by.connection, by.project.id, window_of(since, until, longest=_LONGEST_LIST),
        keys=_keys(key), where=where_of(where),
    )  # fmt: skip
    return [
        shapes.SaidShape(
            values=dict(s.values), sessions=s.sessions,
            per_thousand={_word(kind): s.per_thousand(kind) for kind in s.rates},
            rates={_word(kind): RateShape.of(rate) for kind, rate in s.rates.items()},
        )
        for s in found
    ]  # fmt: skip


@reads.get("/rates/failing", **needs("read"))
def list_failing(
    by: By,
    *,
    since: At = None,
    until: At = None,
    evaluator: Maybe = None,
    where: Where = None,
    most: Most = 20,
) -> list[shapes.FailingShape]:
    """The newest failed scores of a cell."""
    found = rates.newest_failing(
        by.connection, by.project.id, window_of(since, until, longest=_LONGEST_LIST),
        evaluator=evaluator, where=where_of(where), most=most,
    )  # fmt: skip
    return [
        shapes.FailingShape(
            trace_id=f.trace_id, span_id=f.span_id, at=f.at, evaluator=f.evaluator,
            version=f.version, value=f.value, label=f.label, explanation=f.explanation,
        )
        for f in found
    ]  # fmt: skip


@reads.get("/explanation", **needs("read"))
def get_explanation(
    by: By, evaluator: Name, since: At = None, until: At = None, where: Where = None
) -> shapes.ExplanationShape:
    """Which attribute values failures gather in, since when, and which version came then."""
    window = window_of(since, until, longest=_LONGEST_LIST)
    items = explain.of_evaluator(
        by.connection, by.project.id, window, evaluator, where=where_of(where)
    )
    when = explain.since_when(by.connection, by.project.id, items)
    point = when.point
    return shapes.ExplanationShape(
        items=len(items.failed), failures=sum(items.failed),
        slices=[
            shapes.SliceShape(
                conditions=dict(s.conditions), k=s.k, n=s.n, failures=s.failures, items=s.items,
                q=s.q, text=str(s),
            )
            for s in explain.why(items)
        ],
        since=None if point is None else point.at,
        since_low=None if point is None else point.low,
        since_high=None if point is None else point.high,
        causes=[
            shapes.CauseShape(kind=c.kind, name=c.name, version=c.version, first_at=c.first_at)
            for c in when.causes
        ],
    )  # fmt: skip


@reads.get("/cohorts", **needs("read"))
def list_cohorts(by: By) -> list[shapes.CohortKeyShape]:
    """The declared cohort keys with their values."""
    since = dt.datetime.now(dt.UTC) - _DAY
    over = cohort_values.overflowing(by.connection, by.project.id, since)
    return [
        shapes.CohortKeyShape(
            key=key, values=rates.cohort_values(by.connection, by.project.id, key),
            counted_as_other=over.get(key, 0),
        )
        for key in by.project.cohort_keys
    ]  # fmt: skip


@reads.get("/evaluators", **needs("read"))
def list_evaluators(by: By) -> list[shapes.EvaluatorShape]:
    """Every version of every evaluator over the last day, and what waits for it."""
    since = dt.datetime.now(dt.UTC) - _DAY
    waiting: Counter[int] = Counter()
    dead: Counter[int] = Counter()
    for depth in jobs.depth(by.connection, by.project.id):
        if depth.queue is not Queue.TRACE:
            waiting[depth.evaluator_id] += depth.waiting + depth.leased
            dead[depth.evaluator_id] += depth.dead
    return [
        shapes.EvaluatorShape(
            name=j.name, version=j.version, source=j.source, first_at=j.first_at,
            judged=j.judged, failed=j.failed, abstained=j.abstained, value=j.value,
            waiting=waiting[j.id], dead=dead[j.id],
        )
        for j in judges.every(by.connection, by.project.id, since)
    ]  # fmt: skip
