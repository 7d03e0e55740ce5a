"""A dump taken while everything is being written restores to a store that is whole."""

import datetime as dt
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tests import seed
from tests.conftest import empty
from waypost.store import migrate, runs, scores
from waypost.store.embedded import binaries
from waypost.store.engine import connect

NOW = dt.datetime.now(dt.UTC)
COUNTED = ("score_hour", "score_day")

pytestmark = pytest.mark.slow


@pytest.fixture
def other(newest: str) -> Iterator[str]:
    yield from empty(newest)


def test_a_dump_under_load_restores_to_a_whole_store(
    engine: Engine, database: str, other: str, tmp_path: Path
) -> None:
    end = threading.Event()
    written: list[list[str]] = []

    def write() -> None:
        while not end.is_set():
            n = len(written)
            made = seed.plans(NOW, 4, seed=100 + n)
            written.append(seed.write(engine, made))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while len(written) < 3:
            end.wait(0.05)
        begun = len(written)
        dump = tmp_path / "dump"
        tool("pg_dump", "--format=custom", f"--file={dump}", plain(database))
        assert len(written) > begun
    finally:
        end.set()
        writer.join()
    tool("pg_restore", "--exit-on-error", f"--dbname={plain(other)}", str(dump))
    restored = connect(other)
    assert_whole(restored)
    restored.dispose()


def tool(name: str, *arguments: str) -> None:
    done = subprocess.run(
        [binaries() / name, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def plain(url: str) -> str:
    return url.replace("+psycopg", "")


def assert_whole(engine: Engine) -> None:
    """Every run has all its steps with all they hold, and counters equal a recount."""
    with engine.connect() as connection:
        migrate.check(connection)
        traces = [
            t.hex for t in connection.execute(sa.text("select trace_id from trajectory")).scalars()
        ]
        assert len(traces) >= 12
        for run in runs.load_many(connection, 1, traces).values():
            assert len(run.steps) > 5
            assert not [n for s in run.steps for n in s.notes if n.startswith("missing")]
    with engine.begin() as connection:
        stored = {name: rows(connection, name) for name in COUNTED}
        scores.recount(connection, 1, NOW - dt.timedelta(days=5))
        assert {name: rows(connection, name) for name in COUNTED} == stored
        assert stored["score_hour"]


def rows(connection: sa.Connection, table: str) -> list[str]:
    return sorted(connection.execute(sa.text(f"select t::text from {table} t")).scalars())
