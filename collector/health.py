"""Whether this collector can take spans now, looked at every second."""

import threading
from typing import Final

from collector.buffer import Intake
from waypost.errors import WaypostError
from waypost.store.engine import Engine, plainly
from waypost.store.migrate import check
from waypost.store.projects import every

_EVERY: Final = 1.0


class Health:
    """Ready when Postgres answers, its schema is current and the spool has room."""

    def __init__(self, engine: Engine, intake: Intake) -> None:
        self._engine = engine
        self._intake = intake
        self._reason = "The collector is starting."
        self._draining = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look_forever, name="health", daemon=True)

    @property
    def reason(self) -> str:
        """Why it is not ready; empty when it is."""
        return "The collector is shutting down." if self._draining else self._reason

    def start(self) -> None:
        self._thread.start()

    def drain(self) -> None:
        self._draining = True

    def stop(self) -> None:
        self._stop.set()

    def _look_forever(self) -> None:
        while not self._stop.is_set():
            self._reason = self._look()
            self._stop.wait(_EVERY)

    def _look(self) -> str:
        if self._intake.spool.is_full:
            return "The spool is full."
        try:
            with plainly(), self._engine.connect() as connection:
                check(connection)
                every(connection)
        except WaypostError as error:
            return str(error)
        return ""
