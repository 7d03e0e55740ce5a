"""What is measured of a product, and how it is started, watched and ended."""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import psutil

_START_SECONDS = 180
_SETTLE_SECONDS = 300


class Peer(ABC):
    """One product in an environment and a folder of its own."""

    name: ClassVar[str]
    package: ClassVar[str]

    def __init__(self, environments: Path, folder: Path) -> None:
        self.environment = environments / self.name
        self.folder = folder / self.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Sequence[str]:
        """How the server is started."""

    def variables(self) -> Mapping[str, str]:
        """Environment variables of the server."""
        return {}

    @abstractmethod
    def count(self) -> int:
        """How many spans are stored and can be asked for."""

    def headers(self) -> Mapping[str, str]:
        return {}

    @abstractmethod
    def asks(self, trace_id: str) -> Mapping[str, urllib.request.Request]:
        """Requests by what they answer: `list`, `filter` by what all have, `open` one run."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def python(self) -> Path:
        return self.environment / "bin" / "python"

    def install(self) -> str:
        """Make the environment if it is missing; the version of the product."""
        if not self.python.exists():
            uv("venv", "-q", str(self.environment), "--python", sys.executable)
            uv("pip", "install", "-q", "--python", str(self.python), self.package)
        code = f"import importlib.metadata as m; print(m.version({self.package!r}))"
        return subprocess.check_output([str(self.python), "-c", code], text=True).strip()

    def start(self) -> None:
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            self.command(), env={**os.environ, **self.variables()}, cwd=self.folder,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError, KeyError):
                self.count()
                return
            time.sleep(0.3)
        raise RuntimeError(f"{self.name} did not start; see {self.folder / 'log'}")

    def processes(self) -> list[psutil.Process]:
        assert self.process is not None
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def cpu(self) -> float:
        """CPU seconds of all its processes so far."""
        used = 0.0
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                used += times.user + times.system + times.children_user + times.children_system
        return used

    def send(self, body: bytes) -> bool:
        """Post one export request; whether it was acknowledged."""
        request = urllib.request.Request(
            f"{self.url}/v1/traces", body,
            {"content-type": "application/x-protobuf", **self.headers()},
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def ask(self, request: urllib.request.Request) -> tuple[float, int]:
        """Milliseconds and bytes of one answer, the median of nine after one to warm up."""
        times, size = [], 0
        for _ in range(10):
            began = time.perf_counter()
            with urllib.request.urlopen(request, timeout=60) as answer:
                body = answer.read()
            if b'"errors":' in body[:200]:
                raise OSError(body[:200].decode())
            size = len(body)
            times.append((time.perf_counter() - began) * 1000)
        return statistics.median(times[1:]), size

    def settle(self, wanted: int) -> int:
        """Wait until that many spans are stored; how many there are."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        found, calm = -1, 0
        while time.monotonic() < deadline and found < wanted and calm < 20:
            now = self.count()
            calm = calm + 1 if now == found else 0
            found = now
            time.sleep(0.5)
        return found

    def kill(self) -> None:
        """SIGKILL of everything at once."""
        for process in reversed(self.processes()):
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait()

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        children = self.processes()
        self.process.terminate()
        _, left = psutil.wait_procs(children, timeout=30)
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.process.wait()

    def disk(self) -> int:
        """Bytes its data takes."""
        return sum(p.stat().st_size for p in self.folder.rglob("*") if self._counts(p))

    def _counts(self, path: Path) -> bool:
        return path.is_file() and path.name != "log" and "pg_wal" not in path.parts


def post_json(url: str, value: object) -> urllib.request.Request:
    return urllib.request.Request(
        url, json.dumps(value).encode(), {"content-type": "application/json"}
    )


def rows_in(path: Path, table: str) -> int:
    """How many rows a SQLite database holds, read beside its owner."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return int(database.execute(f"select count(*) from {table}").fetchone()[0])


def uv(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "uv", *arguments], check=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
