"""The socket for previews: what an alert rule would have done on stored history."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from waypost.plugins import discover

PACKAGE: Final = "evaluators.alerts.previews"
GROUP: Final = "waypost.previews"


@dataclass(frozen=True, slots=True)
class Fired:
    """One moment at which a rule would have fired (or come back) for a cohort."""

    at: dt.datetime
    label: tuple[str, ...]
    fired: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """Checks a rule's table and runs it over stored history.

    `check` returns the rule as it would be stored and raises BadSetting with a sentence;
    `run` takes a connection, project, table, and the ends of the period.
    """

    check: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    run: Callable[[Any, int, Mapping[str, Any], dt.datetime, dt.datetime], list[Fired]]


def find() -> Preview | None:
    """The preview of this installation; None when no evaluators are installed."""
    found = discover(Preview, package=PACKAGE, group=GROUP)
    return found[0] if found else None
