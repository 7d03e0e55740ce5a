"""The plan of each project: what waypost.toml says, with the project's own tables laid over it."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from evaluators.config import parse_config
from evaluators.evaluator import Evaluator
from evaluators.plan import Plan
from waypost.errors import BadSetting
from waypost.store import evaluator_settings
from waypost.store.engine import Connection
from waypost.store.evaluator_settings import Tables

REFRESH_SECONDS = 5.0
log = logging.getLogger("waypost.worker")


@dataclass(frozen=True, slots=True)
class Kept:
    """The plan made of a project's own tables, and when they were last read."""

    at: float
    own: Tables
    plan: Plan


@dataclass(slots=True)
class Plans:
    """Every project's plan, made anew some seconds after its settings change.

    BadSetting when the file's tables are off. A project's own that are off (a judge that is no
    longer installed) leave the plan as it was, and are told.
    """

    evaluators: Mapping[str, Evaluator]
    file: Tables = field(default_factory=dict)
    refresh_seconds: float = REFRESH_SECONDS
    _plain: Plan = field(init=False)
    _kept: dict[int, Kept] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._plain = self._made({})

    def of(self, connection: Connection, project_id: int) -> Plan:
        """The plan that holds in a project now."""
        kept = self._kept.get(project_id)
        if kept is not None and time.monotonic() - kept.at < self.refresh_seconds:
            return kept.plan
        settings = evaluator_settings.every(connection, project_id)
        own = evaluator_settings.of_origin(settings, "store")
        plan = self._plan(own, kept, project_id)
        self._kept[project_id] = Kept(time.monotonic(), own, plan)
        return plan

    def _plan(self, own: Tables, kept: Kept | None, project_id: int) -> Plan:
        """The plan of these tables; the very same one while nothing has changed."""
        before = kept or Kept(0.0, {}, self._plain)
        if own == before.own:
            return before.plan
        try:
            return self._made(own)
        except BadSetting as error:
            log.warning("The evaluators of project %d stay as they were: %s", project_id, error)
            return before.plan

    def _made(self, own: Tables) -> Plan:
        tables = evaluator_settings.laid_over(self.file, own)
        return Plan(self.evaluators, parse_config(tables, self.evaluators))
