"""What a worker does for alerts: the file's rules into the store, a tick, and the outbox."""

import tomllib
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from evaluators.alerts.channel import find_channels, targets
from evaluators.alerts.doubts import Doubts
from evaluators.alerts.engine import tick
from evaluators.alerts.message import composer
from evaluators.alerts.outbox import Post, send_due
from evaluators.alerts.rules import Rule, parse_all
from evaluators.chores import Chore
from waypost.errors import BadSetting
from waypost.outgoing import Outgoing
from waypost.settings import Settings
from waypost.store import alerts, projects
from waypost.store.audit import Actor
from waypost.store.engine import Engine, plainly
from waypost.store.evaluator_settings import PARTS

TICK_SECONDS = 2.0
SEND_SECONDS = 1.0


def alert_chores(engine: Engine, settings: Settings, evaluators: Collection[str]) -> list[Chore]:
    """Judging what changed, and carrying out what is due; BadSetting if the file is off.

    `evaluators` are the names of those installed here.
    """
    document = read(settings.config)
    rules = parse_all(document)
    declared = targets(document)
    doubt = Doubts(evaluators, declared)
    post = Post(find_channels(), declared, Outgoing.of(settings.allowed_hosts))
    with plainly():
        keep_rules(engine, rules, settings.config)
    compose = composer(settings.public_url or f"http://{settings.host}:{settings.ui}")
    return [
        Chore("alerts", TICK_SECONDS, lambda: tick(engine, compose=compose, doubt=doubt)),
        Chore("deliveries", SEND_SECONDS, lambda: send_due(engine, post)),
    ]


def read(path: Path | None) -> Mapping[str, Any]:
    """The whole parsed waypost.toml, empty without one; BadSetting when it cannot be read."""
    if path is None:
        return {}
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BadSetting(f"{path} cannot be read: {error.strerror}.") from error
    except tomllib.TOMLDecodeError as error:
        raise BadSetting(f"{path} is not TOML: {error}.") from error
    _check_names(path, "", document, (*PARTS, "alerts", "gates"))
    _check_names(path, "alerts.", document.get("alerts", {}), ("rules", "channels"))
    return document


def _check_names(path: Path, prefix: str, table: object, known: Sequence[str]) -> None:
    """A misspelt table would be left out in silence."""
    if not isinstance(table, Mapping):
        raise BadSetting(f"{path}: {prefix.rstrip('.')} must be a table.")
    for name in table:
        if name not in known:
            there = ", ".join(f"{prefix}{one}" for one in known)
            raise BadSetting(f"{path}: there is no table {prefix}{name}; there are {there}.")


def keep_rules(engine: Engine, rules: list[Rule], path: Path | None) -> None:
    """Make the file's rules those of its projects; a project that is not there is named.

    Without a file, those of the last one end.
    """
    by_project = {
        name: [r.body() for r in group]
        for name, group in groupby(sorted(rules, key=attrgetter("project")), attrgetter("project"))
    }
    by = Actor(path.name if path else "no waypost.toml", "file")
    with engine.begin() as connection:
        known = {p.name: p.id for p in projects.every(connection)}
        for name in sorted(by_project.keys() - known.keys()):
            raise BadSetting(f"{path}: an alert rule names project {name!r}, which does not exist.")
        for name, project_id in known.items():
            bodies = by_project.get(name, [])
            alerts.sync_file(connection, project_id, bodies, by=by)
