"""A part of a long run: the steps around one of them, put together without reading the rest."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.assembly import assemble
from waypost.records import Tokens, Trajectory
from waypost.store import runs, spans, traces
from waypost.store.codec import KIND_CODE
from waypost.store.rows import at_ns

LONG = 5000
_AROUND = 250


@dataclass(frozen=True, slots=True)
class Part:
    """A run with only some of its steps, which keep their numbers.

    `before` steps come before the first of them; the whole run has `total`. Numbers are by time,
    anchored at the first bad step: near enough until the whole run is put together.
    """

    run: Trajectory
    before: int
    total: int
    first_bad: int | None


def is_long(connection: Connection, project_id: int, trace_id: str) -> bool:
    """Whether a run has so many spans that reading them all takes seconds."""
    found = connection.execute(
        sa.text("""
            select count(*) from (
              select from step
              where project_id = :project_id and trace_id in (
                select trace_id from trajectory
                where project_id = :project_id and trajectory_id in (
                  select trajectory_id from trajectory
                  where project_id = :project_id and trace_id = :trace))
              limit :long) as counted"""),
        {"project_id": project_id, "trace": uuid.UUID(trace_id), "long": LONG},
    )
    return int(found.scalar_one()) >= LONG


def around(
    connection: Connection,
    project_id: int,
    trace_id: str,
    number: int | None = None,
    *,
    cohort_keys: Sequence[str] = (),
) -> Part | None:
    """The part around a step, or around the first bad one; None when there is no such run."""
    summary = traces.one(connection, project_id, trace_id)
    values = None if summary is None else _asked(connection, project_id, trace_id)
    if summary is None or values is None:
        return None
    near = number or summary.first_bad_step or 1
    values |= {"low": near - _AROUND, "high": near + _AROUND, "last": _AROUND}
    place = connection.execute(_PLACE, values).one()
    if place.first is None:
        return None
    ids = [trace.hex for trace in values["traces"]]
    since = values["since"].date()
    stored = spans.between(connection, project_id, ids, since, (place.first, place.last))
    run = assemble(stored.steps, contents=stored.contents, cohort_keys=cohort_keys)
    begin, end = at_ns(place.first), at_ns(place.last) + 1000
    steps = [s for s in run.steps if begin <= s.started_at < end]
    before = int(place.before)
    numbered = tuple(s.replace(number=before + n) for n, s in enumerate(steps, 1))
    whole = replace(
        run, steps=numbered, started_at=at_ns(summary.first_at),
        ended_at=at_ns(summary.last_at), ended=summary.ended, cost_usd=summary.cost_usd,
        tokens=Tokens(summary.tokens_in, summary.tokens_out), incomplete=frozenset(),
    )  # fmt: skip
    return Part(whole, before, int(place.total), summary.first_bad_step)


def failing(
    connection: Connection, project_id: int, trace_id: str, number: int, *, forward: bool
) -> int | None:
    """The number of the next failed step after `number`, or of the last one before it."""
    values = _asked(connection, project_id, trace_id)
    if values is None:
        return None
    values |= {"number": number, "forward": forward}
    found = connection.execute(_FAILING, values).scalar()
    return None if found is None else int(found)


def _asked(connection: Connection, project_id: int, trace_id: str) -> dict[str, Any] | None:
    group = runs.groups(connection, project_id, [trace_id]).get(trace_id)
    if group is None:
        return None
    since = min(day for _, day in group)
    return {
        "project_id": project_id,
        "traces": [uuid.UUID(t) for t in sorted({trace for trace, _ in group})],
        "since": dt.datetime.combine(since, dt.time(), dt.UTC),
        "kinds": [code for kind, code in KIND_CODE.items() if kind.is_step],
    }


_PLACE = sa.text("""
    with ordered as materialized (
      select started_at, row_number() over (order by started_at, started_ns, span_id) as n
      from step
      where project_id = :project_id and trace_id = any(:traces) and started_at >= :since
        and kind = any(:kinds)
    ),
    ends as (
      select count(*) as total, least(:low, count(*) - :last) as low from ordered
    ),
    picked as (
      select min(o.started_at) as first, max(o.started_at) as last
      from ordered o, ends where o.n between ends.low and :high
    )
    select picked.first, picked.last, ends.total,
      (select count(*) from ordered where started_at < picked.first) as before
    from picked, ends""")
_FAILING = sa.text("""
    with failed as (
      select distinct trace_id, span_id from score
      where project_id = :project_id and trace_id = any(:traces) and started_at >= :since
        and outcome = 0
    ),
    ordered as (
      select f.span_id as failed,
        row_number() over (order by s.started_at, s.started_ns, s.span_id) as n
      from step s left join failed f on f.trace_id = s.trace_id and f.span_id = s.span_id
      where s.project_id = :project_id and s.trace_id = any(:traces) and s.started_at >= :since
        and s.kind = any(:kinds)
    )
    select case when :forward then min(n) filter (where n > :number)
      else max(n) filter (where n < :number) end
    from ordered where failed is not null""")
