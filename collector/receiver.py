"""What HTTP and gRPC have in common: the door, the ledger, the intake, the counts."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from collector.buffer import Intake
from collector.door import Door, secret_in
from collector.metrics import Metrics
from collector.pipeline import METRICS, Request
from collector.tickets import Answer, Busy, Code
from waypost.store.projects import Project


@dataclass(slots=True)
class Receiver:
    """One for the process; every transport hands its requests to it."""

    door: Door
    intake: Intake
    metrics: Metrics
    wire_limit: int
    draining: bool = False

    async def admit(self, headers: Mapping[str, str], address: str) -> Project:
        """The sender's project; NotAllowed or StoreAway otherwise."""
        secret = secret_in(headers)
        known = self.door.known(secret)
        if known is not None:
            return known
        return await asyncio.to_thread(self.door.admit, secret, address)

    def reserve(self, project: Project, size: int) -> None:
        """Take room for bytes that are about to be read; Busy when there is none."""
        self.intake.buffer.ledger.take(project.id, size)
        self.metrics.in_flight.set(self.intake.buffer.ledger.held)

    def release(self, project: Project, size: int) -> None:
        self.intake.buffer.ledger.give_back(project.id, size)
        self.metrics.in_flight.set(self.intake.buffer.ledger.held)

    async def take(self, request: Request) -> Answer:
        """The answer to a request whose bytes are reserved."""
        if self.draining:
            return Answer(Code.BUSY, message="The collector is shutting down; send again.")
        if request.signal == METRICS:
            self.metrics.count(request.project.id, METRICS, "dropped", 1, "metrics")
            return Answer()
        return await self.intake.submit(request, len(request.body))

    def note(self, transport: str, signal: str, code: str) -> None:
        with suppress(ValueError):
            self.metrics.requests.labels(transport, signal, code).inc()


__all__ = ["Busy", "Receiver"]
