"""Replays are experiments: a question about cohorts counts them only where it names them."""

from collections.abc import Iterable, Mapping
from typing import Final

ENVIRONMENT: Final = "environment"
REPLAY: Final = "replay"
_NAMING: Final = frozenset({ENVIRONMENT, "trial"})


def are_asked_for(keys: Iterable[str]) -> bool:
    """Whether a question that names these cohort keys means replays too."""
    return not _NAMING.isdisjoint(keys)


def is_replay(values: Mapping[str, str]) -> bool:
    """Whether a cohort is one of replays."""
    return values.get(ENVIRONMENT) == REPLAY
