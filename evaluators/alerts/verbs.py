"""What `waypost alerts` does: list, test, preview and export rules."""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evaluators.alerts.channel import Notice, find_channels, targets
from evaluators.alerts.export import prometheus
from evaluators.alerts.previews.history import run
from evaluators.alerts.rules import Rule, parse, parse_all
from evaluators.alerts.watch import read
from waypost.errors import BadSetting, ChannelFailed, NotFound
from waypost.outgoing import Outgoing
from waypost.previews import Fired
from waypost.rates import percent
from waypost.settings import Settings
from waypost.store import alerts, incidents
from waypost.store.alerts import StoredRule
from waypost.store.engine import Connection
from waypost.store.projects import Project


@dataclass(frozen=True, slots=True)
class Listed:
    """A rule, where it stands, how many of its incidents are open, and why it breaks if it does.

    `rule` is None when what is stored is no rule to this version.
    """

    name: str
    rule: Rule | None
    origin: str
    open: int
    fault: str | None


@dataclass(frozen=True, slots=True)
class Previewed:
    """What a rule would have done: every turn, and how often it would have fired."""

    rule: Rule
    turns: Sequence[Fired]

    @property
    def fired(self) -> int:
        return sum(turn.fired for turn in self.turns)


def every(connection: Connection, project: Project) -> list[Listed]:
    """The rules of a project."""
    opened = Counter(i.rule for i in incidents.page(connection, project.id, status="open"))
    return [_listed(r, opened[r.name]) for r in alerts.every(connection, project.id)]


def _listed(stored: StoredRule, count: int) -> Listed:
    try:
        return Listed(stored.name, parse(stored.body), stored.origin, count, stored.fault)
    except BadSetting as error:
        return Listed(stored.name, None, stored.origin, count, str(error))


def rule_named(connection: Connection, project: Project, settings: Settings, name: str) -> Rule:
    """A rule by name: first of the file, where it may be newer, then of the store."""
    for rule in parse_all(read(settings.config)):
        if (rule.project, rule.name) == (project.name, name):
            return rule
    return parse(alerts.named(connection, project.id, name).body)


def preview(
    connection: Connection, project: Project, rule: Rule, *, days: int, now: dt.datetime
) -> Previewed:
    """What a rule would have done in the last days, by the server's own lines."""
    since = now - dt.timedelta(days=days)
    return Previewed(rule, run(connection, project.id, rule.body(), since, now))


def send_test(settings: Settings, rule: Rule, *, now: dt.datetime) -> dict[str, str | None]:
    """Send a message that says it is a test to every channel of a rule; by channel, the fault."""
    known, ways = targets(read(settings.config)), find_channels()
    if not rule.channels:
        raise NotFound(f"Alert rule {rule.name!r} names no channel; add channels = [...].")
    out = Outgoing.of(settings.allowed_hosts)
    notice = _test_notice(rule, now)
    faults: dict[str, str | None] = {}
    for name in rule.channels:
        if name not in known:
            faults[name] = "not declared under [alerts.channels]"
            continue
        try:
            ways[known[name].kind].send(notice, known[name], out)
            faults[name] = None
        except ChannelFailed as error:
            faults[name] = str(error)
    return faults


def _test_notice(rule: Rule, now: dt.datetime) -> Notice:
    key = f"waypost-test-{int(now.timestamp())}"
    title = f"Test of alert rule {rule.name}: nothing is wrong"
    limit = "than usual" if rule.level is None else f"than {percent(rule.level)}"
    said = f"It would tell when more {rule.subject} {limit}."
    if rule.evaluator is not None:
        said = f"It would tell when {rule.subject} more {limit}."
    message: dict[str, Any] = {
        "schema": 1, "status": "open", "mode": "test", "project": rule.project,
        "rule": rule.name, "severity": "info", "owner": rule.owner, "what": rule.subject,
        "where": dict(rule.where), "opened_at": now.isoformat(), "links": {}, "title": title,
        "body": said, "text": f"{title}\n{said}",
    }  # fmt: skip
    return Notice(key, key, "test", message)


def export(connection: Connection, project: Project) -> str:
    """The project's rules as a Prometheus rule file."""
    return prometheus(one.rule for one in every(connection, project) if one.rule is not None)
