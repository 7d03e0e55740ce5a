"""Bounded batches behind the receivers: one thread reads requests, one commits them in groups."""

import asyncio
import datetime as dt
import logging
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from collector.decoded import Refusal
from collector.door import Door
from collector.inflate import TooLarge
from collector.metrics import Complaints, Metrics
from collector.packing import Parcel
from collector.pipeline import LOGS, TRACES, Pipeline, Prepared, Request
from collector.spool import Spool
from collector.tickets import Answer, Buffer, Busy, Code, Ticket, Weight
from waypost.errors import DiskFull, StoreAway, Unreadable, WaypostError
from waypost.store.engine import Engine, plainly
from waypost.store.ingest import Writer, count_intake

_GROUP_SPANS: Final = 1_000
_GROUP_BYTES: Final = 8 << 20
_READ_BYTES: Final = 32 << 20
_GROUP_SECONDS: Final = 0.02
_BUSY_SECONDS: Final = 0.005
_AWAY_SECONDS: Final = 1.0
_FLUSH_SECONDS: Final = 5.0
# By name, because only the store knows the driver.
_FAULTS_OF_DATA: Final = frozenset(
    {"DataError", "IntegrityError", "ValueError", "TypeError", "OverflowError",
     "UnicodeEncodeError", "JSONEncodeError", "StatementError"}
)  # fmt: skip
_log = logging.getLogger("waypost.collector")


@dataclass(slots=True)
class Load:
    """A ticket with what its request came to."""

    ticket: Ticket
    prepared: Prepared


class Intake:
    """Takes requests from any receiver and answers each once it is safe."""

    def __init__(
        self,
        engine: Engine,
        door: Door,
        metrics: Metrics,
        spool: Spool,
        *,
        in_flight_limit: int,
        inflated_limit: int,
    ) -> None:
        self._engine = engine
        self._door = door
        self._metrics = metrics
        self.spool = spool
        self.buffer = Buffer(in_flight_limit)
        self._pipeline = Pipeline(metrics, inflated_limit=inflated_limit)
        self._writer = Writer(engine)
        self._groups: queue.Queue[list[Load] | None] = queue.Queue(maxsize=1)
        self._complaints = Complaints()
        self._away_until = 0.0
        self._flushed = time.monotonic()
        self._writer_waits = threading.Event()
        self._unwritten = Weight()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._read_forever, name="reader", daemon=True),
            threading.Thread(target=self._write_forever, name="writer", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float) -> bool:
        """Finish what is open; True when everything was answered in time."""
        self.buffer.close()
        self._stop.set()
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.1, end - time.monotonic()))
        self.spool.close()
        return not any(thread.is_alive() for thread in self._threads)

    async def submit(self, request: Request, size: int) -> Answer:
        """The answer to a request, after its commit; `size` was taken from the ledger."""
        loop = asyncio.get_running_loop()
        ticket = Ticket(request, size, loop, loop.create_future())
        try:
            self.buffer.put(ticket)
        except Busy:
            return Answer(Code.BUSY, message="The collector is shutting down; send again.")
        return await ticket.future

    def _finish(self, ticket: Ticket, answer: Answer) -> None:
        self.buffer.done(ticket)
        ticket.answer(answer)

    # The reading thread.

    def _read_forever(self) -> None:
        while True:
            group: list[Load] = []  # the last one is the writer's alone
            self._unwritten.wait_below(_READ_BYTES)
            group = self._gather()
            if group:
                self._unwritten.add(_weight(group))
                self._groups.put(group)
            elif self.buffer.is_closed:
                self._groups.put(None)
                return

    def _gather(self) -> list[Load]:
        """Requests read until there are enough spans, or the first has waited long enough.

        While the writer is busy waiting costs nothing, and larger groups cost it less.
        """
        ticket = self.buffer.get(0.25)
        end = time.monotonic() + _GROUP_SECONDS
        group: list[Load] = []
        spans = weight = 0
        while ticket is not None:
            prepared = self._prepare(ticket)
            if prepared is not None:
                group.append(Load(ticket, prepared))
                spans += prepared.size
                weight += prepared.weight
            if spans >= _GROUP_SPANS or weight >= _GROUP_BYTES:
                break
            ticket = self._next_until(end)
        return group

    def _next_until(self, end: float) -> Ticket | None:
        """The next request for the group; None when the group is to be written."""
        while True:
            left = end - time.monotonic()
            if left <= 0 and self._writer_waits.is_set():
                return None
            ticket = self.buffer.get(max(left, _BUSY_SECONDS))
            if ticket is not None or self.buffer.is_closed:
                return ticket

    def _prepare(self, ticket: Ticket) -> Prepared | None:
        request = ticket.request
        try:
            key = self._door.id_key(request.project.id)
            return self._pipeline.prepare(request, key)
        except TooLarge as error:
            self._finish(ticket, Answer(Code.TOO_LARGE, message=str(error)))
        except Unreadable as error:
            self._finish(ticket, Answer(Code.UNREADABLE, message=str(error)))
        except WaypostError as error:
            self._finish(ticket, Answer(Code.BUSY, message=str(error)))
        except Exception as error:  # noqa: BLE001 - one request must not end the thread for all
            self._complain("read", error)
            self._finish(ticket, Answer(Code.BUSY, message="The request could not be read now."))
        return None

    # The writing thread.

    def _write_forever(self) -> None:
        while True:
            self._writer_waits.set()
            try:
                group = self._groups.get(timeout=0.25)
            except queue.Empty:
                self._idle()
                continue
            finally:
                self._writer_waits.clear()
            if group is None:
                self._flush_counts(force=True)
                return
            self._write(group)
            weight, group = _weight(group), []
            self._unwritten.add(-weight)
            self._idle()

    def _write(self, group: list[Load]) -> None:
        if time.monotonic() < self._away_until:
            self._keep(group)
            return
        started = time.monotonic()
        try:
            refused = self._commit([load.prepared.parcel for load in group])
        except StoreAway as error:
            self._away_until = time.monotonic() + _AWAY_SECONDS
            self._complain("away", error)
            self._keep(group)
        except DiskFull as error:
            self._complain("full", error)
            self._refuse_all(group, str(error))
        except Exception as error:  # noqa: BLE001 - whatever Postgres says, each sender is answered
            self._complain("write", error)
            if _is_fault_of_data(error):
                self._write_apart(group)
            else:
                self._refuse_all(group, "Postgres could not take this now; send it again.")
        else:
            self._metrics.commit_seconds.observe(time.monotonic() - started)
            for load, more in zip(group, refused, strict=True):
                self._accept(load, more)

    def _commit(self, parcels: Sequence[Parcel]) -> list[list[Refusal]]:
        """Write the parcels in one transaction; what was refused of each."""
        written = {}
        refused: list[list[Refusal]] = []
        known: dict[int, int] = {}
        with self._writer.batch() as batch:
            for parcel in parcels:
                done = batch.put(
                    parcel.project_id,
                    parcel.readings,
                    contents=parcel.contents,
                    feedback=parcel.feedback,
                    keep_days=self._door.keep_days(parcel.project_id),
                )
                fresh = done.refused[known.get(parcel.project_id, 0) :]
                known[parcel.project_id] = len(done.refused)
                refused.append([Refusal(reason, span) for span, reason in fresh])
                written[parcel.project_id] = done
        for project, done in written.items():
            self._metrics.count(project, TRACES, "stored", done.stored)
            self._metrics.count(project, TRACES, "repeated", done.repeated)
        return refused

    def _write_apart(self, group: list[Load]) -> None:
        """A value that Postgres refuses fails its whole group: find it, and store the others."""
        for load in group:
            parcel = load.prepared.parcel
            try:
                refused = self._commit([parcel])[0]
            except Exception as error:  # noqa: BLE001 - the same, for one request of the group
                refused = self._write_spans_apart(parcel, error)
            self._accept(load, refused)

    def _write_spans_apart(self, parcel: Parcel, error: Exception) -> list[Refusal]:
        """Store each span of a request that can be stored; the others are refused."""
        refused: list[Refusal] = []
        for reading in parcel.readings:
            try:
                refused += self._commit([Parcel(parcel.project_id, (reading,))])[0]
            except Exception:  # noqa: BLE001 - the same, for one span of the request
                refused.append(Refusal("cannot be stored", reading.step.span_id))
        if not parcel.readings:
            refused.append(Refusal(f"cannot be stored: {type(error).__name__}"))
        return refused

    def _keep(self, group: list[Load]) -> None:
        """Postgres is away: to the spool, and only then is it acknowledged."""
        try:
            self.spool.put([load.prepared.parcel for load in group])
        except DiskFull as error:
            self._complain("spool", error)
            self._refuse_all(group, str(error))
            return
        for load in group:
            parcel = load.prepared.parcel
            self._metrics.count(parcel.project_id, _signal(load), "spooled", load.prepared.size)
            self._accept(load, [])

    def _accept(self, load: Load, more: list[Refusal]) -> None:
        refused = [*load.prepared.refused, *more]
        project = load.prepared.parcel.project_id
        for refusal in refused:
            reason = refusal.reason.partition(" than ")[0]
            self._metrics.count(project, _signal(load), "refused", 1, reason)
        message = ""
        if refused:
            first = refused[0]
            message = f"{first.reason} (first span id: {first.span_id or 'none'})"
        self._finish(load.ticket, Answer(Code.OK, len(refused), message))

    def _refuse_all(self, group: list[Load], message: str) -> None:
        for load in group:
            self._finish(load.ticket, Answer(Code.BUSY, message=message))

    def _idle(self) -> None:
        self._play_spool()
        self._flush_counts()

    def _play_spool(self) -> None:
        """Write one segment of the spool, if Postgres answers again."""
        if not self.spool or time.monotonic() < self._away_until:
            return
        try:
            segments = self.spool.play()
            for parcels in segments:
                for start in range(0, len(parcels), 64):
                    self._commit(parcels[start : start + 64])
                if self.buffer.pending and not self._stop.is_set():
                    next(segments, None)  # removes the segment just played
                    return
        except (StoreAway, DiskFull):
            self._away_until = time.monotonic() + _AWAY_SECONDS
        except Exception as error:  # noqa: BLE001 - a spool that cannot be played must not stop intake
            self._complain("spool", error)
            self._away_until = time.monotonic() + 10 * _AWAY_SECONDS
        finally:
            self._metrics.spool_corrupt.inc(self.spool.take_corrupt())
            self._metrics.spool_bytes.set(self.spool.size)

    def _flush_counts(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if now < self._away_until or (not force and now - self._flushed < _FLUSH_SECONDS):
            return
        self._flushed = now
        counts = self._metrics.take_intake()
        try:
            with plainly(), self._engine.begin() as connection:
                for project, found in counts.items():
                    count_intake(connection, project, found, now=dt.datetime.now(dt.UTC))
            self._door.note_use()
        except Exception as error:  # noqa: BLE001 - counts wait; spans do not wait for counts
            self._metrics.return_intake(counts)
            self._complain("counts", error)

    def _complain(self, what: str, error: Exception) -> None:
        """One line a minute and reason; content never goes into a log."""
        reason = f"{what}: {type(error).__name__}"
        if self._complaints.due(reason):
            told = str(error) if isinstance(error, WaypostError) else type(error).__name__
            _log.warning("collector could not %s: %s", what, told)


def _is_fault_of_data(error: Exception) -> bool:
    return not _FAULTS_OF_DATA.isdisjoint(kind.__name__ for kind in type(error).__mro__)


def _weight(group: list[Load]) -> int:
    return sum(load.prepared.weight for load in group)


def _signal(load: Load) -> str:
    return LOGS if load.ticket.request.signal == LOGS else TRACES
