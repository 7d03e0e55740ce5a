"""What a gate asks of a trial: conditions, written in words or as tables of waypost.toml."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from waypost.errors import BadSetting, WrongUse

EXPECTATION, ERRORS, DIFFERENCES = "expectation", "errors", "differences"
MEASURES: Final = (EXPECTATION, ERRORS, DIFFERENCES)
_WRITTEN = re.compile(
    r"(?P<name>\S.*?)\s+(?:(?P<verb>fails?|worse)\s*)?(?:<=|≤)\s*(?P<limit>\d+(?:\.\d+)?)\s*%"
)
_FORM = '"groundedness fails <= 5%", "expectation fails <= 0%" or "groundedness worse <= 2%"'
_ENTRIES: Final[Mapping[str, str]] = {
    "project": "the name of a project",
    "dataset": "the name of a dataset",
    "evaluator": "the name of an evaluator",
    "measure": "expectation, errors or differences",
    "max_fail_rate": "a share from 0 to 1",
    "max_worse_than_baseline": "a share from 0 to 1",
    "confidence": "a share from 0.5 to 0.999",
    "min_cases": "a whole number of 1 or more",
}


@dataclass(frozen=True, slots=True)
class Condition:
    """How often cases may fail by one measure: an evaluator, or what every trial can be asked.

    `limit` bounds the fail rate, `worse` how much it may exceed the baseline's. A bound of 0 is
    about these very cases: none may fail, none that passed may fail now.
    """

    measure: str
    limit: float | None = None
    worse: float | None = None
    confidence: float = 0.95
    min_cases: int = 0

    @property
    def is_of_evaluator(self) -> bool:
        return self.measure not in MEASURES

    def covers(self, evaluator: str) -> bool:
        """Whether the scores of this name count: the evaluator's own, and those of its parts."""
        return evaluator == self.measure or evaluator.startswith(f"{self.measure}.")


def read_condition(text: str) -> Condition:
    """A condition written in words; WrongUse shows the form."""
    found = _WRITTEN.fullmatch(text.strip())
    if found is None or not found["name"].isprintable() or float(found["limit"]) > 100:
        raise WrongUse(f"{text!r} is no condition; write one as {_FORM}.")
    share = float(found["limit"]) / 100
    if found["verb"] == "worse":
        return Condition(found["name"], worse=share)
    return Condition(found["name"], limit=share)


@dataclass(frozen=True, slots=True)
class Gate:
    """One table of [[gates]]: a condition on the trials of a dataset of a project."""

    project: str
    dataset: str
    condition: Condition


def parse_gates(document: Mapping[str, Any]) -> list[Gate]:
    """The gates of a parsed waypost.toml, in `[[gates]]`; BadSetting names what is off."""
    tables = document.get("gates", [])
    if not isinstance(tables, list) or not all(isinstance(t, Mapping) for t in tables):
        raise BadSetting("gates must be tables; write [[gates]] above each condition.")
    return [_gate(table, f"gates, number {n}") for n, table in enumerate(tables, 1)]


def _gate(table: Mapping[str, Any], where: str) -> Gate:
    for entry in table:
        if entry not in _ENTRIES:
            raise BadSetting(f"{where}: {entry!r} is unknown; there are {', '.join(_ENTRIES)}.")
    dataset = _text(table, "dataset", where)
    if dataset is None:
        raise BadSetting(f"{where}: it must name its dataset.")
    evaluator, measure = _text(table, "evaluator", where), _text(table, "measure", where)
    if (evaluator is None) == (measure is None):
        raise BadSetting(f"{where}: give an evaluator, or a measure: one of {', '.join(MEASURES)}.")
    if measure is not None and measure not in MEASURES:
        raise _off(where, "measure", measure)
    found = Condition(
        evaluator or str(measure),
        _share(table, "max_fail_rate", where),
        _share(table, "max_worse_than_baseline", where),
    )
    if found.limit is None and found.worse is None:
        raise BadSetting(f"{where}: it needs max_fail_rate or max_worse_than_baseline.")
    confidence = _share(table, "confidence", where, least=0.5, most=0.999)
    found = replace(found, min_cases=_whole(table, "min_cases", where))
    if confidence is not None:
        found = replace(found, confidence=confidence)
    return Gate(_text(table, "project", where) or "default", dataset, found)


def _off(where: str, entry: str, value: object) -> BadSetting:
    return BadSetting(f"{where}: {entry} = {repr(value)[:80]} must be {_ENTRIES[entry]}.")


def _text(table: Mapping[str, Any], entry: str, where: str) -> str | None:
    value = table.get(entry)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= 256 or not value.isprintable():
        raise _off(where, entry, value)
    return value


def _share(
    table: Mapping[str, Any], entry: str, where: str, *, least: float = 0.0, most: float = 1.0
) -> float | None:
    value = table.get(entry)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise _off(where, entry, value)
    return float(value)


def _whole(table: Mapping[str, Any], entry: str, where: str) -> int:
    value = table.get(entry, 0)
    if entry in table and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise _off(where, entry, value)
    return int(value)
