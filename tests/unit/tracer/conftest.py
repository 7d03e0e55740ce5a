"""A tracer that exports to memory, switched off again after each test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

import tracer
from tests.unit.tracer.harness import Clock, Memory

Spans = Callable[[], list[ReadableSpan]]


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Callable[..., Spans]]:
    """Switch the tracer on with these options; the result gives the spans exported so far."""

    def switch_on(**options: Any) -> Spans:
        memory = Memory()
        options.setdefault("pauses", tmp_path / "pauses")
        options.setdefault("endpoint", "http://127.0.0.1:1")
        tracer.instrument(exporter=memory, clock=Clock(), **options)

        def spans() -> list[ReadableSpan]:
            assert tracer.flush(10)
            return list(memory.spans)

        return spans

    yield switch_on
    tracer.uninstrument()


@pytest.fixture
def spans(record: Callable[..., Spans]) -> Spans:
    return record()
