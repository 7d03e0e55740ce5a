"""What `instrument` was asked to do, read once: arguments first, then the environment."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from waypost.errors import BadSetting
from waypost.redact import LEVELS

Redact: TypeAlias = str | Callable[[str], str]

DEFAULT_ENDPOINT: Final = "http://127.0.0.1:4318"
CONTENTS: Final = ("full", "delta", "none")
SPAN_NAMES: Final = ("contract", "semconv")
MAX_COHORT_KEYS: Final = 16


@dataclass(frozen=True, slots=True)
class Options:
    """How this process records its agents."""

    endpoint: str = DEFAULT_ENDPOINT
    headers: Mapping[str, str] = field(default_factory=dict)
    service: str | None = None
    content: str = "delta"
    span_names: str = "contract"
    redact: Redact = "standard"
    redact_key: bytes | None = None
    start_markers: bool = False
    cohort: Mapping[str, str] = field(default_factory=dict)
    queue_bytes: int = 64 * 1024 * 1024
    batch_bytes: int = 4 * 1024 * 1024
    batch_spans: int = 512
    delay_seconds: float = 1.0
    attribute_bytes: int = 256 * 1024
    keyframe_every: int = 64
    user_spans: bool = True
    pauses: str | None = None

    def __post_init__(self) -> None:
        _one_of("content", self.content, CONTENTS)
        _one_of("span_names", self.span_names, SPAN_NAMES)
        if not callable(self.redact):
            _one_of("redact", self.redact, LEVELS)


def traces_endpoint(endpoint: str | None) -> str:
    """Where spans go: the argument, the standard variables, or `waypost up` on loopback."""
    return _signal_endpoint(endpoint, "traces")


def logs_endpoint(endpoint: str | None) -> str:
    """Where feedback goes, by the same rules."""
    return _signal_endpoint(endpoint, "logs")


def _signal_endpoint(endpoint: str | None, signal: Literal["traces", "logs"]) -> str:
    if endpoint is None:
        own = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
        if own:
            return own
        endpoint = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or DEFAULT_ENDPOINT
    base = endpoint.rstrip("/").removesuffix("/v1/traces").removesuffix("/v1/logs")
    return f"{base}/v1/{signal}"


def schedule_delay() -> float:
    """Seconds between two exports, from the standard variable or one second."""
    text = os.environ.get("OTEL_BSP_SCHEDULE_DELAY", "")
    return float(text) / 1000 if text.replace(".", "", 1).isdigit() else 1.0


def headers(project_key: str | None, more: Mapping[str, str] | None) -> dict[str, str]:
    """The key of the project and the caller's own headers; OTEL_* headers are added by the SDK."""
    key = project_key or os.environ.get("WAYPOST_API_KEY")
    found = {"authorization": f"Bearer {key}"} if key else {}
    return {**found, **(more or {})}


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise BadSetting(f"{name}={value!r} is not one of {', '.join(allowed)}.")
