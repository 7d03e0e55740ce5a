"""Summaries of trajectories: pages of them, and what a whole run adds up to."""

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.records import Status, Trajectory
from waypost.store import measures
from waypost.store.codec import STATUS_CODE, STATUSES
from waypost.store.rows import day_of

_SHAPE = 200
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of a list of trajectories."""

    trace_id: str
    trajectory_id: str
    day: dt.date
    first_at: dt.datetime
    last_at: dt.datetime
    status: str
    ended: bool
    settled: bool
    name: str | None
    agent: str | None
    session: str | None
    user: str | None
    model: str | None
    prompt_version: str | None
    cohort_id: int | None
    steps: int
    errors: int
    fails: int
    first_bad_step: int | None
    worst_score: float | None
    tokens_in: int
    tokens_out: int
    tokens_partial: bool
    cost_usd: float
    cost_partial: bool
    shape: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Which trajectories a page shows; None does not ask. Times bound the first step.

    With `measure` those that were counted to have it.
    """

    since: dt.datetime
    until: dt.datetime
    cohort_ids: Sequence[int] | None = None
    evaluator_ids: Sequence[int] | None = None
    failed: bool | None = None
    agent: str | None = None
    session: str | None = None
    user: str | None = None
    status: str | None = None
    tool: str | None = None
    text: str | None = None
    measure: measures.Measure | None = None


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the scores of a run add up to."""

    fails: int
    first_bad_step: int | None
    worst_score: float | None
    shape: str


def lock(connection: Connection, project_id: int, trace_ids: Iterable[str]) -> None:
    """Hold the rows of these traces until the transaction ends, for whoever settles several runs.

    Whoever writes or counts several takes them in this order, so that nobody waits in a circle.
    """
    connection.execute(
        sa.text("""
            select from trajectory
            where project_id = :project_id and trace_id = any(:traces)
            order by trace_id, day
            for no key update"""),
        {"project_id": project_id, "traces": [uuid.UUID(t) for t in trace_ids]},
    )


def settle(
    connection: Connection,
    project_id: int,
    run: Trajectory,
    *,
    cohort_id: int | None,
    verdicts: Verdicts,
    now: dt.datetime | None = None,
) -> None:
    """Write what the whole run adds up to: all of it on its first row, nothing on the others."""
    if not run.traces:
        return
    models = [s for s in run.model_steps if s.model or s.model_requested]
    prompts = [s.prompt_version for s in run.model_steps if s.prompt_version]
    connection.execute(
        _SETTLE,
        {
            "project_id": project_id,
            "traces": [uuid.UUID(t) for t in run.traces],
            "since": day_of(run.started_at),
            "now": now or dt.datetime.now(dt.UTC),
            "last_at": dt.datetime.fromtimestamp(run.ended_at / 1e9, dt.UTC),
            "status": STATUS_CODE[run.status],
            "ended": run.ended,
            "name": _text(run.name),
            "agent": _text(run.agent),
            "session": _text(run.session),
            "user": _text(run.user),
            "service": _text(run.service),
            "environment": _text(run.environment),
            "model": _text((models[0].model or models[0].model_requested) if models else None),
            "prompt_version": _text(prompts[0] if prompts else None),
            "cohort_id": cohort_id,
            "steps": len(run.steps),
            "errors": _errors(run),
            "fails": verdicts.fails,
            "first_bad_step": verdicts.first_bad_step,
            "worst_score": verdicts.worst_score,
            "tokens_in": run.tokens.input or 0,
            "tokens_out": run.tokens.output or 0,
            "tokens_cached": run.tokens.cache_read or 0,
            "tokens_partial": run.tokens_partial,
            "cost_usd": run.cost_usd or 0.0,
            "cost_partial": run.cost_partial,
            "shape": verdicts.shape[:_SHAPE],
            "measures": orjson.dumps(measures.of_run(run)).decode(),
        },
    )


def _errors(run: Trajectory) -> int:
    """The steps that ended in an error; a run that crashed between its steps has one as well."""
    return sum(s.status is Status.ERROR for s in run.steps) or int(run.status is Status.ERROR)


def _text(value: str | None) -> str | None:
    return value[:512] if value else None


_SETTLE = sa.text("""
    with first as (
      select trace_id, day from trajectory
      where project_id = :project_id and trace_id = any(:traces) and day >= :since
      order by first_at, trace_id, day
      limit 1
    ),
    others as (
      update trajectory t set
        steps = 0, errors = 0, fails = 0, first_bad_step = null, tokens_in = 0, tokens_out = 0,
        tokens_cached = 0, cost_usd = 0, settled_at = :now, cohort_id = :cohort_id, measures = null
      from first
      where t.project_id = :project_id and t.trace_id = any(:traces) and t.day >= :since
        and (t.trace_id, t.day) <> (first.trace_id, first.day)
    ),
    noted as (
      insert into changed (project_id, trace_id, at)
      select :project_id, trace_id, :now from first
    )
    update trajectory t set
      settled_at = :now, last_at = :last_at, status = :status, root_ended = :ended, name = :name,
      agent = :agent, session_id = :session, user_id = :user, service = :service,
      environment = :environment, model = :model, prompt_version = :prompt_version,
      cohort_id = :cohort_id, steps = :steps, errors = :errors, fails = :fails,
      first_bad_step = :first_bad_step, worst_score = :worst_score, tokens_in = :tokens_in,
      tokens_out = :tokens_out, tokens_cached = :tokens_cached, tokens_partial = :tokens_partial,
      cost_usd = :cost_usd, cost_partial = :cost_partial, shape = :shape,
      measures = cast(:measures as jsonb)
    from first
    where t.project_id = :project_id and t.trace_id = first.trace_id and t.day = first.day""")


def page(
    connection: Connection,
    project_id: int,
    wanted: Filter,
    *,
    after: tuple[dt.datetime, str] | None = None,
    most: int = _PAGE,
) -> list[Summary]:
    """The newest runs that fit, older than `after`, the start and trace of the page before."""
    conditions, values = _conditions(wanted)
    if after is not None:
        conditions.append(sa.text("(t.first_at, t.trace_id) < (:after_at, :after_trace)"))
        values |= {"after_at": after[0], "after_trace": uuid.UUID(after[1])}
    query: Any = (
        sa.select(*(sa.literal_column(f"t.{name}").label(name) for name in _COLUMNS))
        .select_from(sa.text("trajectory t"))
        .where(*conditions)
        .order_by(sa.text("t.first_at desc, t.trace_id desc"))
        .limit(most)
    )
    rows = connection.execute(query, {"project_id": project_id, **values})
    return [_summary(row) for row in rows]


def one(connection: Connection, project_id: int, trace_id: str) -> Summary | None:
    """The summary of the run that a trace belongs to."""
    query: Any = (
        sa.select(*(sa.literal_column(f"t.{name}").label(name) for name in _COLUMNS))
        .select_from(sa.text("trajectory t"))
        .where(sa.text(_IS_RUN), sa.text(_OF_RUN))
        .order_by(sa.text("t.first_at, t.trace_id"))
        .limit(1)
    )
    asked = {"project_id": project_id, "trace": uuid.UUID(trace_id)}
    row = connection.execute(query, asked).one_or_none()
    return None if row is None else _summary(row)


# An agent's run may crash before its first step.
_IS_RUN = "(t.steps > 0 or t.errors > 0 and t.agent is not null)"
_OF_RUN = """t.project_id = :project_id and t.trajectory_id in (
    select trajectory_id from trajectory where project_id = :project_id and trace_id = :trace)"""


def failing(
    connection: Connection, project_id: int, rows: Sequence[Summary]
) -> dict[str, list[str]]:
    """The evaluators that failed each of these runs, the most failures first; people left out."""
    failed = [row for row in rows if row.fails]
    if not failed:
        return {}
    found = connection.execute(
        sa.text("""
            select t.trajectory_id, e.name from (
              select distinct trace_id, trajectory_id from trajectory
              where project_id = :project_id and trajectory_id = any(:runs)) t
            join score s on s.project_id = :project_id and s.trace_id = t.trace_id
            join evaluator e on e.id = s.evaluator_id
            where s.outcome = 0 and s.started_at >= :since and e.source <> 'human'
            group by t.trajectory_id, e.name order by count(*) desc, e.name"""),
        {
            "project_id": project_id,
            "runs": [uuid.UUID(row.trajectory_id) for row in failed],
            "since": min(row.first_at for row in failed) - dt.timedelta(days=1),
        },
    )
    names: dict[str, list[str]] = {}
    for row in found:
        names.setdefault(row.trajectory_id.hex, []).append(row.name)
    return {row.trace_id: names.get(row.trajectory_id, []) for row in failed}


_COLUMNS = (
    "trace_id", "trajectory_id", "day", "first_at", "last_at", "status", "root_ended",
    "settled_at", "name", "agent", "session_id", "user_id", "model", "prompt_version",
    "cohort_id", "steps", "errors", "fails", "first_bad_step", "worst_score", "tokens_in",
    "tokens_out", "tokens_partial", "cost_usd", "cost_partial", "shape",
)  # fmt: skip
# A run that waited for a person goes on in further traces.
_ITS_TRACES = """(select x.trace_id from trajectory x where x.project_id = t.project_id
      and x.trajectory_id = t.trajectory_id and x.day >= t.day)"""
_ASKED = {
    "cohort_ids": "t.cohort_id = any(:cohort_ids)",
    "agent": "t.agent = :agent",
    "session": "t.session_id = :session",
    "user": "t.user_id = :user",
    "text": "strpos(lower(coalesce(t.name, '')), lower(:text)) > 0",
    "tool": f"""exists (select from step s where s.project_id = t.project_id
      and s.trace_id in {_ITS_TRACES} and s.started_at >= t.first_at and s.tool = :tool)""",
    "evaluator_ids": f"""exists (select from score s where s.project_id = t.project_id
      and s.trace_id in {_ITS_TRACES} and s.started_at >= t.day and s.outcome = 0
      and s.evaluator_id = any(:evaluator_ids))""",
}


def _conditions(wanted: Filter) -> tuple[list[sa.TextClause], dict[str, object]]:
    """Conditions from a fixed list; what the caller gives is always a bound value."""
    texts = [
        "t.project_id = :project_id", _IS_RUN, "t.day >= :since_day", "t.day <= :until_day",
        "t.first_at >= :since", "t.first_at < :until",
    ]  # fmt: skip
    values: dict[str, object] = {
        "since": wanted.since,
        "until": wanted.until,
        "since_day": wanted.since.astimezone(dt.UTC).date(),
        "until_day": wanted.until.astimezone(dt.UTC).date(),
    }
    for name, text in _ASKED.items():
        value = getattr(wanted, name)
        if value is not None:
            texts.append(text)
            values[name] = list(value) if name.endswith("_ids") else value
    if wanted.failed is not None:
        failed = f"(t.fails > 0 or t.status = {STATUS_CODE[Status.ERROR]})"
        texts.append(failed if wanted.failed else f"not {failed}")
    if wanted.measure is not None:
        texts.append(
            "(t.errors > 0 or not :of_errors) and t.counted -> 'm' -> :measure is not null"
        )
        values["of_errors"] = wanted.measure is measures.Measure.ERRORS
        values["measure"] = str(int(wanted.measure))
    if wanted.status is not None:
        texts.append("t.status = :status")
        codes = {str(status): code for status, code in STATUS_CODE.items()}
        values["status"] = codes.get(wanted.status, -1)
    return [sa.text(t) for t in texts], values


def _summary(row: sa.Row[tuple[Any, ...]]) -> Summary:
    values = row._mapping
    return Summary(
        trace_id=values["trace_id"].hex,
        trajectory_id=values["trajectory_id"].hex,
        day=values["day"],
        first_at=values["first_at"],
        last_at=values["last_at"],
        status=str(STATUSES[values["status"]]),
        ended=values["root_ended"],
        settled=values["settled_at"] is not None,
        session=values["session_id"],
        user=values["user_id"],
        shape=values["shape"] or "",
        **{
            name: values[name]
            for name in (
                "name", "agent", "model", "prompt_version", "cohort_id", "steps", "errors",
                "fails", "first_bad_step", "worst_score", "tokens_in", "tokens_out",
                "tokens_partial", "cost_usd", "cost_partial",
            )
        },
    )  # fmt: skip
