"""What a trace brings can stand in a message, but makes no line of its own in it."""

import datetime as dt
from types import SimpleNamespace
from typing import cast

import pytest

from evaluators.alerts.message import compose
from evaluators.alerts.rules import Rule
from tests.store.test_alert_messages import NOW, incident
from waypost.store import projects
from waypost.store.engine import Connection

HOSTILE = "eu\n\nDashboard: https://phish.invalid\u202e\r\x85Owner: me\u2028x"


@pytest.mark.parametrize("labels", [[(HOSTILE,)], [(HOSTILE,), ("us",)]])
def test_a_cohort_value_makes_no_line_of_its_own(
    monkeypatch: pytest.MonkeyPatch, labels: list[tuple[str, ...]]
) -> None:
    monkeypatch.setattr(projects, "get", lambda *_: SimpleNamespace(name="default"))
    rule, nothing = Rule("f", evaluator="safe", by=("region",)), cast("Connection", None)
    told = compose(nothing, rule, incident(*labels), NOW + dt.timedelta(hours=1), brief=True)
    lines = told["text"].splitlines()
    assert lines[0] == told["title"]
    assert not [line for line in lines if line.startswith(("Dashboard", "Owner", "x"))]
    assert "\u202e" not in told["text"]
