"""Rules are read from tables, written back the same, and refused with a sentence."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from evaluators.alerts.channel import find_channels, targets
from evaluators.alerts.export import prometheus
from evaluators.alerts.rules import RATES, Rule, parse, parse_all
from evaluators.alerts.watch import read
from waypost.errors import BadSetting

FILE = """
[alerts.channels.oncall]
kind = "webhook"
url = "https://example.com/hook"
secret_env = "HOOK_SECRET"

[[alerts.rules]]
name = "groundedness"
evaluator = "groundedness"
by = ["prompt_version", "model", "region"]
where = { environment = "production" }
level = 0.1
window = "1h"
minimum = 20
owner = "support team"
severity = "critical"
channels = ["oncall"]
renotify = "4h"
no_data = "2h"

[[alerts.rules]]
name = "slow"
rate = "latency"
over = 8000
renotify = "never"
"""


def test_a_file_gives_rules_and_channels() -> None:
    document = tomllib.loads(FILE)
    first, second = parse_all(document)
    assert (first.level, first.by, first.severity) == (0.1, ("prompt_version", "model", "region"),
                                                       "critical")  # fmt: skip
    assert (second.subject, second.renotify) == ("runs take over 8,000 ms", None)
    found = targets(document, {"HOOK_SECRET": "s"})["oncall"]
    assert (found.kind, found["secret"]) == ("webhook", "s")


def test_a_rule_is_written_as_it_was_read() -> None:
    for rule in parse_all(tomllib.loads(FILE)):
        assert parse(rule.body()) == rule


@pytest.mark.parametrize(("table", "says"), [
    ({}, "needs a name"),
    ({"name": "a"}, "needs an evaluator, or a rate"),
    ({"name": "a\n", "rate": "errors"}, "printable"),
    ({"name": "a", "evaluator": "\x00"}, "the name of an evaluator"),
    ({"name": "a", "rate": ["errors"]}, "one of errors"),
    ({"name": "a", "rate": "errors", "owner": "\ud800"}, "printable"),
    ({"name": "a", "rate": "errors", "enabled": "no"}, "true or false"),
    ({"name": "a", "rate": "errors", "by": ["model", "model"]}, "different"),
    ({"name": "a", "rate": "errors", "where": {"\x00": "b"}}, "a table of texts"),
    ({"name": "a", "rate": "errors", "level": 10**400}, "between"),
    ({"name": "a", "rate": "speed"}, "one of errors"),
    ({"name": "a", "evaluator": "x", "rate": "errors"}, "choose one"),
    ({"name": "a", "rate": "latency"}, "need a bound"),
    ({"name": "a", "rate": "errors", "over": 3}, "need a bound"),
    ({"name": "a", "rate": "errors", "level": 2}, "between 0.001 and 0.9"),
    ({"name": "a", "rate": "errors", "level": "high"}, "a number"),
    ({"name": "a", "rate": "errors", "window": "soon"}, "such as 30s"),
    ({"name": "a", "rate": "errors", "by": "model"}, "a list"),
    ({"name": "a", "rate": "errors", "severity": "bad"}, "info, warning or critical"),
    ({"name": "a", "rate": "errors", "where": {"a": 1}}, "a table of texts"),
    ({"name": "a", "rate": "errors", "colour": 1}, "unknown entry 'colour'"),
])  # fmt: skip
def test_what_does_not_fit_is_said(table: dict[str, Any], says: str) -> None:
    with pytest.raises(BadSetting, match=says):
        parse(table)


def test_two_rules_of_one_name_are_refused() -> None:
    table = {"name": "a", "rate": "errors"}
    with pytest.raises(BadSetting, match="Two alert rules"):
        parse_all({"alerts": {"rules": [table, table]}})


@pytest.mark.parametrize(("text", "says"), [
    ("[evaluator.loop]\nowner = 'ops'", "no table evaluator; there are evaluators, judges"),
    ("[[alert.rules]]\nname = 'a'", "no table alert; there are .* alerts"),
    ("[[alerts.rule]]\nname = 'a'", "no table alerts.rule; there are alerts.rules"),
    ("[[alerts]]\nname = 'a'", "alerts must be a table"),
])  # fmt: skip
def test_a_misspelt_table_of_the_file_is_said(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "waypost.toml"
    path.write_text(text)
    with pytest.raises(BadSetting, match=says):
        read(path)


@pytest.mark.parametrize(("table", "says"), [
    ({"kind": "pigeon"}, "needs a kind"),
    ({"kind": "webhook"}, "needs 'url'"),
    ({"kind": "webhook", "url_env": "NOT_SET"}, "no NOT_SET"),
    ({"kind": "webhook", "url": "https://x.example", "colour": "1"}, "unknown entry"),
    ({"kind": "webhook", "url_file": "/nowhere"}, "cannot be read"),
])  # fmt: skip
def test_a_channel_that_does_not_fit_is_said(table: dict[str, str], says: str) -> None:
    with pytest.raises(BadSetting, match=says):
        targets({"alerts": {"channels": {"x": table}}}, {})


def test_every_channel_is_found() -> None:
    assert set(find_channels()) == {
        "alertmanager", "apprise", "email", "pagerduty", "slack", "webhook",
    }  # fmt: skip


@pytest.mark.parametrize("rate", sorted(RATES))
def test_every_rule_can_be_exported_to_prometheus(rate: str) -> None:
    bounded = rate in ("latency", "tokens", "cost")
    rule = Rule("a rule", rate=rate, over=5.0 if bounded else None, level=0.1, by=("model",),
                where={"region": 'e"u'}, owner="x")  # fmt: skip
    text = prometheus([rule])
    assert ("alert: " in text) is not bounded
    assert (r"e\\\"u" in text) is not bounded
