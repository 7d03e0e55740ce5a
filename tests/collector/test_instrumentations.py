"""Unchanged instrumentations of others watch one scripted agent; what is stored is what it did.

Each runs in an environment of its own, the one that `benchmarks.tracer` compares it in, which is
made once and kept.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from benchmarks.tracer.__main__ import CACHE, HERE, environment
from benchmarks.tracer.contenders import PACKAGES
from tests.collector.process import Running, collector
from tests.collector.test_keys import make_key
from tests.conftest import clone
from waypost.records import Message, Step, Trajectory
from waypost.store import runs
from waypost.store.engine import connect

pytestmark = [pytest.mark.slow, pytest.mark.store]

CLIENTS = ("OpenInference", "OpenLLMetry", "Langfuse", "traceAI")
TURNS = 3
RUN = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
import contenders, workload
config, flush = contenders.START[sys.argv[1]](sys.argv[2])
workload.run({2 * TURNS + 1}, config)
flush()
"""
SENTENCE = "The parcel left the warehouse in the evening and nobody has seen it since. "


@pytest.fixture(scope="module")
def server(servers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    cloned = clone(servers["18"])
    with collector(next(cloned), tmp_path_factory.mktemp("collector")) as running:
        yield running
    next(cloned, None)


def watched(client: str, server: Running, folder: Path) -> Trajectory:
    """The stored trajectory of the agent as one client saw it."""
    try:
        python = environment(CACHE, client, PACKAGES[client])
    except subprocess.CalledProcessError as error:
        pytest.skip(f"{client} cannot be installed here: {error}")
    before = traces(server.url)
    done = subprocess.run(
        [python, "-c", RUN, client, server.address],
        cwd=folder, env={**os.environ, "LANGFUSE_SECRET_KEY": make_key(server.url)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (trace,) = traces(server.url) - before
    engine = connect(server.url)
    with engine.connect() as connection:
        (found,) = runs.load_many(connection, 1, [trace]).values()
    engine.dispose()
    return found


def traces(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {row[0].hex for row in connection.execute("select trace_id from trajectory")}


def result(order: str) -> list[dict[str, Any]]:
    """What the tool gave back: the value in its text."""
    return [{"order": order, "line": n, "note": SENTENCE * 2} for n in range(9)]


def tokens(step: Step) -> tuple[int | None, int | None]:
    return step.tokens.input, step.tokens.output


def text(messages: tuple[Message, ...]) -> str:
    return messages[-1].text


@pytest.mark.parametrize("client", CLIENTS)
def test_an_agent_watched_by_another_client_is_stored_as_it_ran(
    client: str, server: Running, tmp_path: Path
) -> None:
    run = watched(client, server, tmp_path)
    tools = [s for s in run.steps if s.kind == "tool"]
    orders = [f"A-{n}" for n in range(TURNS)]
    assert [s.kind for s in run.steps] == ["llm", "tool"] * TURNS + ["llm"]
    assert [s.tool for s in tools] == ["look_up"] * TURNS
    assert [s.arguments for s in tools] == [{"order_id": o, "detail": "full"} for o in orders]
    assert [s.result for s in tools] == [result(o) for o in orders]
    assert [tokens(s) for s in run.model_steps] == [(100 * n + 50, 20) for n in range(TURNS + 1)]
    assert text(run.model_steps[-1].output) == "That is all I found."
    assert len(run.model_steps[-1].input) >= 2 * TURNS + 1
    assert run.final_step == 2 * TURNS + 1
