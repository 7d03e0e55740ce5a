"""The embedded Postgres comes back by itself from whatever ends it."""

import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.conftest import copy_cluster
from tests.shared import ROOT
from waypost.errors import StoreBusy, WaypostError
from waypost.store.embedded import EmbeddedPostgres, _owner_uid, binaries

pytestmark = [pytest.mark.store, pytest.mark.slow]

KILLS = 8
HOLDER = """
import sys, time
from pathlib import Path
from waypost.store.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), buffers_mb=32)
print(server.start(), flush=True)
while True:
    time.sleep(0.1)
    server.ensure()
"""


@pytest.fixture
def data(cluster: Path, tmp_path: Path) -> Path:
    """The folder of a server that has run before."""
    return copy_cluster(cluster, tmp_path / "data")


@pytest.fixture
def server(data: Path) -> Iterator[EmbeddedPostgres]:
    """A running server whose postmaster can be killed."""
    with EmbeddedPostgres(data, buffers_mb=32) as running:
        yield running


def execute(server: EmbeddedPostgres, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(server.url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def test_the_folder_is_private_and_the_server_listens_on_its_socket_only(
    server: EmbeddedPostgres,
) -> None:
    assert stat.S_IMODE(server.cluster.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.socket_folder.stat().st_mode) == 0o700
    assert execute(server, "show listen_addresses") == [("",)]
    assert execute(server, "show fsync") == [("on",)]


def test_a_folder_may_have_spaces_and_must_have_no_quotes(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "my data, 100%20", buffers_mb=32) as server:
        assert server.answers()
    with pytest.raises(WaypostError, match="without quotes"):
        EmbeddedPostgres(tmp_path / "it's", buffers_mb=32).start()


def test_a_second_owner_is_told_so(server: EmbeddedPostgres) -> None:
    with pytest.raises(StoreBusy, match="already runs"):
        EmbeddedPostgres(server.data, buffers_mb=32).start()


def _in_the_end(server: EmbeddedPostgres, statement: str) -> list[tuple[object, ...]]:
    """The answer once recovery is over; the postmaster may still take calls before it notices."""
    deadline = time.monotonic() + 30
    while True:
        try:
            server.ensure()
            return execute(server, statement)
        except psycopg.OperationalError:
            assert time.monotonic() < deadline


@pytest.mark.parametrize("victim", ["postmaster", "backend"])
def test_it_recovers_from_sigkill(server: EmbeddedPostgres, victim: str) -> None:
    execute(server, "create table kept as select 1 as n")
    postmaster = server.postmaster()
    assert postmaster is not None
    with psycopg.connect(server.url) as connection:
        pid = postmaster.pid if victim == "postmaster" else connection.info.backend_pid
        os.kill(pid, signal.SIGKILL)
    assert _in_the_end(server, "select n from kept") == [(1,)]


def test_a_stale_pid_file_of_another_process_is_no_hindrance(server: EmbeddedPostgres) -> None:
    postmaster = server.postmaster()
    assert postmaster is not None
    postmaster.kill()
    psutil.wait_procs([postmaster], timeout=5)
    (server.cluster / "postmaster.pid").write_text(f"{os.getpid()}\n{server.cluster}\n")
    assert server.ensure()
    assert server.answers()


def test_a_zombie_postmaster_is_taken_for_dead(server: EmbeddedPostgres, tmp_path: Path) -> None:
    postmaster = server.postmaster()
    assert postmaster is not None
    postmaster.kill()
    psutil.wait_procs([postmaster], timeout=5)
    shutil.copy("/bin/true", tmp_path / "postgres")
    zombie = subprocess.Popen([tmp_path / "postgres"])
    while psutil.Process(zombie.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    (server.cluster / "postmaster.pid").write_text(f"{zombie.pid}\n{server.cluster}\n")
    assert server.postmaster() is None
    assert server.ensure()
    zombie.wait()


def test_a_start_that_was_killed_half_way_starts_over(tmp_path: Path) -> None:
    half = tmp_path / "data" / "postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(tmp_path / "data", buffers_mb=32) as server:
        assert server.answers()


def test_a_long_path_has_its_socket_elsewhere(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / ("d" * 60) / ("e" * 60), buffers_mb=32) as server:
        assert len(str(server.socket_folder)) < 90
        assert server.answers()


def test_a_folder_that_cannot_be_made_gives_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WaypostError, match="Choose another folder with --data"):
        EmbeddedPostgres(tmp_path / "file" / "data").start()


def test_files_postgres_may_not_use_give_a_sentence(data: Path) -> None:
    server = EmbeddedPostgres(data, buffers_mb=32)
    (server.cluster / "PG_VERSION").write_text("15\n")
    with pytest.raises(WaypostError, match=r"version|initialized"):
        server.start()


@pytest.mark.timeout(600)
def test_kills_of_everything_need_no_hand(tmp_path: Path) -> None:
    data = tmp_path / "data"
    chance = random.Random(3)
    for round_ in range(KILLS):
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(data)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert holder.stdout is not None
        url = holder.stdout.readline().strip()
        assert url.startswith("postgresql://"), f"round {round_} did not start"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("create table if not exists kept (n int)")
            connection.execute("insert into kept values (1)")
            found = connection.execute("select count(*) from kept").fetchone()
            assert found == (round_ + 1,)
            time.sleep(chance.random() * 0.2)
            _kill_group(holder, data, postgres=round_ % 2 == 0)
    with EmbeddedPostgres(data, buffers_mb=32) as server:
        assert execute(server, "select count(*) from kept") == [(KILLS,)]


def _kill_group(holder: "subprocess.Popen[str]", data: Path, *, postgres: bool) -> None:
    victims = [psutil.Process(holder.pid)]
    if postgres:
        postmaster = EmbeddedPostgres(data).postmaster()
        assert postmaster is not None
        victims += [postmaster, *postmaster.children(recursive=True)]
    for victim in victims:
        victim.send_signal(signal.SIGKILL)
    holder.communicate()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a small disk and other users")
def test_a_full_disk_gives_a_sentence(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(small)],
        check=False, capture_output=True,
    )  # fmt: skip
    if mounted.returncode != 0:
        pytest.skip("this machine does not let a test mount a small disk")
    try:
        with pytest.raises(WaypostError, match=r"disk.*full"):
            EmbeddedPostgres(small / "data", buffers_mb=32).start()
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives Postgres to another user")
def test_as_root_postgres_runs_as_a_lesser_user_also_below_a_closed_folder(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    wheel = binaries().parents[1]
    for part in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        shutil.copytree(part, closed / part.name)
    server = EmbeddedPostgres(closed / "data", buffers_mb=32)
    server._bin = closed / binaries().relative_to(wheel.parent)
    with server:
        postmaster = server.postmaster()
        assert postmaster is not None
        assert postmaster.uids().effective == _owner_uid() != 0
        status = Path(f"/proc/{postmaster.pid}/status").read_text()
        assert "CapEff:\t0000000000000002\n" in status  # to pass through folders, and no more
