"""Hot queries keep their index and touch only the days they ask for."""

import datetime as dt
import hashlib
import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from tests.conftest import clone
from waypost.store import baselines, jobs, people, reach, reviews, runs, spans, traces, verdicts
from waypost.store.engine import connect
from waypost.store.partitions import ensure_days
from waypost.store.queues import Queue

DAYS = [dt.date(2026, 11, 1) + dt.timedelta(days=n) for n in range(20)]
TRACE = "0" * 31 + "1"


@pytest.fixture(scope="module")
def twenty_days(servers: dict[str, str]) -> Iterator[Engine]:
    """Twenty days, the statistics of a few thousand rows in each."""
    for url in clone(servers["18"]):
        engine = connect(url)
        fill(engine)
        yield engine
        engine.dispose()


@pytest.fixture
def filled(twenty_days: Engine) -> Iterator[Connection]:
    """A look at them that leaves nothing behind."""
    with twenty_days.connect() as connection:
        yield connection
        connection.rollback()


def fill(engine: Engine) -> None:
    ensure_days(engine, DAYS)
    with engine.begin() as connection:
        connection.execute(
            sa.text("""
                insert into step (project_id, trace_id, span_id, started_at, started_ns,
                  duration_ns, kind, status, marker, name, enc, detail)
                select 1 + g % 3, md5((g / 10)::text)::uuid, g, d + g * interval '1 second', 0, 1,
                  1, 0, false, 'x', 0, ''
                from generate_series(1, 3000) g,
                  generate_series(timestamptz '2026-11-01', '2026-11-20', '1 day') d""")
        )
        connection.execute(
            sa.text("""
                insert into trajectory (project_id, trace_id, day, trajectory_id, first_at, last_at,
                  steps, fails, cohort_id)
                select 1 + g % 3, md5(g::text)::uuid, d::date, md5(g::text)::uuid,
                  d + g * interval '1 second', d, 3, g % 5, g % 7
                from generate_series(1, 3000) g,
                  generate_series(timestamptz '2026-11-01', '2026-11-20', '1 day') d""")
        )
        connection.execute(
            sa.text("""
                insert into score (project_id, trace_id, span_id, evaluator_id, started_at,
                  cohort_id, outcome)
                select 1, md5(g::text)::uuid, g, 1 + g % 9, d + g * interval '1 second', g % 11,
                  (g % 20 > 0)::int
                from generate_series(1, 3000) g,
                  generate_series(timestamptz '2026-11-01', '2026-11-20', '1 day') d""")
        )
        connection.execute(
            sa.text("""
                insert into job (project_id, queue, trace_id, day)
                select 1, 1, md5(g::text)::uuid, '2026-11-01' from generate_series(1, 5000) g""")
        )
        connection.execute(sa.text("analyze"))


def plan(connection: Connection, query: Any, values: dict[str, Any]) -> str:
    return json.dumps(explained(connection, query, values, "costs off"))


def explained(connection: Connection, query: Any, values: dict[str, Any], options: str) -> Any:
    text = str(query.compile(dialect=connection.dialect)) if not isinstance(query, str) else query
    raw = connection.connection.driver_connection
    assert raw is not None
    with raw.cursor() as cursor:
        cursor.execute(f"explain (format json, {options}) {text}", values)
        found = cursor.fetchone()
    return found[0]


def seq_scans(text: str) -> int:
    return text.count('"Seq Scan"')


def days_touched(text: str, table: str) -> int:
    return len({d for d in DAYS if f"{table}_p{d:%Y%m%d}" in text})


def test_the_steps_of_a_trace_come_by_key_from_the_days_asked_for(filled: Connection) -> None:
    values = {
        "project_id": 1, "traces": [uuid.UUID(TRACE)],
        "since": dt.datetime(2026, 11, 18, tzinfo=dt.UTC),
    }  # fmt: skip
    text = plan(filled, spans._STEPS, values)
    assert "step_p20261118_pkey" in text
    assert seq_scans(text) == 0
    assert days_touched(text, "step") == 3


def test_a_page_of_runs_walks_the_index_of_its_days(filled: Connection) -> None:
    until = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
    wanted = traces.Filter(since=until - dt.timedelta(days=1), until=until, failed=True)
    conditions, values = traces._conditions(wanted)
    query = (
        sa.select(sa.text("t.*")).select_from(sa.text("trajectory t")).where(*conditions)
        .order_by(sa.text("t.first_at desc, t.trace_id desc")).limit(100)
    )  # fmt: skip
    text = plan(filled, query, {"project_id": 1, "param_1": 100, **values})
    assert "first_at" in text
    assert seq_scans(text) == 0
    assert days_touched(text, "trajectory") <= 2


def test_the_newest_failures_of_a_cell_come_from_the_partial_index(filled: Connection) -> None:
    text = plan(
        filled,
        """select trace_id, span_id from score where project_id = 1 and cohort_id = 5
           and evaluator_id = 3 and outcome = 0 and started_at >= '2026-11-19'
           order by started_at desc limit 20""",
        {},
    )
    assert "project_id_cohort_id_evaluator_id" in text
    assert seq_scans(text) == 0


@pytest.mark.parametrize("query", [baselines._RECENT, reach._RECENT])
def test_recent_steps_are_found_by_way_of_the_newest_runs(filled: Connection, query: Any) -> None:
    since = dt.datetime(2026, 11, 19, tzinfo=dt.UTC)
    text = plan(filled, query, {"project_id": 1, "since": since, "runs": 20, "most": 20})
    assert "first_at" in text
    assert seq_scans(text) == 0
    assert days_touched(text, "step") <= 3


def test_what_people_said_comes_from_its_own_index(filled: Connection) -> None:
    filled.execute(
        sa.text("insert into evaluator (project_id, name, version, source) values"
                " (1, 'review:a', '1', 'human'), (1, 'a', '1', 'code')")
    )  # fmt: skip
    since = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    text = plan(filled, people._PAIRS, {"project_id": 1, "since": since, "evaluator": None})
    assert re.search(r'"Seq Scan"[^{]*"Relation Name": "score_', text) is None


@pytest.mark.parametrize("evaluators", [None, ["b"]])
def test_what_people_could_review_comes_by_way_of_its_runs(
    filled: Connection, evaluators: list[str] | None
) -> None:
    filled.execute(
        sa.text("""
            insert into evaluator (project_id, name, version, source)
            select 1, chr(96 + g), '1', 'code' from generate_series(1, 9) g""")
    )
    values = {
        "project_id": 1, "since": dt.datetime(2026, 11, 18, tzinfo=dt.UTC), "reviewer": "ana",
        "evaluators": evaluators, "most": 150, "runs": 150,
    }  # fmt: skip
    filled.execute(sa.text("set local enable_nestloop = off"))  # as it chooses at many scores a run
    text = plan(filled, reviews._CANDIDATES, values)
    scans = re.findall(r'\{[^{]*"Relation Name": "score_[^{]*', text)
    assert scans
    assert all("trace_id = " in scan for scan in scans)


def test_what_was_said_of_sessions_comes_by_index(filled: Connection) -> None:
    filled.execute(sa.text("update trajectory set session_id = 's' || trace_id"))
    filled.execute(
        sa.text("""
            insert into feedback (project_id, key, at, trace_id, session_id, name, detail)
            select 1, decode(md5(g::text || d::text), 'hex'), d + g * interval '10 seconds',
              case when g % 2 = 0 then md5(g::text)::uuid end, 's' || g, 'thumbs', '{}'
            from generate_series(1, 2000) g,
              generate_series(timestamptz '2026-11-01', '2026-11-20', '1 day') d""")
    )
    filled.execute(sa.text("analyze trajectory, feedback"))
    since = dt.datetime(2026, 11, 18, tzinfo=dt.UTC)
    values = {"project_id": 1, "traces": [uuid.UUID(TRACE)], "since": since}
    assert seq_scans(plan(filled, verdicts._OF_TRACES, values)) == 0


def test_jobs_are_claimed_by_their_index(filled: Connection) -> None:
    text = plan(
        filled, jobs._CLAIM, {"queue": int(Queue.TRACE), "share": 100, "most": 100, "lease": 60}
    )
    assert "job_due_idx" in text
    assert "job_pkey" in text


def test_a_run_is_found_by_key_though_its_day_has_no_statistics_yet(engine: Engine) -> None:
    """As after midnight, until the new day's tables are analysed for the first time."""
    ensure_days(engine, [DAYS[0]])
    with engine.connect() as connection:
        connection.execute(
            sa.text("""
                insert into trajectory (project_id, trace_id, day, trajectory_id, first_at, last_at)
                select 1, md5(g::text)::uuid, '2026-11-01', md5(g::text)::uuid, d, d
                from generate_series(1, 3000) g, (select timestamptz '2026-11-01') t (d)""")
        )
        values = {"project_id": 1, "traces": [uuid.UUID(hex=hashlib.md5(b"7").hexdigest())]}
        rows, read = connection.execute(runs._BY_RUN, values).all(), blocks(connection, values)
        assert len(rows) == 1
        assert read < 50


def blocks(connection: Connection, values: dict[str, Any]) -> int:
    """How many blocks Postgres looks at to find the runs of these traces."""
    found = explained(connection, runs._BY_RUN, values, "analyze, buffers")
    return int(found[0]["Plan"]["Shared Hit Blocks"])
