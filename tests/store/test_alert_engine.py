"""State changes become incidents and messages: once, together, in order, and over when over."""

import dataclasses
import datetime as dt
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from evaluators.alerts import engine as alert_engine
from evaluators.alerts.previews import history
from evaluators.alerts.rules import Rule
from evaluators.alerts.watch import alert_chores, keep_rules
from tests.conftest import clone
from tests.planted import Planted, plant, verdict_of
from waypost.settings import Settings
from waypost.store import alerts, deliveries, feed, incidents
from waypost.store.audit import Actor
from waypost.store.engine import connect
from waypost.store.incidents import Incident
from waypost.store.partitions import ensure_days

START = dt.datetime(2026, 11, 18, 9, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
ME = Actor("someone", "test")
RULE = Rule("grounded", evaluator="grounded", by=("prompt_version", "region"), channels=("hook",),
            owner="support team")  # fmt: skip
REGIONS = ("eu", "us", "ap")


class Site:
    """A store with one rule, and a clock that moves as traffic is planted."""

    def __init__(self, engine: Engine, rule: Rule = RULE, seed: int = 1) -> None:
        self.engine, self.rule, self.now = engine, rule, START
        self.chance, self.count = random.Random(seed), 0
        self.versions: list[list[str]] = []
        ensure_days(engine, [START.date() + dt.timedelta(days=n) for n in range(-1, 4)])
        self.save(rule)

    def save(self, rule: Rule) -> None:
        with self.engine.begin() as connection:
            alerts.save(connection, 1, rule.body(), by=ME)

    def traffic(
        self, rates: Mapping[tuple[str, str], float], *, minutes: int, each: int = 2
    ) -> None:
        """So many runs of each cohort a minute; a tick every five minutes."""
        for start in range(0, minutes, 5):
            runs = [
                self._run(cohort, rate, self.now + n * MINUTE)
                for n in range(min(5, minutes - start))
                for cohort, rate in rates.items()
                for _ in range(each)
            ]
            self.now += 5 * MINUTE
            with self.engine.begin() as connection:
                plant(connection, runs, now=self.now)
            self.tick()

    def _run(self, cohort: tuple[str, str], rate: float, at: dt.datetime) -> Planted:
        self.count += 1
        values = {"prompt_version": cohort[0], "region": cohort[1]}
        verdict = verdict_of(self.chance.random() < rate)
        carried = {"versions": self.versions}
        return Planted(f"run {self.count}", at, values, {"grounded": verdict}, measures=carried)

    def tick(self, after: dt.timedelta = dt.timedelta()) -> alert_engine.Ticked:
        self.now += after
        return alert_engine.tick(self.engine, self.now)

    def incidents(self) -> Sequence[Incident]:
        with self.engine.connect() as connection:
            return incidents.page(connection, 1)

    def messages(self) -> list[deliveries.Delivery]:
        with self.engine.connect() as connection:
            return [
                d for i in reversed(incidents.page(connection, 1))
                for d in deliveries.of_incident(connection, i.project_id, i.id)
            ]  # fmt: skip


USUAL = {("v14", region): 0.04 for region in REGIONS}
BAD = {**USUAL, ("v14", "eu"): 0.5}


@pytest.fixture
def fresh(engine: Engine) -> Site:
    return Site(engine)


@dataclasses.dataclass(frozen=True)
class Usual:
    """A store after two hours of usual traffic, and what its site knew then."""

    url: str
    now: dt.datetime
    count: int
    chance: tuple[Any, ...]


@pytest.fixture(scope="module")
def two_hours(servers: dict[str, str]) -> Iterator[Usual]:
    """Made once; each test has a copy."""
    for url in clone(servers["18"]):
        engine = connect(url)
        site = Site(engine)
        site.traffic(USUAL, minutes=120)
        assert site.incidents() == []
        engine.dispose()
        yield Usual(url, site.now, site.count, site.chance.getstate())


@pytest.fixture
def site(servers: dict[str, str], two_hours: Usual) -> Iterator[Site]:
    """A site of which two hours are known."""
    for url in clone(servers["18"], two_hours.url):
        engine = connect(url)
        site = Site(engine)
        site.now, site.count = two_hours.now, two_hours.count
        site.chance.setstate(two_hours.chance)
        yield site
        engine.dispose()


def test_steady_traffic_says_nothing(fresh: Site) -> None:
    fresh.traffic(USUAL, minutes=300)
    assert fresh.incidents() == []
    assert fresh.messages() == []


def test_a_failing_cohort_is_told_once_and_again_when_it_is_over(site: Site) -> None:
    site.traffic(BAD, minutes=60)
    (incident,) = site.incidents()
    assert [m.label for m in incident.members] == [("v14", "eu")]
    assert [d.kind for d in site.messages()] == ["opened"]
    site.traffic(USUAL, minutes=120)
    (incident,) = site.incidents()
    assert incident.status == "resolved"
    assert [d.kind for d in site.messages()] == ["opened", "resolved"]


def test_the_message_says_everything_in_order(site: Site) -> None:
    changed = site.now
    with site.engine.begin() as connection:
        connection.execute(
            sa.text("insert into first_seen values (1, 'prompt', 'help', 'v15', :at),"
                    " (1, 'prompt', 'another agent', 'w2', :at)"),
            {"at": changed},
        )  # fmt: skip
    site.versions = [["prompt", "help", "v15"]]
    site.traffic(BAD, minutes=60)
    text = str(site.messages()[0].message["text"]).splitlines()
    assert text[0] == "Grounded fails in v14 · eu"
    assert " of " in text[1]
    assert "interval" in text[1]
    assert "it was" in text[1]
    assert "New then: prompt help v15" in text[2]
    assert "w2" not in text[2], "no failing run carries it"
    assert any(line.startswith("Why: ") and "region = eu" in line for line in text)
    assert sum(line.startswith("Run: ") for line in text) == 5
    assert text[-1] == "Owner: support team"


def test_many_cohorts_failing_at_once_are_one_message(engine: Engine) -> None:
    site = Site(engine)
    many = {("v14", f"region {n}"): 0.04 for n in range(30)}
    site.traffic(many, minutes=60, each=1)
    site.traffic(dict.fromkeys(many, 0.7), minutes=60, each=1)
    (incident,) = site.incidents()
    assert len(incident.failing) == 30
    kinds = [d.kind for d in site.messages()]
    assert kinds[0] == "opened"
    assert len(kinds) <= 3
    assert site.messages()[-1].message["where"] == {"prompt_version": "v14"}


def test_a_cohort_that_appears_later_starts_cleanly(site: Site) -> None:
    site.traffic({**USUAL, ("v15", "eu"): 0.04}, minutes=120)
    assert site.incidents() == []
    site.traffic({**USUAL, ("v16", "eu"): 0.6}, minutes=60)
    (incident,) = site.incidents()
    assert [m.label for m in incident.members] == [("v16", "eu")]
    assert incident.members[0].usual < 0.1


def test_a_cohort_that_is_rolled_back_is_over_after_hours_without_a_run(site: Site) -> None:
    site.traffic({**USUAL, ("v15", "eu"): 0.6}, minutes=60)
    site.tick(after=dt.timedelta(hours=5))
    assert site.incidents()[0].status == "open"
    site.tick(after=dt.timedelta(hours=2))
    assert site.incidents()[0].status == "resolved"
    assert "Nothing of it has come for hours" in str(site.messages()[-1].message["text"])
    site.traffic({("v15", "eu"): 0.6}, minutes=60)
    assert [i.status for i in site.incidents()] == ["open", "resolved"]


def test_cohorts_that_are_long_gone_are_forgotten(fresh: Site) -> None:
    fresh.traffic({("v13", "eu"): 0.0}, minutes=30)
    fresh.now += dt.timedelta(days=31)
    ensure_days(fresh.engine, [fresh.now.date()])
    fresh.traffic(USUAL, minutes=5)
    with fresh.engine.connect() as connection:
        assert ("v13", "eu") not in alerts.states(connection, 1)


def test_a_reminder_comes_until_somebody_acknowledges(engine: Engine) -> None:
    site = Site(engine, dataclasses.replace(RULE, renotify=dt.timedelta(hours=1)))
    site.traffic(USUAL, minutes=120)
    site.traffic(BAD, minutes=60)
    before = len(site.messages())
    site.tick(after=dt.timedelta(hours=1))
    assert [d.kind for d in site.messages()][before:] == ["still"]
    with site.engine.begin() as connection:
        incidents.acknowledge(connection, 1, site.incidents()[0].id, by=ME, now=site.now)
    site.tick(after=dt.timedelta(hours=3))
    assert len(site.messages()) == before + 1


def test_a_snoozed_incident_is_silent_and_then_reminds(site: Site) -> None:
    site.traffic(BAD, minutes=60)
    until = site.now + dt.timedelta(hours=5)
    with site.engine.begin() as connection:
        incidents.snooze(connection, 1, site.incidents()[0].id, until, by=ME, now=site.now)
    site.tick(after=dt.timedelta(hours=4, minutes=30))
    assert len(site.messages()) == 1
    site.tick(after=dt.timedelta(minutes=30))
    assert [d.kind for d in site.messages()] == ["opened", "still"]


def test_no_data_is_told_apart_and_ends_with_data(engine: Engine) -> None:
    site = Site(engine, Rule("silent", rate="errors", by=("region",), channels=("hook",),
                             no_data=dt.timedelta(minutes=30)))  # fmt: skip
    site.traffic(USUAL, minutes=60)
    others = {cohort: rate for cohort, rate in USUAL.items() if cohort[1] != "eu"}
    site.traffic(others, minutes=60)
    (incident,) = site.incidents()
    assert (incident.mode, [m.label for m in incident.members]) == ("no_data", [("eu",)])
    assert "No data" in str(site.messages()[0].message["title"])
    site.traffic(USUAL, minutes=10)
    assert site.incidents()[0].status == "resolved"


def test_scoring_again_twice_moves_nothing(fresh: Site) -> None:
    fresh.traffic(BAD, minutes=30)
    with fresh.engine.begin() as connection:
        states = alerts.states(connection, 1)
        traces = connection.execute(sa.text("select trace_id from trajectory"))
        feed.note(connection, 1, [r.trace_id.hex for r in traces], now=fresh.now)
    fresh.tick()
    with fresh.engine.begin() as connection:
        assert alerts.states(connection, 1) == states


def test_old_runs_that_come_late_wake_nobody(site: Site) -> None:
    yesterday = [
        Planted(f"old {n}", site.now - dt.timedelta(hours=12), {"prompt_version": "v14"},
                {"grounded": verdict_of(True)})
        for n in range(200)
    ]  # fmt: skip
    with site.engine.begin() as connection:
        plant(connection, yesterday, now=site.now)
    site.tick()
    assert site.incidents() == []


def test_verdicts_taken_back_in_time_prevent_the_incident(fresh: Site) -> None:
    fresh.traffic(USUAL, minutes=60)
    values = {"prompt_version": "v14", "region": "eu"}

    def judge(fails: bool) -> None:
        runs = [Planted(f"x {n}", fresh.now, values, {"grounded": verdict_of(fails)})
                for n in range(6)]  # fmt: skip
        with fresh.engine.begin() as connection:
            plant(connection, runs, now=fresh.now)
        fresh.tick()

    for fails in (True, False) * 4:
        judge(fails)
    assert fresh.incidents() == []


def test_a_clock_that_is_set_back_loses_and_doubles_nothing(site: Site) -> None:
    site.now -= dt.timedelta(hours=3)
    site.traffic(USUAL, minutes=60)
    assert site.incidents() == []
    site.traffic(BAD, minutes=60)
    assert len(site.incidents()) == 1
    site.now -= dt.timedelta(hours=1)
    site.tick()
    site.tick(after=dt.timedelta(hours=2))
    assert [d.kind for d in site.messages()] == ["opened"]


def test_a_failed_transaction_leaves_nothing_half_done(site: Site) -> None:

    def broken(*_: object, **__: object) -> Mapping[str, object]:
        raise KeyboardInterrupt("killed here")

    while not site.incidents():
        site.traffic(BAD, minutes=5)
    site.now += MINUTE
    with pytest.raises(KeyboardInterrupt, match="killed"):
        alert_engine.tick(site.engine, site.now, compose=broken)
    assert site.messages() == []
    site.tick()
    site.tick()
    assert [d.kind for d in site.messages()] == ["opened"]


def test_a_changed_rule_starts_anew_and_is_in_the_log(fresh: Site) -> None:
    fresh.traffic(USUAL, minutes=30)
    fresh.save(Rule("grounded", evaluator="grounded", by=("region",)))
    with fresh.engine.connect() as connection:
        assert alerts.states(connection, 1) == {}
        log = connection.execute(sa.text("select action, before, after from audit order by id"))
        assert [(row.action, row.before is None) for row in log] == [
            ("alert.save", True), ("alert.save", False),
        ]  # fmt: skip


def test_the_preview_over_what_is_stored_says_what_the_server_did(site: Site) -> None:
    site.traffic(BAD, minutes=60)
    site.traffic(USUAL, minutes=120)
    with site.engine.connect() as connection:
        (incident,) = incidents.page(connection, 1)
        did = [
            (tuple(e.detail["label"]), e.what == "joined")
            for e in incidents.events(connection, 1, incident.id) if "label" in e.detail
        ]  # fmt: skip
        said = history.run(connection, 1, RULE.body(), START, site.now)
    assert [(turn.label, turn.fired) for turn in said] == did
    assert did == [(("v14", "eu"), True), (("v14", "eu"), False)]


def test_what_was_found_of_an_incident_stays_with_it_when_it_is_over(site: Site) -> None:
    site.traffic(BAD, minutes=60)
    (known,) = site.incidents()
    site.traffic(USUAL, minutes=180)
    with site.engine.connect() as connection:
        (incident,) = incidents.page(connection, 1)
    assert incident.status == "resolved"
    assert "interval" in incident.found["body"]
    assert incident.began == dt.datetime.fromisoformat(incident.found["since"]) == known.began
    assert incident.detail["message"]["title"].startswith("Resolved")


@pytest.mark.parametrize("change", ["removed", "off", "watches another key"])
def test_what_is_not_watched_any_more_is_over_and_told_so_once(site: Site, change: str) -> None:
    site.traffic(BAD, minutes=60)
    with site.engine.begin() as connection:
        if change == "removed":
            alerts.remove(connection, 1, "grounded", by=ME)
    if change == "off":
        site.save(dataclasses.replace(RULE, enabled=False))
    elif change != "removed":
        site.save(dataclasses.replace(RULE, by=("region",)))
    site.now = dt.datetime.now(dt.UTC)
    site.tick()
    site.tick(after=dt.timedelta(hours=5))
    assert site.incidents()[0].status == "resolved"
    assert [d.kind for d in site.messages()] == ["opened", "resolved"]
    assert "not watched any more" in str(site.messages()[1].message["text"])


def test_without_a_file_the_rules_of_the_last_one_end(engine: Engine) -> None:
    rules = [Rule("of the file", rate="errors")]
    keep_rules(engine, rules, Path("waypost.toml"))
    with engine.begin() as connection:
        alerts.save(connection, 1, Rule("own", rate="errors").body(), by=Actor("ann", "test"))
    alert_chores(engine, Settings(config=None), ())
    with engine.connect() as connection:
        assert [rule.name for rule in alerts.every(connection, 1)] == ["own"]
