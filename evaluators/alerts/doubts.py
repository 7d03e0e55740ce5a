"""What a rule names and nobody knows: it is judged all the same, and its fault says so."""

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from evaluators.alerts.rules import Rule, parse
from waypost.store import cohorts, evaluator_settings, judges, projects
from waypost.store.alerts import StoredRule
from waypost.store.engine import Connection

Doubt: TypeAlias = Callable[[Connection, StoredRule], str | None]
_AGAIN_SECONDS = 60.0


@dataclass(slots=True)
class Doubts:
    """Looks a rule's names up among those this worker and the store know, once a minute."""

    evaluators: Collection[str]
    channels: Collection[str]
    _kept: dict[int, tuple[float, object, str | None]] = field(default_factory=dict)

    def __call__(self, connection: Connection, stored: StoredRule) -> str | None:
        at, body, said = self._kept.get(stored.id, (float("-inf"), None, None))
        if body != stored.body or time.monotonic() - at > _AGAIN_SECONDS:
            said = "; ".join(self._found(connection, stored)) or None
            self._kept[stored.id] = (time.monotonic(), stored.body, said)
        return said

    def _found(self, connection: Connection, stored: StoredRule) -> Iterator[str]:
        rule = parse(stored.body)
        name = rule.evaluator
        if name is not None and not self._is_evaluator(connection, stored.project_id, name):
            yield f"there is no evaluator {name!r}, and none of that name has judged"
        for key in unknown_keys(connection, stored.project_id, rule):
            yield f"{key!r} is no cohort key of the project, and no run has it"
        for channel in rule.channels:
            if channel not in self.channels:
                yield f"channel {channel!r} is not declared under [alerts.channels]"

    def _is_evaluator(self, connection: Connection, project_id: int, name: str) -> bool:
        if name in self.evaluators or judges.ids_named(connection, project_id, name):
            return True
        return name in evaluator_settings.in_force(connection, project_id).get("judges", {})


def unknown_keys(connection: Connection, project_id: int, rule: Rule) -> list[str]:
    """The cohort keys of a rule that are neither declared nor carried by any run."""
    declared = projects.get(connection, project_id).cohort_keys
    return [
        key
        for key in dict.fromkeys((*rule.by, *rule.where))
        if key not in declared and not cohorts.is_carried(connection, project_id, key)
    ]
