"""Alert rules: what to watch, by which cohorts, and whom to tell. Parsed from tables of TOML."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from waypost.cusum import Watch
from waypost.errors import BadSetting
from waypost.store.feed import Counted
from waypost.store.measures import Measure

SEVERITIES = ("info", "warning", "critical")
PEOPLES = frozenset({Measure.THUMBS_DOWN, Measure.ESCALATIONS, Measure.TICKETS, Measure.OVERRIDES})
BOUNDED = {"latency": Measure.LATENCY, "tokens": Measure.TOKENS, "cost": Measure.COST}
RATES = {
    "errors": Measure.ERRORS, "retries": Measure.RETRIES, "guardrail_blocks": Measure.BLOCKS,
    "fallbacks": Measure.FALLBACKS, "thumbs_down": Measure.THUMBS_DOWN,
    "escalations": Measure.ESCALATIONS, "tickets": Measure.TICKETS,
    "overrides": Measure.OVERRIDES, **BOUNDED,
}  # fmt: skip
_VERBS = {
    "errors": "have errors", "retries": "have retries",
    "guardrail_blocks": "are blocked by a guardrail", "fallbacks": "fall back to another model",
    "thumbs_down": "get a thumbs down", "escalations": "are escalated",
    "tickets": "become tickets", "overrides": "are overruled by a reviewer",
    "latency": "take over {:,g} ms", "tokens": "use over {:,g} tokens", "cost": "cost over ${:,g}",
}  # fmt: skip
_FIELDS = frozenset({
    "name", "project", "evaluator", "rate", "over", "by", "where", "level", "window", "minimum",
    "false_alarms", "owner", "severity", "channels", "renotify", "no_data", "group_wait",
    "enabled",
})  # fmt: skip
_TEXT = 256
_DURATION = re.compile(r"(\d+)\s*(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule covers every cohort of its keys; each cohort has a state of its own.

    Either `evaluator` alone (its fail rate), `rate` alone (a rate of runs), or both with
    `rate = "abstentions"`. Without a `level` it watches for worse than usual.
    """

    name: str
    evaluator: str | None = None
    rate: str | None = None
    over: float | None = None
    by: tuple[str, ...] = ()
    where: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    level: float | None = None
    window: dt.timedelta = dt.timedelta(hours=1)
    minimum: float = 10.0
    false_alarms: float = 0.05
    owner: str | None = None
    severity: str = "warning"
    channels: tuple[str, ...] = ()
    renotify: dt.timedelta | None = dt.timedelta(hours=4)
    no_data: dt.timedelta | None = None
    group_wait: dt.timedelta = dt.timedelta(seconds=30)
    project: str = "default"
    enabled: bool = True

    @property
    def watch(self) -> Watch:
        return Watch(level=self.level, minimum=self.minimum, false_alarms=self.false_alarms)

    @property
    def unit(self) -> str:
        """What is counted, in the plural."""
        if self.evaluator is not None:
            return "verdicts"
        return "sessions" if self.is_of_people else "runs"

    @property
    def verb(self) -> str:
        """What the bad ones of them do."""
        if self.evaluator is not None:
            return "abstains" if self.rate == "abstentions" else "fails"
        return _VERBS[str(self.rate)].format(self.over)

    @property
    def subject(self) -> str:
        """What is watched, in words."""
        return f"{self.evaluator or self.unit} {self.verb}"

    @property
    def part(self) -> str:
        """Which part of a counted run it reads: an evaluator's name, or the run itself."""
        return self.evaluator or ""

    def counts(self, run: Counted) -> dict[int, tuple[float, float]]:
        """Failed and all items of one run by cohort."""
        if self.evaluator is not None:
            by = run.scores.get(self.evaluator, {})
            if self.rate == "abstentions":
                return {c: (a, n + a) for c, (_, n, a) in by.items() if n + a}
            return {c: (k, n) for c, (k, n, _) in by.items() if n}
        measure = RATES[str(self.rate)]
        n, total = run.measures.get(measure, (0, 0.0))
        if self.over is not None:
            return {run.cohort_id: (float(total > self.over), 1.0)}
        return {run.cohort_id: (float(n > 0), 1.0)}

    @property
    def is_of_people(self) -> bool:
        """Counted by session: one complaint is one complaint, however long the session."""
        return self.evaluator is None and RATES[str(self.rate)] in PEOPLES

    def body(self) -> dict[str, object]:
        """The rule as the plain table it came from."""
        plain: dict[str, object] = {
            "name": self.name, "evaluator": self.evaluator, "rate": self.rate, "over": self.over,
            "by": list(self.by), "where": dict(self.where), "level": self.level,
            "window": written(self.window), "minimum": self.minimum,
            "false_alarms": self.false_alarms, "owner": self.owner, "severity": self.severity,
            "channels": list(self.channels), "group_wait": written(self.group_wait),
            "renotify": "never" if self.renotify is None else written(self.renotify),
            "no_data": None if self.no_data is None else written(self.no_data),
            "project": self.project, "enabled": self.enabled,
        }  # fmt: skip
        return {k: v for k, v in plain.items() if v is not None}


def parse_all(document: Mapping[str, Any]) -> list[Rule]:
    """The rules of a parsed waypost.toml, in `[[alerts.rules]]`; BadSetting names what is off."""
    tables = document.get("alerts", {}).get("rules", [])
    if not isinstance(tables, list):
        raise BadSetting("alerts.rules must be tables; write [[alerts.rules]] above each rule.")
    rules = [parse(table) for table in tables]
    names = [(r.project, r.name) for r in rules]
    for project, name in names:
        if names.count((project, name)) > 1:
            raise BadSetting(f"Two alert rules of project {project!r} are called {name!r}.")
    return rules


def parse(table: Mapping[str, Any]) -> Rule:
    """One rule from its table; BadSetting says which entry does not fit, and what would."""
    name = table.get("name")
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= 100:
        raise BadSetting("An alert rule needs a name of 1 to 100 printable characters.")
    for entry in table:
        if entry not in _FIELDS:
            raise BadSetting(
                f"Alert rule {name!r} has an unknown entry {entry!r}; "
                f"there are {', '.join(sorted(_FIELDS))}."
            )
    evaluator, rate = table.get("evaluator"), table.get("rate")
    _check_subject(name, evaluator, rate, table.get("over"))
    severity = str(table.get("severity", "warning"))
    if severity not in SEVERITIES:
        raise _off(name, "severity", severity, "info, warning or critical")
    renotify = table.get("renotify", "4h")
    no_data = table.get("no_data")
    return Rule(
        name=name,
        evaluator=evaluator,
        rate=rate,
        over=_number(name, table, "over", None, least=0, most=1e15),
        by=_texts(name, table, "by"),
        where=_where(name, table.get("where", {})),
        level=_number(name, table, "level", None, least=0.001, most=0.9),
        window=_duration(name, "window", table.get("window", "1h")),
        minimum=_number(name, table, "minimum", 10.0, least=1, most=1e6) or 10.0,
        false_alarms=_number(name, table, "false_alarms", 0.05, least=1e-6, most=100) or 0.05,
        owner=_text(name, table, "owner"),
        severity=severity,
        channels=_texts(name, table, "channels"),
        renotify=None if renotify == "never" else _duration(name, "renotify", renotify),
        no_data=None if no_data is None else _duration(name, "no_data", no_data),
        group_wait=_duration(name, "group_wait", table.get("group_wait", "30s")),
        project=_text(name, table, "project") or "default",
        enabled=_enabled(name, table.get("enabled", True)),
    )


def _check_subject(name: str, evaluator: object, rate: object, over: object) -> None:
    if evaluator is not None and not _is_text(evaluator):
        raise _off(name, "evaluator", evaluator, "the name of an evaluator")
    if evaluator is not None:
        if rate not in (None, "abstentions"):
            raise BadSetting(
                f"Alert rule {name!r} names an evaluator and the rate {rate!r}; choose one."
            )
    elif rate is None:
        rates = ", ".join(RATES)
        raise BadSetting(f"Alert rule {name!r} needs an evaluator, or a rate: one of {rates}.")
    elif not isinstance(rate, str) or rate not in RATES:
        raise _off(name, "rate", rate, "one of " + ", ".join(RATES))
    if (rate in BOUNDED) != (over is not None):
        raise BadSetting(
            f"Alert rule {name!r}: latency, tokens and cost need a bound `over`, others have none."
        )


def _off(name: str, entry: str, value: object, wanted: str) -> BadSetting:
    return BadSetting(f"Alert rule {name!r}: {entry} = {repr(value)[:80]} must be {wanted}.")


def _is_text(value: object) -> bool:
    """A short text that can be stored."""
    return isinstance(value, str) and 0 < len(value) <= _TEXT and value.isprintable()


def _text(name: str, table: Mapping[str, Any], entry: str) -> str | None:
    value = table.get(entry)
    if value is not None and not _is_text(value):
        raise _off(name, entry, value, f"a text of 1 to {_TEXT} printable characters")
    return None if value is None else str(value)


def _enabled(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _off(name, "enabled", value, "true or false")
    return value


def _number(
    name: str, table: Mapping[str, Any], entry: str, default: float | None, *, least: float,
    most: float,
) -> float | None:  # fmt: skip
    value = table.get(entry, default)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _off(name, entry, value, "a number")
    if not least <= value <= most:
        raise _off(name, entry, value, f"between {least:g} and {most:g}")
    return float(value)


def _texts(name: str, table: Mapping[str, Any], entry: str) -> tuple[str, ...]:
    value = table.get(entry, [])
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > 16:
        raise _off(name, entry, value, "a list of at most 16 texts")
    if not all(map(_is_text, value)) or len(set(value)) < len(value):
        raise _off(name, entry, value, "a list of different short texts")
    return tuple(value)


def _where(name: str, value: object) -> Mapping[str, str]:
    if not isinstance(value, Mapping) or not all(
        _is_text(key) and isinstance(v, str) and (not v or _is_text(v)) for key, v in value.items()
    ):
        raise _off(name, "where", value, 'a table of texts, such as { region = "eu" }')
    return MappingProxyType(dict(value))


def _duration(name: str, entry: str, value: object) -> dt.timedelta:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None or not 0 < int(found[1]) < 100_000:
        raise _off(name, entry, value, "a time such as 30s, 15m, 1h or 7d")
    return dt.timedelta(**{_UNITS[found[2]]: int(found[1])})


def written(span: dt.timedelta) -> str:
    """A time as rules write it."""
    seconds = int(span.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds % size == 0 and seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
