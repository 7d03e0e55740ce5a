"""The demo's traffic is the same for a seed, and plants what the home page must find."""

from collections import Counter

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.receiver import Receiver
from waypost.demo.send import send
from waypost.demo.situations import HAIKU, situations
from waypost.errors import WaypostError

NOW = 1_795_000_000 * 10**9


def test_the_same_seed_gives_the_same_traffic() -> None:
    assert list(situations(50, seed=3)) == list(situations(50, seed=3))
    assert list(situations(50, seed=3)) != list(situations(50, seed=4))


def test_the_planted_cohort_fails_and_the_others_seldom_do() -> None:
    made = list(situations(480))
    cell = [s for s in made if (s.prompt, s.model, s.region) == ("v15", HAIKU, "eu")]
    rest = [s for s in made if s not in cell]
    assert len(cell) >= 25
    assert sum(s.kind == "beyond" for s in cell) / len(cell) > 0.3
    assert sum(s.kind == "beyond" for s in rest) / len(rest) < 0.05
    assert sum(s.kind == "injected" for s in made) >= 8


def test_every_way_of_failing_occurs() -> None:
    kinds = Counter(s.kind for s in situations(480))
    assert {"loop", "drift", "over_refusal", "invented", "repeat", "beyond", "injected"} <= set(
        kinds
    )


def test_the_runs_go_through_the_real_tracer(receiver: Receiver) -> None:
    exporter = InMemorySpanExporter()
    assert send(receiver.url, now=NOW, count=12, exporter=exporter) == 12
    spans = exporter.get_finished_spans()
    roots = {s.context.trace_id for s in spans if s.parent is None and s.context}
    assert len(roots) >= 12
    assert all(NOW - 50 * 3600 * 10**9 < (s.start_time or 0) <= NOW for s in spans)
    kinds = {(s.attributes or {}).get("agent.trajectory.kind") for s in spans}
    assert {"llm", "tool", "retrieval"} <= kinds


def test_runs_that_a_collector_refuses_are_not_called_sent(receiver: Receiver) -> None:
    receiver.status = 401
    with pytest.raises(WaypostError, match="give one that may send with --key"):
        send(receiver.url, now=NOW, count=2)
