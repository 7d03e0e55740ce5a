"""The processes of `waypost up`: started together, restarted when they die, stopped in order."""

import contextlib
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

SUPERVISED = "WAYPOST_SUPERVISED"
_TICK_SECONDS = 0.25
_STOP_SECONDS = 15
_CALM_SECONDS = 60
_LONGEST_WAIT = 30.0


@dataclass(slots=True)
class Part:
    """One process: how it is started, and how often it had to be started again.

    One that runs `once` is left alone when it has ended well.
    """

    name: str
    verb: Sequence[str]
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    due_at: float = 0.0
    wait: float = 1.0
    restarts: int = field(default=0)
    once: bool = False


class Supervisor:
    """Runs parts until told to stop; `check` is called every tick, for what it must watch too."""

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        environment: dict[str, str],
        say: Callable[[str], None],
        check: Callable[[], None],
    ) -> None:
        self._parts = list(parts)
        self._environment = {**os.environ, **environment, SUPERVISED: "1"}
        self._say = say
        self._check = check
        self._stop = threading.Event()

    def start(self) -> None:
        for part in self._parts:
            self._start(part)

    def run(self) -> None:
        """Until a signal or `stop`; returns when every part has ended."""
        try:
            while not self._stop.wait(_TICK_SECONDS):
                self._check()
                for part in self._parts:
                    self._mind(part)
        finally:
            self._end_all()

    def stop(self) -> None:
        self._stop.set()

    def died(self) -> list[str]:
        """The names of parts that are not running now."""
        return [p.name for p in self._parts if p.process is None or p.process.poll() is not None]

    def _start(self, part: Part) -> None:
        # -P: a folder `ui` or `tracer` where somebody happens to stand is not ours.
        part.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "waypost", *part.verb],
            stdin=subprocess.PIPE,
            env=self._environment,
            start_new_session=True,
        )
        part.started_at = time.monotonic()

    def _mind(self, part: Part) -> None:
        now = time.monotonic()
        if part.process is not None:
            code = part.process.poll()
            if code is None:
                return
            part.process = None
            if part.once and code == 0:
                part.due_at = math.inf
                return
            if now - part.started_at > _CALM_SECONDS:
                part.wait = 1.0
            self._say(
                f"The {part.name} stopped (exit {code}); starting it again in {part.wait:.0f} s."
            )
            part.due_at = now + part.wait
            part.wait = min(part.wait * 2, _LONGEST_WAIT)
        elif now >= part.due_at:
            part.restarts += 1
            self._start(part)

    def _end_all(self) -> None:
        for part in reversed(self._parts):
            if part.process is not None and part.process.poll() is None:
                part.process.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        for part in self._parts:
            _end(part, deadline)


def _end(part: Part, deadline: float) -> None:
    if part.process is None:
        return
    try:
        part.process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        part.process.kill()
        part.process.wait()
    if part.process.stdin is not None:
        part.process.stdin.close()


def end_with_parent() -> None:
    """In a supervised process: stop when the supervisor is gone, however it went.

    Its end of our standard input closes with it, also after SIGKILL.
    """
    if os.environ.get(SUPERVISED) != "1":
        return

    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 1024):
                continue
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()


@contextlib.contextmanager
def on_signals(action: Callable[[], None]) -> Iterator[None]:
    """SIGINT and SIGTERM call `action` while the block runs."""

    def handle(_number: int, _frame: object) -> None:
        action()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
