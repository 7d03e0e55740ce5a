"""CPU seconds of this process and of a Postgres server, and databases to measure in."""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy.engine import Engine

from waypost.store.embedded import EmbeddedPostgres
from waypost.store.engine import connect
from waypost.store.migrate import migrate


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU seconds of client and server."""

    client: float
    server: float

    @property
    def total(self) -> float:
        return self.client + self.server

    def __sub__(self, other: "Cpu") -> "Cpu":
        return Cpu(self.client - other.client, self.server - other.server)


class Bench:
    """An embedded server of its own, with an engine over a migrated database."""

    def __init__(self, server: EmbeddedPostgres, engine: Engine) -> None:
        self.server = server
        self.engine = engine

    def cpu(self) -> Cpu:
        """CPU used so far, the server's ended processes included."""
        postmaster = self.server.postmaster()
        assert postmaster is not None
        own = postmaster.cpu_times()
        used = own.user + own.system + own.children_user + own.children_system
        for child in postmaster.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                times = child.cpu_times()
                used += times.user + times.system
        return Cpu(time.process_time(), used)

    def cost(self, work: Callable[[], object]) -> Cpu:
        """The CPU that `work` takes, here and in the server."""
        before = self.cpu()
        work()
        return self.cpu() - before


@contextlib.contextmanager
def bench(*, buffers_mb: int = 1024, fsync: bool = True) -> Iterator[Bench]:
    """A fresh server with the whole schema, gone afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="waypost-bench-", ignore_cleanup_errors=True) as folder,
        EmbeddedPostgres(Path(folder), buffers_mb=buffers_mb, fsync=fsync) as server,
    ):
        engine = connect(server.url)
        migrate(engine)
        try:
            yield Bench(server, engine)
        finally:
            engine.dispose()
