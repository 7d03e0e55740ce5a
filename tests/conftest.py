"""Fixtures that every kind of test may use."""

import io
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import psycopg
import pytest
from sqlalchemy.engine import Engine
from xdist.scheduler import LoadFileScheduling

from tests.postgres15 import Debian15
from tests.receiver import receiver
from tests.shared import quick_folder
from waypost.cli import main
from waypost.store.embedded import EmbeddedPostgres
from waypost.store.engine import connect
from waypost.store.migrate import migrate

__all__ = ["receiver"]  # a fixture

_NEEDS_STORE = {"servers", "cluster", "database", "engine", "any_engine"}
_NEEDS_BROWSER = {"browser", "page"}


# Files whose tests take long. They begin first, or one of them would be left at the end with the
# other processors idle.
PAGES = "/journey/test_ui_"
_LONG = ("test_types.py", "collector", "journey")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a test asks for says what it needs; `scripts/test quick` goes by that."""
    items.sort(key=lambda item: (PAGES not in item.nodeid, not _is_long(item.path)))
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        if names & _NEEDS_STORE:
            item.add_marker(pytest.mark.store)
        if names & _NEEDS_BROWSER:
            item.add_marker(pytest.mark.browser)


class Together(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """A file's tests stay in one process; those of pages share one with its dashboard and
    Chromium, which take longer to start than most tests."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return PAGES if PAGES in file else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Together:
    """How tests are dealt out to several processes."""
    return Together(config, log)


def _is_long(path: Path) -> bool:
    return path.name in _LONG or path.parent.name in _LONG


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, str]]:
    """The embedded Postgres with a migrated database `template`: its URL by its version."""
    folder = quick_folder("waypost-pg18-")
    with EmbeddedPostgres(folder / "data", buffers_mb=128, fsync=False) as embedded:
        _make_template(embedded.url)
        yield {"18": embedded.url}
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def newest(servers: dict[str, str]) -> str:
    """The URL of the embedded server."""
    return servers["18"]


@pytest.fixture(scope="session")
def oldest() -> Iterator[str]:
    """The URL of a Postgres 15 with the same template, which most files do not need."""
    debian = Debian15.start()
    if debian is None:
        pytest.skip("Debian's Postgres 15 is not installed here")
    _make_template(debian.url)
    yield debian.url
    debian.stop()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a migrated server that does not run: to copy it takes a tenth of the
    time that it takes to make one."""
    folder = tmp_path_factory.mktemp("cluster") / "pg"
    with EmbeddedPostgres(folder, buffers_mb=64, fsync=False) as server:
        engine = connect(server.url)
        migrate(engine)
        engine.dispose()
    return folder


def copy_cluster(cluster: Path, to: Path) -> Path:
    """A copy for one test, with the files' owner."""
    subprocess.run(["cp", "-a", cluster, to], check=True)
    return to


def _make_template(url: str) -> None:
    _command(url, "create database template")
    engine = connect(named(url, "template"))
    migrate(engine)
    engine.dispose()


def named(url: str, database: str) -> str:
    """The URL of another database on the same server."""
    return url.replace("///waypost?", f"///{database}?").replace("///postgres?", f"///{database}?")


def _command(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


@pytest.fixture
def database(servers: dict[str, str]) -> Iterator[str]:
    """The URL of a fresh migrated database on the embedded server."""
    yield from clone(servers["18"])


def clone(server: str, of: str = "") -> Iterator[str]:
    """A copy of the migrated template or of the database at that URL, dropped afterwards.

    Nobody may be connected to what is copied.
    """
    name = of.partition("///")[2].partition("?")[0]
    yield from empty(server, template=name or "template")


def empty(server: str, *, template: str = "template0") -> Iterator[str]:
    """A database without a schema, dropped afterwards."""
    name = f"t{uuid.uuid4().hex}"
    # A log of each page, as by default, costs three times the CPU: the server keeps nothing.
    _command(server, f"create database {name} template {template} strategy file_copy")
    yield named(server, name)
    _command(server, f"drop database {name} with (force)")


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """An engine over a fresh migrated database."""
    made = connect(database)
    yield made
    made.dispose()


@pytest.fixture(params=["newest", "oldest"])
def any_engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The same, on each server version there is here."""
    for url in clone(request.getfixturevalue(request.param)):
        made = connect(url)
        yield made
        made.dispose()


def run_waypost(
    *arguments: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`waypost …` in this process: to start Python for each verb takes longer than most verbs.

    `tests/journey` runs it as a process of its own.
    """
    said, complained, code = io.StringIO(), io.StringIO(), 0
    with (
        patch.dict(os.environ, env or {}),
        patch.object(sys, "argv", ["waypost", *arguments]),
        redirect_stdout(said),
        redirect_stderr(complained),
    ):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return subprocess.CompletedProcess(arguments, code, said.getvalue(), complained.getvalue())
