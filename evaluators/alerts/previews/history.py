"""A rule run over the stored history by the server's own lines."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from evaluators.alerts import engine
from evaluators.alerts.rules import parse
from waypost.previews import Fired, Preview
from waypost.store import feed
from waypost.store.engine import Connection


def check(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """The rule as it would be stored; BadSetting says what does not fit."""
    return parse(table).body()


def run(
    connection: Connection,
    project_id: int,
    table: Mapping[str, Any],
    since: dt.datetime,
    until: dt.datetime,
) -> list[Fired]:
    """When the rule would have fired between these moments."""
    rule = parse(table)
    parts = (
        (changes, engine.labels_of(connection, project_id, changes))
        for changes in feed.history(connection, project_id, since, until, part=rule.part)
    )
    turns = engine.preview(rule, parts, now=until.timestamp())
    return [Fired(dt.datetime.fromtimestamp(t.at, dt.UTC), t.label, t.fired) for t in turns]


history = Preview(check, run)
