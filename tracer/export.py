"""From ended spans to the wire: which spans are ours to send, and start markers."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry import context as otel
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Span as ApiSpan

from tracer.options import Options
from tracer.queue import Queue, size_of
from tracer.run import NODE
from waypost import names

_FOREIGN: Final = 100_000


class Exporting(SpanProcessor):
    """Takes our spans, and the user's own spans below them, to one exporter."""

    def __init__(self, exporter: SpanExporter, options: Options) -> None:
        self._exporter = exporter
        self._user_spans = options.user_spans
        self._below: set[int] = set()
        self._lock = threading.Lock()
        self._closed = False
        self.queue: Queue[ReadableSpan] = Queue(
            self._send,
            max_bytes=options.queue_bytes,
            batch_bytes=options.batch_bytes,
            batch_items=options.batch_spans,
            delay=options.delay_seconds,
        )

    def on_start(self, span: Span, parent_context: otel.Context | None = None) -> None:
        """Remember a span of the user's that hangs below a step."""
        if self._closed or not self._user_spans or _is_ours(span):
            return
        if otel.get_value(NODE, parent_context) is not None and len(self._below) < _FOREIGN:
            with self._lock:
                self._below.add(span.context.span_id)

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span if it is ours or below one of ours."""
        if self._closed:
            return
        if not _is_ours(span):
            span_id = span.context.span_id if span.context else 0
            if span_id not in self._below:
                return
            with self._lock:
                self._below.discard(span_id)
        if span.context is not None and span.context.trace_flags.sampled:
            self.queue.put(span, size_of(span.attributes))

    def mark(self, span: ApiSpan, attributes: Mapping[str, Any]) -> None:
        """Send word that a step has begun: the same span, ended where it starts."""
        if isinstance(span, Span):
            marker = ReadableSpan(
                name=span.name, context=span.context, parent=span.parent, resource=span.resource,
                attributes=dict(attributes), kind=span.kind, status=span.status,
                start_time=span.start_time, end_time=span.start_time,
                instrumentation_scope=span.instrumentation_scope,
            )  # fmt: skip
            self.queue.put(marker, size_of(attributes))

    def shutdown(self) -> None:
        """Send what is left; a provider keeps its processors, so from now on this one is idle."""
        if self._closed:
            return
        self._closed = True
        self.queue.close()
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self.queue.flush(timeout_millis / 1000)

    def _send(self, batch: Sequence[ReadableSpan], /) -> bool:
        return self._exporter.export(batch) is SpanExportResult.SUCCESS


def _is_ours(span: ReadableSpan) -> bool:
    scope = span.instrumentation_scope
    return scope is not None and scope.name == names.SCOPE
