"""`waypost up` and the verbs around it, as processes a person would start."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.conftest import empty, run_waypost
from tests.shared import ROOT
from waypost.store.embedded import EmbeddedPostgres

pytestmark = [pytest.mark.store, pytest.mark.slow]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _elsewhere(data: Path) -> Path:
    """A folder of somebody whose own modules bear the names of ours."""
    folder = data.parent / "elsewhere"
    folder.mkdir(exist_ok=True)
    for name in ("waypost", "collector", "evaluators", "ui", "tracer"):
        (folder / f"{name}.py").write_text("raise SystemExit('this is not yours')")
    return folder


class Up:
    """A `waypost up` on ports of its own."""

    def __init__(self, data: Path, *more: str) -> None:
        self.data = data
        self.ports = {name: free_port() for name in ("otlp-http", "otlp-grpc", "ui")}
        self.lines: list[str] = []
        words = [w for name, port in self.ports.items() for w in (f"--{name}", str(port))]
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "waypost", "up", *words, *more],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=_elsewhere(data),
            env={**os.environ, "WAYPOST_DATA": str(data), "WAYPOST_SHARED_BUFFERS_MB": "32"},
        )  # fmt: skip

    def wait_for(self, text: str, seconds: float = 60) -> None:
        assert self.process.stdout is not None
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            line = self.process.stdout.readline()
            self.lines.append(line)
            if text in line:
                return
            assert line, f"it ended without saying {text!r}: {''.join(self.lines)}"
        raise AssertionError(f"{text!r} was not said in {seconds} s: {''.join(self.lines)}")

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=60)
        self.lines.append(rest)
        return self.process.returncode


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "data"
    postmaster = EmbeddedPostgres(tmp_path / "data").postmaster()
    if postmaster is not None:
        postmaster.terminate()
        psutil.wait_procs([postmaster], timeout=10)


def test_up_outlives_its_postgres_takes_over_what_a_killed_one_left_and_stops_cleanly(
    data: Path,
) -> None:
    lose_postgres_and_be_killed(data)
    up = Up(data, "--no-ui")
    up.wait_for("Ctrl-C")
    parts = up.descendants()
    say = partial(run_waypost, env={"WAYPOST_DATA": str(data)})
    second = say("up")
    assert (second.returncode, "already runs" in second.stderr) == (1, True)
    assert json.loads(say("project", "list", "--json").stdout)[0]["name"] == "default"
    findings = {f["check"]: f for f in json.loads(say("doctor", "--json").stdout)}
    assert findings["port otlp-http"]["said"] == f"127.0.0.1:{up.ports['otlp-http']} answers"
    assert up.end(signal.SIGINT) == 0
    assert alive(parts, 15) == []
    assert EmbeddedPostgres(data).postmaster() is None


def lose_postgres_and_be_killed(data: Path) -> None:
    """Postgres is started again when it dies, and every part ends with a killed `up`."""
    up = Up(data, "--no-ui")
    up.wait_for("Ctrl-C")
    postmaster = EmbeddedPostgres(data).postmaster()
    assert postmaster is not None
    postmaster.kill()
    up.wait_for("starting it again")
    parts = up.descendants()
    up.end(signal.SIGKILL)
    assert alive(parts, 20) == []


def alive(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that have not ended within so many seconds."""
    return psutil.wait_procs(processes, timeout=seconds)[1]


def test_wrong_use_is_one_sentence_without_a_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "waypost", "nonsense"],
        capture_output=True, text=True, timeout=120, check=False, cwd=ROOT,
        env={**os.environ, "WAYPOST_DATA": str(tmp_path / "data")},
    )  # fmt: skip
    is_one_sentence(done, 2, "No such command 'nonsense'")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("up", "--workers", "many"), 2, "--workers"),
        (("up", "--database-url", "mysql://x/y"), 2, "postgresql://"),
        (("migrate", "--database-url", "postgresql://127.0.0.1:1/x"), 1, "does not answer"),
        (("up", "--host", "0.0.0.0", "--data", "none"), 2, "open to everyone"),
    ],
)
def test_wrong_values_are_one_sentence_without_a_traceback(
    tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    is_one_sentence(run_waypost(*arguments, env={"WAYPOST_DATA": str(tmp_path)}), code, said)


def is_one_sentence(done: "subprocess.CompletedProcess[str]", code: int, said: str) -> None:
    assert done.returncode == code
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("verb", "option"), [("up", "--otlp-http"), ("collect", "--otlp-grpc"), ("ui", "--ui")]
)
def test_a_taken_port_is_named_with_its_option(verb: str, option: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        nowhere = ("--data", str(tmp_path), "--database-url", "postgresql://127.0.0.1:1/x")
        done = run_waypost(verb, *nowhere, option, port)
    is_one_sentence(done, 1, f"Port {port} of 127.0.0.1 cannot be used")
    assert option in done.stderr


def test_doctor_says_how_to_mend_what_is_down(tmp_path: Path) -> None:
    done = run_waypost("doctor", "--json", env={"WAYPOST_DATA": str(tmp_path / "data")})
    findings = {f["check"]: f for f in json.loads(done.stdout)}
    assert done.returncode == 1
    assert not findings["postgres"]["fine"]
    assert "waypost up" in findings["postgres"]["mend"]


def test_keys_and_projects_are_managed_from_the_command_line(servers: dict[str, str]) -> None:
    for url in empty(servers["18"]):
        say = partial(run_waypost, env={"WAYPOST_DATABASE_URL": url})
        assert say("migrate").returncode == 0
        assert say("project", "create", "claims").returncode == 0
        made = say("key", "create", "--project", "claims", "--scope", "read")
        assert made.stdout.startswith("wp_")
        (known,) = json.loads(say("key", "list", "--project", "claims", "--json").stdout)
        assert known["scopes"] == ["read"]
        revoke = ("key", "revoke", "--project", "claims", str(known["id"]))
        assert say(*revoke).returncode == 0
        assert "ended" in say("key", "list", "--project", "claims").stdout
        wrong = say("key", "revoke", "--project", "default", str(known["id"]))
        assert (wrong.returncode, "has no key" in wrong.stderr) == (1, True)
        assert say("retain", "--days", "7").stdout.startswith("Project default keeps 7")
