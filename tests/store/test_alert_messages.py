"""What a person on call reads: of every kind of rule, in order, with figures and in few words."""

import datetime as dt
import re
from collections.abc import Mapping

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from evaluators.alerts.message import compose, lasting, named
from evaluators.alerts.rules import RATES, Rule
from tests.planted import Planted, count_all, plant
from waypost.records import Outcome
from waypost.store.incidents import Incident, Member
from waypost.store.partitions import ensure_days

NOW = dt.datetime(2026, 11, 20, 14, 41, tzinfo=dt.UTC)
SINCE = NOW - dt.timedelta(hours=1)
MEASURES = ("retries", "blocks", "fallbacks", "thumbs_down", "escalations", "tickets", "overrides")
OVER = {"latency": 8000.0, "tokens": 10.0, "cost": 0.5}
KINDS = {**{name: Rule(name, rate=name, over=OVER.get(name), by=("region",)) for name in RATES},
         "abstentions": Rule("a", evaluator="safe", rate="abstentions", by=("region",)),
         "fails": Rule("f", evaluator="safe", by=("region",))}  # fmt: skip


def incident(*labels: tuple[str, ...], **fields: object) -> Incident:
    members = tuple(Member(label, NOW, None, SINCE, 9, 12, 0.05) for label in labels)
    known: dict[str, object] = {
        "id": 7, "project_id": 1, "rule_id": 1, "rule": "r", "mode": "rate", "status": "open",
        "opened_at": NOW, "since": SINCE, "changed_at": NOW, "resolved_at": None,
        "acknowledged_at": None, "acknowledged_by": None, "snoozed_until": None, "notify_at": NOW,
        "notified": 0, "detail": {}, "members": members,
    }  # fmt: skip
    return Incident(**{**known, **fields})  # type: ignore[arg-type]  # by name, as above


@pytest.fixture
def busy(engine: Engine) -> Engine:
    """Two regions; what can go wrong does in eu, in every second of forty runs of an hour."""
    ensure_days(engine, [NOW.date() - dt.timedelta(days=1), NOW.date()])
    runs = []
    for n in range(160):
        bad = n % 4 == 0 and n >= 80
        at = SINCE + dt.timedelta(minutes=(n - 80) / 2)
        outcomes = (Outcome.FAILED, Outcome.ABSTAINED) if bad else (Outcome.PASSED,)
        runs.append(
            Planted(f"run {n}", at, {"region": "eu" if n % 2 == 0 else "us"}, {"safe": outcomes},
                    errors=int(bad), latency_ms=9000.0 if bad else 10.0,
                    cost_usd=1.0 if bad else 0.01,
                    measures={**dict.fromkeys(MEASURES, int(bad)),
                              "versions": [["prompt", "help", "v15"]] if n >= 80 else []})
        )  # fmt: skip
    with engine.begin() as connection:
        plant(connection, runs, now=NOW)
        connection.execute(sa.text("update trajectory set tokens_in = 0, tokens_out = 0 "
                                   "where errors = 0"))  # fmt: skip
        connection.execute(sa.text("insert into first_seen select 1, 'prompt', name, version, "
                                   "timestamptz '2026-11-20 13:40Z' from "
                                   "(values ('help', 'v15'), ('faq', 'w2')) as v (name, version)"
                                   ))  # fmt: skip
        count_all(connection)
    return engine


def told(engine: Engine, rule: Rule, about: Incident) -> Mapping[str, object]:
    with engine.connect() as connection:
        return compose(connection, rule, about, NOW, public_url="https://waypost.example")


def test_every_kind_of_rule_tells_its_figures(busy: Engine) -> None:
    for kind, rule in KINDS.items():
        text = str(told(busy, rule, incident(("eu",)))["text"]).splitlines()
        print("\n".join(text), "\n")
        assert text[0].endswith(" in eu"), kind
        found = re.fullmatch(
            rf"(\d+) % of (\d+) {rule.unit} \(interval \d+–\d+ %\), it was 0 %\.", text[1]
        )
        assert found is not None, text[1]
        assert int(found[1]) in range(32, 56)
        assert int(found[2]) >= 36
        assert text[2].startswith("Since 2026-11-20 13:4")
        assert "New then: prompt help v15 (13:40)." in text[2]  # no failing run carries w2
        assert any(line.startswith("Why: region = eu") for line in text)
        assert sum(line.startswith("Run: https://") for line in text) == 5
        has_cell = rule.evaluator or rule.rate in ("errors", "thumbs_down")
        page = "?project=default" if has_cell else "alerts?incident="
        assert text[-1].startswith(f"Dashboard: https://waypost.example/{page}")


@pytest.mark.parametrize(("rule", "about", "title"), [
    (KINDS["fails"], incident(("eu",), ("us",)), "Safe fails (2 cohorts)"),
    (KINDS["fails"], incident(("",)), "Safe fails in no region"),
    (KINDS["fails"], incident(("7",), notified=1), "Still: Safe fails in region 7"),
    (KINDS["errors"], incident(("eu",)), "More runs than usual have errors in eu"),
    (KINDS["latency"], incident(("eu",)), "More runs than usual take over 8,000 ms in eu"),
    (KINDS["cost"], incident(("eu",)), "More runs than usual cost over $0.5 in eu"),
    (KINDS["fallbacks"], incident(("eu",), mode="no_data"), "No data: no runs in eu"),
    (Rule("x", rate="errors", level=0.1), incident(()), "More than 10 % of runs have errors"),
    (Rule("x", evaluator="is_safe", level=0.1), incident(()), "is_safe fails above 10 %"),
    (Rule("x", evaluator="safe", by=("tenant", "model"), where={"region": "eu"}),
     incident(("a", "m1"), ("b", "m1")), "Safe fails in eu · m1 (2 cohorts)"),
])  # fmt: skip
def test_the_title_says_what_fails_where(
    engine: Engine, rule: Rule, about: Incident, title: str
) -> None:
    assert told(engine, rule, about)["title"] == title


def test_only_the_failing_cohorts_are_counted_where_they_share_nothing(busy: Engine) -> None:
    rule = Rule("r", evaluator="safe", by=("region", "tenant"))
    found = told(busy, rule, incident(("eu", ""), ("ap", "")))
    assert "50 % of 40 verdicts" in str(found["text"])
    assert found["was"] == 0
    assert "Cohorts: eu · no tenant; ap · no tenant" in str(found["text"])


def test_what_was_before_is_measured_where_the_cohort_is_new(busy: Engine) -> None:
    rule = Rule("r", evaluator="safe", by=("region", "session"))
    with busy.begin() as connection:
        new = [Planted(f"new {n}", NOW - dt.timedelta(minutes=n), {"region": "mars"},
                       {"safe": (Outcome.FAILED,)}) for n in range(10)]  # fmt: skip
        plant(connection, new, now=NOW)
    found = told(busy, rule, incident(("mars", ""), since=new[-2].at))
    assert 0.1 < float(str(found["was"])) < 0.2
    assert found["since"] == new[-1].at.isoformat()


def test_what_is_over_says_for_how_long_and_of_many_cohorts_ten_are_named(engine: Engine) -> None:
    ended = NOW + dt.timedelta(hours=2, seconds=901)
    many = [(f"region {n}",) for n in range(12)]
    over = told(engine, KINDS["fails"], incident(*many, status="resolved", resolved_at=ended))
    assert over["title"] == "Resolved: Safe fails (12 cohorts)"
    assert "It is back to usual (5.0 %) after 3 h 15 min." in str(over["text"])
    text = str(told(engine, KINDS["fails"], incident(*many))["text"])
    assert "; and 2 more" in text


def test_a_long_time_is_told_in_the_units_that_matter() -> None:
    assert [lasting(dt.timedelta(seconds=s)) for s in (5, 150, 8100, 200_000)] == [
        "1 min", "2 min", "2 h 15 min", "2 d 7 h",
    ]  # fmt: skip
    assert named({"prompt_version": "v15", "region": "eu", "tenant": "4", "model": ""}) == (
        "v15 · eu · tenant 4 · no model"
    )


def test_an_incident_keeps_its_labels_as_it_grows(engine: Engine) -> None:
    kept = {"severity": "warning", "region": "eu"}
    found = told(engine, KINDS["fails"], incident(("eu",), ("us",), detail={"labels": kept}))
    assert (found["where"], found["labels"]) == ({}, kept)
