"""The socket for checks: whether what a project sets for its evaluators can be carried out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from waypost.errors import NotFound
from waypost.plugins import discover

PACKAGE: Final = "evaluators.checks"
GROUP: Final = "waypost.checks"


@dataclass(frozen=True, slots=True)
class SettingsCheck:
    """`check` takes the tables in force and a folder of evaluators; BadSetting says what is off."""

    check: Callable[[Mapping[str, Any], Path | None], None]


def checker(folder: Path | None = None) -> Callable[[Mapping[str, Any]], None]:
    """The check of this installation; NotFound when no evaluators are installed."""
    found = discover(SettingsCheck, package=PACKAGE, group=GROUP)
    if not found:
        raise NotFound("No evaluators are installed here, so their settings cannot be checked.")
    return lambda tables: found[0].check(tables, folder)
