"""`waypost alerts` lists, tests, previews and exports."""

import datetime as dt
import json
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tests.conftest import run_waypost
from tests.planted import Planted, count_all, plant, verdict_of
from tests.receiver import Receiver
from waypost.store import alerts
from waypost.store.audit import Actor
from waypost.store.partitions import ensure_days

FILE = """
[alerts.channels.hook]
kind = "webhook"
url = "{url}"

[[alerts.rules]]
name = "grounded"
evaluator = "grounded"
by = ["region"]
channels = ["hook"]
"""


def seeded(engine: Engine) -> None:
    now = dt.datetime.now(dt.UTC)
    ensure_days(engine, [now.date() + dt.timedelta(days=n) for n in range(-3, 2)])
    start = now - dt.timedelta(hours=20)
    runs = [
        Planted(f"run {n}", start + n * dt.timedelta(minutes=1), {"region": "eu"},
                {"grounded": verdict_of(n > 800 and n % 2 == 0)})
        for n in range(1000)
    ]  # fmt: skip
    with engine.begin() as connection:
        plant(connection, runs)
        count_all(connection)
        table = {"name": "grounded", "evaluator": "grounded", "by": ["region"]}
        alerts.save(connection, 1, table, by=Actor("someone", "test"))


def test_a_rule_is_listed_previewed_and_exported(engine: Engine, database: str) -> None:
    seeded(engine)
    where = {"WAYPOST_DATABASE_URL": database}
    assert "grounded fails" in run_waypost("alerts", "list", env=where).stdout
    said = run_waypost("alerts", "preview", "grounded", "--json", env=where)
    assert json.loads(said.stdout)["fired"] == 1
    plain = run_waypost("alerts", "preview", "grounded", env=where).stdout
    assert "would have fired 1 time in the last 30 days" in plain
    assert "waypost_scores_failed_total" in run_waypost("alerts", "export", env=where).stdout


def test_a_test_message_is_sent_and_its_fault_is_an_answer(
    database: str, receiver: Receiver, tmp_path: Path
) -> None:
    file = tmp_path / "waypost.toml"
    file.write_text(FILE.format(url=receiver.url))
    where = {"WAYPOST_DATABASE_URL": database, "WAYPOST_CONFIG": str(file)}
    refused = run_waypost("alerts", "test", "grounded", env=where)
    assert (refused.returncode, "not a public address" in refused.stdout) == (1, True)
    sent = run_waypost("alerts", "test", "grounded",
                       env={**where, "WAYPOST_ALLOWED_HOSTS": "127.0.0.1"})  # fmt: skip
    assert (sent.returncode, len(receiver.got)) == (0, 1)
    assert b"nothing is wrong" in receiver.got[0][2]


def test_a_rule_of_another_version_is_listed_with_what_is_wrong(
    engine: Engine, database: str
) -> None:
    seeded(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("update alert_rule set body = body || '{\"colour\": 1}'"))
    where = {"WAYPOST_DATABASE_URL": database}
    said = run_waypost("alerts", "list", env=where)
    assert (said.returncode, "it breaks: " in said.stdout) == (0, True)
    assert "unknown entry 'colour'" in said.stdout
    assert json.loads(run_waypost("alerts", "list", "--json", env=where).stdout)[0]["fault"]


def test_an_unknown_rule_is_said_in_a_sentence(database: str) -> None:
    said = run_waypost("alerts", "preview", "nothing", env={"WAYPOST_DATABASE_URL": database})
    assert said.returncode == 1
    assert said.stderr.count("\n") == 1
    assert "no alert rule 'nothing'" in said.stderr
