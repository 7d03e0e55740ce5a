"""What real clients sent comes out of Postgres as it went in, for every recorded sample."""

import dataclasses
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from collector.convention import Reader, read_log
from collector.decode import Encoding, decode_logs, decode_traces
from tests.conftest import clone
from tests.shared import SAMPLES
from waypost.assembly import assemble
from waypost.records import Content, Feedback, Reading, Trajectory
from waypost.store import runs
from waypost.store.engine import connect
from waypost.store.ingest import Writer

FILES = sorted(p for p in SAMPLES.glob("*.json") if p.name.count(".") == 1)
FILES = [p for p in FILES if p.name not in ("index.json", "expected.json")]
NOW = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)


def read(path: Path) -> tuple[list[Reading], list[Content], list[Feedback]]:
    reader = Reader()
    readings = [reader.read(s) for s in decode_traces(path.read_bytes(), Encoding.JSON).spans]
    contents = [c for r in readings for c in r.contents]
    feedback = [f for r in readings for f in r.feedback]
    logs = path.with_name(path.name.replace(".json", ".logs.json"))
    if logs.exists():
        for record in decode_logs(logs.read_bytes(), Encoding.JSON).records:
            found = read_log(record)
            contents += found.contents
            feedback += found.feedback
    return readings, contents, feedback


def comparable(run: Trajectory) -> Trajectory:
    """With the times of verdicts to the microsecond, as they are kept."""
    rounded = [dataclasses.replace(f, at=f.at // 1000 * 1000) for f in run.feedback]
    return dataclasses.replace(run, feedback=tuple(sorted(rounded, key=repr)))


@pytest.fixture(scope="module")
def engine(servers: dict[str, str]) -> Iterator[Engine]:
    """One database for all samples: no two hold the same run."""
    for url in clone(servers["18"]):
        made = connect(url)
        yield made
        made.dispose()


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_stored_sample_reads_back_as_the_same_trajectory(engine: Engine, path: Path) -> None:
    readings, contents, feedback = read(path)
    with Writer(engine).batch() as batch:
        bare = [Reading(r.step) for r in readings]
        written = batch.put(1, bare, contents=contents, feedback=feedback, keep_days=3650, now=NOW)
    assert written.refused == []
    traces = sorted({r.step.trace_id for r in readings})
    with engine.connect() as connection:
        loaded = runs.load_many(connection, 1, traces)
    for trace, run in loaded.items():
        steps = [r.step for r in readings if r.step.trace_id in run.traces]
        said = [c for c in contents if c.trace_id in run.traces]
        verdicts = [f for f in feedback if f.trace_id in run.traces]
        assert comparable(run) == comparable(assemble(steps, said, verdicts)), trace
    assert set(loaded) == set(traces)
