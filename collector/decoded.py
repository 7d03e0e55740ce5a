"""What decoding a request gives: records, and what was refused and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from waypost.names import EVENT_FEEDBACK
from waypost.records import Json, LogRecord, RawSpan


@dataclass(frozen=True, slots=True)
class Refusal:
    """One span or record that is not taken."""

    reason: str
    span_id: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the spans of one group come from."""

    resource: Mapping[str, Json]
    scope_name: str = ""
    scope_version: str = ""


@dataclass(slots=True)
class Decoded:
    """The spans of one request."""

    spans: list[RawSpan] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


@dataclass(slots=True)
class DecodedLogs:
    """The log records of one request that belong to us; `dropped` counts the others."""

    records: list[LogRecord] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    dropped: int = 0


def is_ours(event_name: str) -> bool:
    """Whether a log record of that name carries content or a verdict."""
    return event_name.startswith("gen_ai.") or event_name == EVENT_FEEDBACK
