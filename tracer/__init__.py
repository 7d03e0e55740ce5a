"""Runs in the agent's process: LangChain callbacks become spans, spans become OTLP.

`import tracer; tracer.instrument()` records every LangChain and LangGraph run of the process.
"""

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tracer.replays.session import replay
    from tracer.setup import flush, instrument, stats, uninstrument
    from tracer.steps import (
        context,
        evaluation,
        feedback,
        guardrail,
        handoff,
        memory,
        retrieval,
        step,
        trajectory,
        trajectory_id,
    )

__all__ = [
    "context",
    "evaluation",
    "feedback",
    "flush",
    "guardrail",
    "handoff",
    "instrument",
    "memory",
    "replay",
    "retrieval",
    "stats",
    "step",
    "trajectory",
    "trajectory_id",
    "uninstrument",
]

_HOMES: Final = {
    **dict.fromkeys(__all__, "tracer.steps"),
    **dict.fromkeys(("flush", "instrument", "stats", "uninstrument"), "tracer.setup"),
    "replay": "tracer.replays.session",
}


def __getattr__(name: str) -> object:
    """Load what is heavy on first use only."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tracer' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value
