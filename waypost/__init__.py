"""Waypost records what an AI agent did, judges every step, and says which cohort is failing."""

from waypost.errors import WaypostError
from waypost.records import (
    Cohort,
    Document,
    Evidence,
    Feedback,
    Kind,
    LogRecord,
    Message,
    Outcome,
    RawSpan,
    Score,
    Status,
    Step,
    Tokens,
    Trajectory,
)

__version__ = "0.1.0"

__all__ = [
    "Cohort",
    "Document",
    "Evidence",
    "Feedback",
    "Kind",
    "LogRecord",
    "Message",
    "Outcome",
    "RawSpan",
    "Score",
    "Status",
    "Step",
    "Tokens",
    "Trajectory",
    "WaypostError",
]
