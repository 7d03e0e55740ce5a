"""Runs the demo's conversations through the real tracer, to whatever collector listens."""

import tempfile
from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.trace.export import SpanExporter

import tracer
from waypost.demo.agent import Office, make_agent, make_office, run
from waypost.demo.clock import SECOND, Clock
from waypost.demo.situations import HOURS, Situation, situations
from waypost.errors import WaypostError

COUNT = 480


def send(
    endpoint: str,
    *,
    now: int,
    count: int = COUNT,
    seed: int = 15,
    project_key: str | None = None,
    step: Callable[[Situation], None] = lambda _: None,
    exporter: SpanExporter | None = None,
) -> int:
    """Send `count` conversations that ended by `now` (nanoseconds); how many were sent.

    WaypostError when they do not arrive.
    """
    clock = Clock(now - HOURS * 3600 * SECOND)
    office = make_office(clock)
    agents = {}
    sent = 0
    with tempfile.TemporaryDirectory(prefix="waypost-demo-") as pauses:
        tracer.instrument(
            endpoint, service="benefits-assistant", project_key=project_key, clock=clock,
            pauses=pauses, exporter=exporter,
        )  # fmt: skip
        try:
            for situation in situations(count, seed):
                key = (situation.model, situation.prompt)
                if key not in agents:
                    agents[key] = make_agent(office, model=key[0], prompt=key[1])
                _play(agents[key], office, clock, situation, now)
                step(situation)
                sent += 1
                if sent % 50 == 0:
                    _arrive(endpoint)
            _arrive(endpoint)
        finally:
            tracer.uninstrument()
    return sent


def _arrive(endpoint: str) -> None:
    """See what was sent so far arrive; WaypostError when it does not, asked twice."""
    arrived = tracer.flush() or tracer.flush()
    if not arrived or tracer.stats().dropped:
        raise WaypostError(
            f"The collector at {endpoint} does not take the runs. "
            "If it asks for a key, give one that may send with --key."
        )


def _play(agent: Any, office: Office, clock: Clock, situation: Situation, now: int) -> None:
    clock.set(now - int(situation.hours_ago * 3600 * SECOND) - 240 * SECOND)
    office.script.load(situation.turns)
    office.pages.poison(situation.poisoned)
    with tracer.context(
        session=situation.session,
        user=f"user-{situation.number % 97:03d}",
        route=f"{situation.region}/{situation.model}",
        prompt=("benefits", situation.prompt),
        cohort={"region": situation.region, "tenant": situation.tenant, "environment": "demo"},
    ):
        run(
            agent, office, situation.question, thread=f"demo-{situation.number}-{now}",
            decisions=situation.decisions,
        )  # fmt: skip
    _react(office.script.trajectory, clock, situation)


def _react(trajectory: str | None, clock: Clock, situation: Situation) -> None:
    """What the person says afterwards: a thumb, and now and then an escalation."""
    if trajectory is None or situation.thumbs is None:
        return
    clock.pass_seconds(30)
    up = situation.thumbs == "up"
    tracer.feedback(trajectory, "thumbs", value=float(up), label=situation.thumbs)
    if not up and situation.number % 3 == 0:
        tracer.feedback(trajectory, "escalation", label="escalated")
