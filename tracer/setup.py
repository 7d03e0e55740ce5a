"""Switches recording on and off in this process: provider, exporter, hooks, end of process."""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, Final, cast

from opentelemetry import trace
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.util.re import parse_env_headers

from tracer import options as settings
from tracer.export import Exporting
from tracer.imports import Later
from tracer.options import Options, Redact
from tracer.patches import PATCHES, Patch, Patched, apply, undo
from tracer.pauses import Pauses, default_folder
from tracer.queue import Counts, Queue
from tracer.recorder import Recorder
from tracer.sayings import Sender
from tracer.shield import LOG, shielded
from tracer.threads import Threads
from waypost import names

_FLUSH_AT_END: Final = 5.0
_COMPRESSION: Final = ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION")
_HOOKS: Final = "langchain_core.tracers.context"


@dataclass(slots=True)
class Recording:
    """Everything one `instrument()` set up."""

    options: Options
    recorder: Recorder
    processor: Exporting
    logs: Queue[LogRecord]
    provider: TracerProvider
    later: Later
    threads: Threads
    pauses: Pauses
    handler: Any = None
    variable: Any = None
    patched: list[Patched] = field(default_factory=list)


class Process:
    """The one recording of this process, or none."""

    def __init__(self) -> None:
        self.recording: Recording | None = None
        self.lock = threading.RLock()
        self.previous_sigterm: Any = None
        self.at_exit = False


PROCESS: Final = Process()


def instrument(  # noqa: PLR0913 - one line configures everything
    endpoint: str | None = None,
    *,
    service: str | None = None,
    project_key: str | None = None,
    content: str = "delta",
    span_names: str = "contract",
    redact: Redact = "standard",
    redact_key: bytes | None = None,
    start_markers: bool = False,
    headers: Mapping[str, str] | None = None,
    cohort: Mapping[str, str] | None = None,
    queue_bytes: int = 64 * 1024 * 1024,
    user_spans: bool = True,
    pauses: str | Path | None = None,
    exporter: SpanExporter | None = None,
    clock: Callable[[], int] | None = None,
) -> None:
    """Record every LangChain and LangGraph run of this process from now on.

    Spans go to `endpoint`, else where the standard `OTEL_*` variables say, else to `waypost up` on
    loopback. Calling it again changes nothing. BadSetting if an argument has an unknown value.
    """
    chosen = Options(
        endpoint=settings.traces_endpoint(endpoint),
        headers=settings.headers(project_key, headers),
        service=service or os.environ.get("OTEL_SERVICE_NAME"),
        content=content,
        span_names=span_names,
        redact=redact,
        redact_key=redact_key,
        start_markers=start_markers,
        cohort=cohort or {},
        queue_bytes=queue_bytes,
        delay_seconds=settings.schedule_delay(),
        user_spans=user_spans,
        pauses=str(pauses) if pauses else os.environ.get("WAYPOST_PAUSES"),
    )
    with PROCESS.lock:
        if PROCESS.recording is None and not _is_disabled():
            logs_to = settings.logs_endpoint(endpoint)
            PROCESS.recording = _set_up(chosen, exporter, logs_to, clock)
            _watch_the_end()


def uninstrument() -> None:
    """Stop recording, put every wrapped name back, and send what is queued."""
    with PROCESS.lock:
        recording, PROCESS.recording = PROCESS.recording, None
    if recording is None:
        return
    if recording.handler is not None:
        recording.handler.enabled = False
    _unregister(recording.variable)
    recording.later.remove()
    recording.threads.remove()
    for patched in reversed(recording.patched):
        undo(patched)
    _end_open(recording)
    recording.processor.shutdown()
    recording.logs.close()


def flush(timeout: float = 30.0) -> bool:
    """Send everything that has ended; False if it did not arrive in time."""
    recording = PROCESS.recording
    if recording is None:
        return True
    if recording.handler is not None:
        recording.handler.loops.sweep()
    arrived = recording.processor.queue.flush(timeout)
    return recording.logs.flush(timeout) and arrived


def stats() -> Counts:
    """How many spans were queued, sent and dropped so far."""
    recording = PROCESS.recording
    return recording.processor.queue.counts if recording else Counts()


def recorder() -> Recorder | None:
    """The recorder of this process, if it records."""
    return PROCESS.recording.recorder if PROCESS.recording else None


def _set_up(
    chosen: Options, exporter: SpanExporter | None, logs_to: str, clock: Callable[[], int] | None
) -> Recording:
    processor = Exporting(exporter or _otlp(chosen), chosen)
    own = _provider(chosen)
    more: dict[str, Any] = {"clock": clock} if clock else {}
    recorder = Recorder(chosen, _Tracers(own, processor), mark=processor.mark, **more)
    folder = Path(chosen.pauses) if chosen.pauses else default_folder()
    sender = Sender(
        logs_to, _all_headers(chosen), dict(own.resource.attributes), version=_version()
    )
    logs: Queue[LogRecord] = Queue(
        sender, max_bytes=8 * 1024 * 1024, batch_bytes=chosen.batch_bytes,
        batch_items=chosen.batch_spans, delay=chosen.delay_seconds, name="waypost-feedback",
    )  # fmt: skip
    recording = Recording(
        chosen, recorder, processor, logs, own, Later(), Threads(), Pauses(folder)
    )
    recording.threads.install()
    _hook(recording)
    return recording


def _otlp(chosen: Options) -> SpanExporter:
    """OTLP over HTTP, compressed unless the standard variables say otherwise."""
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    decided = any(name in os.environ for name in _COMPRESSION)
    return OTLPSpanExporter(
        endpoint=chosen.endpoint,
        headers=dict(chosen.headers) or None,
        compression=None if decided else Compression.Gzip,
    )


def _provider(chosen: Options) -> TracerProvider:
    """A provider of our own, for processes that have none; it never becomes the global one."""
    attributes = {"service.name": chosen.service} if chosen.service else {}
    return TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)


class _Tracers:
    """The tracer of the user's provider if there is one by now, else of our own.

    Our processor is added to a provider once, when it is first seen.
    """

    def __init__(self, own: TracerProvider, processor: SpanProcessor) -> None:
        self._own = own
        self._processor = processor
        self._version = _version()
        self._known: list[tuple[TracerProvider, trace.Tracer]] = []
        self._lock = threading.Lock()

    def __call__(self) -> trace.Tracer:
        found = trace.get_tracer_provider()
        provider = found if isinstance(found, TracerProvider) else self._own
        for known, tracer in self._known:
            if known is provider:
                return tracer
        with self._lock:
            provider.add_span_processor(self._processor)
            tracer = provider.get_tracer(names.SCOPE, self._version)
            self._known.append((provider, tracer))
        return tracer


def _hook(recording: Recording) -> None:
    """Listen to LangChain as soon as it is imported; import nothing of it."""
    later = recording.later

    def listen(_: ModuleType) -> None:
        recording.handler = _listen(recording)
        for patch in PATCHES:
            later.when(patch.module, partial(_patch, recording, patch))

    later.when(_HOOKS, listen)
    later.install()


def _listen(recording: Recording) -> Any:
    from contextvars import ContextVar

    from langchain_core.tracers.context import register_configure_hook

    from tracer.humans import Humans
    from tracer.langchain import StepHandler

    handler = StepHandler(recording.recorder, Humans(recording.recorder, recording.pauses))
    # A default is seen in every thread and task.
    variable: ContextVar[Any] = ContextVar("waypost-handler", default=handler)
    register_configure_hook(variable, inheritable=True)
    recording.variable = variable
    recording.processor.queue.tick = shielded(handler.loops.sweep)
    return handler


@shielded
def _unregister(variable: Any) -> None:
    """LangChain has no way to take a hook back but its list; a disabled handler does no harm."""
    module = sys.modules.get(_HOOKS)
    hooks = getattr(module, "_configure_hooks", None)
    if variable is not None and isinstance(hooks, list):
        hooks[:] = [hook for hook in hooks if hook[0] is not variable]


@shielded
def _patch(recording: Recording, patch: Patch, module: ModuleType) -> None:
    patched = apply(patch, module, recording.handler)
    if patched is not None:
        recording.patched.append(patched)


def _watch_the_end() -> None:
    if not PROCESS.at_exit:
        PROCESS.at_exit = True
        atexit.register(_at_exit)
        os.register_at_fork(after_in_child=_after_fork)
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _on_sigterm)


@shielded
def _at_exit() -> None:
    recording = PROCESS.recording
    if recording is not None:
        _end_open(recording)
        recording.processor.queue.close(_FLUSH_AT_END)
        recording.logs.close(_FLUSH_AT_END)


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    """Send what there is, then end as the signal wants it.

    In a thread of its own, because the main thread may hold a lock at this very moment.
    """
    worker = threading.Thread(target=_at_exit, daemon=True)
    worker.start()
    worker.join(_FLUSH_AT_END + 1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


@shielded
def _end_open(recording: Recording) -> None:
    """Close the spans of runs that will not end any more."""
    if recording.handler is not None:
        recording.handler.loops.close_all()
    for root in list(recording.recorder.roots.values()):
        recording.recorder.finish_root(root, status="abandoned")


def _after_fork() -> None:
    """In a child: what was open belongs to the parent, and no lock can be trusted."""
    recording = PROCESS.recording
    if recording is None:
        return
    recording.recorder.forget_open()
    if recording.handler is not None:
        recording.handler.forget_open()


def _all_headers(chosen: Options) -> dict[str, str]:
    text = os.environ.get("OTEL_EXPORTER_OTLP_LOGS_HEADERS") or os.environ.get(
        "OTEL_EXPORTER_OTLP_HEADERS", ""
    )
    return {**cast(dict[str, str], parse_env_headers(text, liberal=True)), **chosen.headers}


def _version() -> str:
    try:
        return version("waypost")
    except PackageNotFoundError:
        return "0"


def _is_disabled() -> bool:
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if disabled:
        LOG.info("OTEL_SDK_DISABLED is set: nothing is recorded")
    return disabled
