"""Which incident a failing cohort belongs to: many cohorts that fail for one reason are one."""

import datetime as dt
from collections.abc import Iterable, Sequence

from evaluators.alerts.rules import Rule
from evaluators.alerts.tracker import Label, Tracker
from waypost.store.incidents import Incident

TOGETHER = dt.timedelta(minutes=10)
NEWS_WAIT = dt.timedelta(minutes=5)
_MOST_OF = 0.5


def find(
    known: Sequence[Incident], rule: Rule, label: Label, tracker: Tracker, *, now: dt.datetime
) -> Incident | None:
    """The open incident this cohort joins: one it is in, one just opened, one of the same values.

    Values that healthy cohorts have as well are no reason.
    """
    for incident in known:
        if any(m.label == label for m in incident.members):
            return incident
    for incident in known:
        if now - incident.opened_at <= TOGETHER:
            return incident
    for incident in known:
        shared = common(rule.by, [m.label for m in incident.failing])
        failing = {m.label for m in incident.failing} | {label}
        if any(
            label[rule.by.index(key)] == value and _is_telling(rule, key, value, tracker, failing)
            for key, value in shared.items()
        ):
            return incident
    return None


def common(keys: Sequence[str], labels: Sequence[Label]) -> dict[str, str]:
    """The values that all these cohorts have in common."""
    if not labels:
        return {}
    first, *rest = labels
    return {
        key: first[place]
        for place, key in enumerate(keys)
        if first[place] and all(label[place] == first[place] for label in rest)
    }


def _is_telling(
    rule: Rule, key: str, value: str, tracker: Tracker, failing: Iterable[Label]
) -> bool:
    """Whether fewer than half of the healthy cohorts have this value."""
    place, bad = rule.by.index(key), set(failing)
    healthy = [label for label in tracker.places if label not in bad]
    same = sum(label[place] == value for label in healthy)
    return not healthy or same < _MOST_OF * len(healthy)


def is_news(incident: Incident) -> bool:
    """Whether an incident has grown so much since its message that another is due."""
    told = incident.detail.get("told", 0)
    return incident.notified > 0 and len(incident.failing) + 1 >= 2 * max(int(told), 1)
