"""What must be done now and then: days made ahead and dropped, changes counted, alerts sent."""

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from waypost.errors import WaypostError
from waypost.store import partitions, retention
from waypost.store.engine import Engine, plainly

HOURLY = 3600.0
TICK_SECONDS = 0.5
log = logging.getLogger("waypost.chores")


@dataclass(slots=True)
class Chore:
    """One thing to do every so many seconds."""

    name: str
    every: float
    do: Callable[[], object]
    due_at: float = 0.0


def first_line(error: BaseException) -> str:
    """An error in one line; a database's tells its whole statement after that."""
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:300]}"


def store_chores(engine: Engine) -> list[Chore]:
    """Keeping the store: partitions a week ahead, and what is past its keep-time dropped."""
    return [
        Chore("partitions", HOURLY, lambda: partitions.ensure_ahead(engine, _today())),
        Chore("retention", HOURLY, lambda: retention.apply(engine, today=_today())),
    ]


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()


def run_chores(chores: Sequence[Chore], stop: threading.Event) -> None:
    """Do what is due until told to stop; a chore that fails is told and done again later."""
    while not stop.wait(TICK_SECONDS):
        for chore in chores:
            if time.monotonic() >= chore.due_at:
                chore.due_at = time.monotonic() + chore.every
                _do(chore)


def _do(chore: Chore) -> None:
    try:
        with plainly():
            chore.do()
    except WaypostError as error:
        log.warning("Chore %s could not be done: %s", chore.name, error)
    except Exception as error:  # noqa: BLE001  the worker's loop: one chore must not end the others
        log.warning("Chore %s failed: %s", chore.name, first_line(error))
