"""A store with many scores, made by Postgres itself: runs, scores of them, and their counters."""

import datetime as dt
import time
import uuid

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tests.factories import SECOND, span_id, trace_id
from waypost.records import Kind, Reading, Step
from waypost.store import scores
from waypost.store.ingest import Writer
from waypost.store.partitions import ensure_days

STEPS, EVALUATORS, DAYS = 10, 10, 14
BULK_STEPS = 50_000
_COHORTS = 60


def fill(engine: Engine, wanted: int, now: dt.datetime) -> None:
    """So many scores over two weeks in 60 cohorts, one of which fails since six hours."""
    runs = max(1, wanted // (STEPS * EVALUATORS))
    days = [now.date() - dt.timedelta(days=d) for d in range(-1, DAYS + 2)]
    ensure_days(engine, days)
    with engine.begin() as connection:
        connection.execute(_COHORT, {"n": _COHORTS})
        connection.execute(_EVALUATOR, {"n": EVALUATORS})
    since = now - dt.timedelta(days=DAYS)
    for day in range(DAYS):
        start = since + dt.timedelta(days=day)
        with engine.begin() as connection:
            values = {"runs": runs // DAYS, "start": start, "day": day, "steps": STEPS,
                      "judges": EVALUATORS, "live": now - dt.timedelta(hours=6)}  # fmt: skip
            connection.execute(_RUNS, values)
            connection.execute(_SCORES, values)
    with engine.begin() as connection:
        scores.recount(connection, 1, since - dt.timedelta(days=1))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("analyze"))


def put_bulk_run(engine: Engine) -> str:
    """One run of 50,000 steps with as many queries below them; its trace id."""
    trace, start = trace_id("bulk"), int(time.time() - 7200) * SECOND
    spans = [_span(trace, i, start) for i in range(2 * BULK_STEPS)]
    with Writer(engine).batch() as batch:
        batch.put(1, [Reading(s) for s in spans], now=dt.datetime.now(dt.UTC))
    with engine.begin() as connection:
        settle = sa.text(
            "update trajectory set cohort_id = 1, settled_at = now() where trace_id = :id"
        )
        connection.execute(settle, {"id": uuid.UUID(trace)})
    return trace


def _span(trace: str, i: int, start: int) -> Step:
    """Even ones are tool steps, and below each lies the query it made."""
    at = start + i * SECOND // 20
    own, parent = span_id(("bulk", i)), span_id(("bulk", i - 1))
    if i % 2:
        return Step(trace_id=trace, span_id=own, parent_id=parent, kind=Kind.OTHER,
                    name="SELECT payroll", started_at=at, ended_at=at + SECOND // 100)  # fmt: skip
    return Step(
        trace_id=trace, span_id=own, parent_id=None, kind=Kind.TOOL, name="lookup", tool="lookup",
        arguments={"id": i, "fields": ["gross", "net"]}, result={"value": i}, started_at=at,
        ended_at=at + SECOND // 12,
    )  # fmt: skip


_COHORT = sa.text("""
    insert into cohort (project_id, attrs, key)
    select 1, jsonb_build_object('prompt_version', 'v' || (i / 15 + 12), 'model',
      (array['haiku', 'mini', 'large'])[i % 3 + 1], 'region',
      (array['eu', 'us', 'ap', 'sa', 'af'])[i / 3 % 5 + 1], 'agent', 'benefits'),
      decode(md5(i::text), 'hex')
    from generate_series(0, :n - 1) i order by i""")
_EVALUATOR = sa.text("""
    insert into evaluator (project_id, name, version)
    select 1, 'evaluator_' || i, '1' from generate_series(1, :n) i order by i""")
_RUNS = sa.text("""
    insert into trajectory (project_id, trace_id, day, trajectory_id, first_at, last_at, status,
      root_ended, settled_at, name, agent, model, cohort_id, steps, fails, first_bad_step,
      worst_score, cost_usd, shape)
    select 1, id, (at at time zone 'utc')::date, id, at, at + interval '30 seconds', 0, true, at,
      'benefits', 'benefits', 'haiku', i % 60 + 1, :steps, (i % 9 = 0)::int,
      case when i % 9 = 0 then 4 end, 0.4, 0.01, '·✓✓✕✓✓✓✓✓✓'
    from (
      select i, md5(:day || '/' || i)::uuid as id,
        cast(:start as timestamptz) + i * (interval '1 day' / :runs) as at
      from generate_series(0, :runs - 1) i) as made""")
_SCORES = sa.text("""
    insert into score (project_id, trace_id, span_id, evaluator_id, started_at, cohort_id, outcome,
      value)
    select 1, t.trace_id, s, e, t.first_at + s * interval '1 second', t.cohort_id,
      case when hashtext(t.trace_id::text || s || e) % 100 between 0 and
        (case when t.cohort_id = 60 and e = 3 and t.first_at > :live then 30 else 3 end)
        then 0 else 1 end, 0.85
    from trajectory t, generate_series(1, :steps) s, generate_series(1, :judges) e
    where t.project_id = 1 and t.first_at >= :start
      and t.first_at < cast(:start as timestamptz) + interval '1 day'
    order by t.first_at, s, e -- as workers write them, run by run""")
