"""`waypost reread`: what no convention understood when it came is understood afterwards."""

import datetime as dt
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from collector.convention import Reader
from collector.conventions import generic
from tests.conftest import run_waypost
from tests.samples import spans_of
from waypost.records import RawSpan
from waypost.store import runs
from waypost.store.ingest import Writer

DAY = 86_400 * 10**9


def recent(convention: str) -> list[RawSpan]:
    """The spans of a sample, moved to the last hours."""
    spans = spans_of(convention)
    late = int(dt.datetime.now(dt.UTC).timestamp() * 1e9) - max(s.ended_at for s in spans)
    return [replace(s, started_at=s.started_at + late, ended_at=s.ended_at + late) for s in spans]


@pytest.mark.parametrize("convention", ["openinference_langchain", "openllmetry_langchain"])
def test_spans_that_were_not_understood_become_steps_with_their_messages(
    engine: Engine, database: str, convention: str
) -> None:
    old, today = Reader([generic.CONVENTION]), Reader()
    spans = recent(convention)
    with Writer(engine).batch() as batch:
        batch.put(1, [old.read(span) for span in spans], keep_days=3_000)
    done = run_waypost("reread", "--database-url", database)
    assert done.returncode == 0, done.stderr
    wanted = {s.span_id: s for s in (today.read(span).step for span in spans)}
    with engine.connect() as connection:
        found = runs.load_many(connection, 1, sorted({s.trace_id for s in spans}))
        queued = connection.execute(sa.text("select count(*) from job")).scalar_one()
    steps = [s for run in found.values() for s in run.model_steps if not s.derived]
    assert {s.span_id for s in steps} == {i for i, s in wanted.items() if s.kind == "llm"}
    assert [s.input for s in steps] == [wanted[s.span_id].input for s in steps]
    assert [s.output for s in steps] == [wanted[s.span_id].output for s in steps]
    assert queued == len(found)
