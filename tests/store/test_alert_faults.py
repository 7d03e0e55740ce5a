"""No message is lost or doubled: killed worker, dead, slow and failing receivers."""

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from evaluators.alerts.channel import Target, find_channels
from evaluators.alerts.doubts import Doubts
from evaluators.alerts.engine import tick
from evaluators.alerts.message import compose
from evaluators.alerts.outbox import GIVE_UP, LEASE, Post, send_due, wait
from evaluators.alerts.rules import Rule
from tests.planted import Planted, plant, verdict_of
from tests.receiver import Receiver
from waypost.cusum import FIELDS
from waypost.outgoing import Outgoing
from waypost.store import alerts, deliveries, incidents
from waypost.store.audit import Actor
from waypost.store.incidents import Incident, Member
from waypost.store.partitions import ensure_days

NOW = dt.datetime(2026, 11, 20, 14, 41, tzinfo=dt.UTC)
ROOT = Path(__file__).resolve().parent.parent.parent
BODY = {"name": "safe", "evaluator": "safe", "by": ["region"], "channels": ["hook"]}


def post_to(url: str) -> Post:
    target = Target("hook", "webhook", {"url": url})
    return Post(find_channels(), {"hook": target}, Outgoing(frozenset({"127.0.0.1"}), seconds=1))


def open_incident(engine: Engine, mode: str = "no_data") -> int:
    with engine.begin() as connection:
        rule = alerts.save(connection, 1, BODY, by=Actor("someone", "test"))
        made = incidents.open_one(
            connection, 1, rule_id=rule.id, rule="safe", mode=mode, now=NOW, since=NOW,
            notify_at=NOW,
        )  # fmt: skip
        incidents.join(connection, made, Member(("eu",), NOW, None, NOW, 5, 10, 0.05), now=NOW)
    return made


def events(engine: Engine, incident: int) -> list[incidents.Event]:
    with engine.connect() as connection:
        return incidents.events(connection, 1, incident)


def plant_runs(engine: Engine, count: int = 4) -> list[Planted]:
    ensure_days(engine, [NOW.date()])
    runs = [
        Planted(f"run {n}", NOW - dt.timedelta(minutes=n), {"region": "eu"},
                {"safe": verdict_of(n % 2 == 0)})
        for n in range(count)
    ]  # fmt: skip
    with engine.begin() as connection:
        plant(connection, runs, now=NOW)
    return runs


def messages(engine: Engine, incident: int) -> list[deliveries.Delivery]:
    with engine.connect() as connection:
        return deliveries.of_incident(connection, 1, incident)


def test_a_due_incident_becomes_one_message_however_often_it_is_asked(engine: Engine) -> None:
    made = open_incident(engine)
    assert [tick(engine, NOW).messages for _ in range(3)] == [1, 0, 0]
    assert len(messages(engine, made)) == 1


def in_brief(connection: Connection, rule: Rule, incident: Incident, now: dt.datetime,
             *, brief: bool = False) -> Mapping[str, object]:  # fmt: skip
    """Composes like the real one, but cannot explain."""
    if not brief:
        connection.execute(sa.text("select 1 / 0"))
    return compose(connection, rule, incident, now, brief=brief)


def test_a_message_that_cannot_be_explained_is_told_in_brief(engine: Engine) -> None:
    made = open_incident(engine, mode="rate")
    assert tick(engine, NOW, compose=in_brief).messages == 1
    (message,) = messages(engine, made)
    text = str(message.message["text"])
    assert "Safe fails in eu\n50 % of 10 verdicts (interval" in text
    assert "it was 5.0 %" in text
    assert "could not be put together" in text
    assert [e.what for e in events(engine, made)] == ["opened", "joined", "told in brief",
                                                      "notified"]  # fmt: skip


def test_a_message_that_cannot_be_composed_holds_up_no_other(engine: Engine) -> None:
    poisoned, good = open_incident(engine), open_incident(engine)

    def one_breaks(connection: Connection, rule: Rule, incident: Incident, now: dt.datetime,
                   *, brief: bool = False) -> Mapping[str, object]:  # fmt: skip
        if incident.id == poisoned:
            raise ValueError("a value nobody foresaw")
        return compose(connection, rule, incident, now, brief=brief)

    assert tick(engine, NOW, compose=one_breaks).messages == 1
    assert (len(messages(engine, poisoned)), len(messages(engine, good))) == (0, 1)
    last = events(engine, poisoned)[-1]
    assert (last.what, last.detail["error"]) == ("not told", "ValueError: a value nobody foresaw")
    assert tick(engine, NOW + dt.timedelta(minutes=5)).messages == 1


def test_an_incident_whose_runs_are_gone_is_told_all_the_same(engine: Engine) -> None:
    made = open_incident(engine, mode="rate")
    assert tick(engine, NOW).messages == 1
    assert "Nothing of it is stored any more" in str(messages(engine, made)[0].message["text"])


def test_a_run_that_cannot_be_counted_holds_up_no_other(engine: Engine) -> None:
    runs = plant_runs(engine)
    with engine.begin() as connection:
        connection.execute(
            sa.text("update trajectory set measures = '{}' where trace_id = :trace"),
            {"trace": runs[1].trace},
        )
    assert tick(engine, NOW).runs == 3
    with engine.connect() as connection:
        assert connection.execute(sa.text("select what, n from intake")).all() == [
            ("uncounted_run", 1)
        ]
        assert connection.execute(sa.text("select count(*) from changed")).scalar() == 0


def test_a_rule_that_breaks_holds_up_no_other_and_says_so(engine: Engine) -> None:
    with engine.begin() as connection:
        for name in ("a", "b"):
            alerts.save(connection, 1, {**BODY, "name": name}, by=Actor("someone", "test"))
        connection.execute(
            sa.text("update alert_rule set body = body || '{\"colour\": 1}' where name = 'a'")
        )
    plant_runs(engine)
    assert tick(engine, NOW).runs == 4
    with engine.begin() as connection:
        broken, good = alerts.every(connection, 1)
        assert "unknown entry 'colour'" in (broken.fault or "")
        assert good.fault is None
        assert alerts.states(connection, good.id)
        assert not alerts.states(connection, broken.id)
        alerts.save(connection, 1, {**BODY, "name": "a"}, by=Actor("someone", "test"))
        assert alerts.named(connection, 1, "a").fault is None


def test_a_rule_is_judged_and_says_which_of_its_names_nobody_knows(engine: Engine) -> None:
    odd = {"name": "odd", "evaluator": "grunded", "by": ["regoin"], "channels": ["hok"]}
    with engine.begin() as connection:
        for body in (BODY, odd):
            alerts.save(connection, 1, body, by=Actor("someone", "test"))
    plant_runs(engine)
    tick(engine, NOW, doubt=Doubts(["loop"], ["hook"]))
    with engine.connect() as connection:
        found, good = (alerts.named(connection, 1, name) for name in ("odd", "safe"))
        assert alerts.states(connection, good.id)
    assert good.fault is None  # nobody installed `safe`, but it has judged
    assert [w in (found.fault or "") for w in ("'grunded'", "'regoin'", "'hok'")] == [True] * 3


def test_a_state_row_of_another_version_starts_anew(engine: Engine) -> None:
    with engine.begin() as connection:
        rule = alerts.save(connection, 1, BODY, by=Actor("someone", "test"))
        alerts.save_states(connection, rule.id, [(("eu",), [1.0, 2.0])], {})
    plant_runs(engine)
    tick(engine, NOW)
    with engine.connect() as connection:
        assert len(alerts.states(connection, rule.id)[("eu",)]) == len(FIELDS)
        assert alerts.by_id(connection, rule.id).fault is None  # type: ignore[union-attr]  # saved above


def test_a_channel_that_breaks_holds_up_no_other(engine: Engine, receiver: Receiver) -> None:
    made = open_incident(engine)
    with engine.begin() as connection:
        for channel in ("broken", "hook"):
            deliveries.put(
                connection, 1, made, kind="opened", number=1, channel=channel,
                message={"title": "t", "text": "x"}, now=NOW,
            )  # fmt: skip
    post = post_to(receiver.url)
    bad = Target("broken", "email", {"host": "127.0.0.1", "port": "many", "sender": "a", "to": "b"})
    done = send_due(engine, Post(post.channels, {**post.targets, "broken": bad}, post.out), NOW)
    assert (done.sent, done.later) == (1, 1)
    assert "broke: ValueError" in (messages(engine, made)[0].error or "")


def test_a_worker_killed_between_state_change_and_delivery_loses_nothing(
    engine: Engine, receiver: Receiver
) -> None:
    made = open_incident(engine)
    tick(engine, NOW)
    assert send_due(engine, post_to(receiver.url), NOW).sent == 1
    assert send_due(engine, post_to(receiver.url), NOW + LEASE * 2).sent == 0
    assert len(receiver.got) == 1
    assert messages(engine, made)[0].status == "sent"


def test_a_message_that_one_worker_holds_is_not_sent_by_another(
    engine: Engine, receiver: Receiver
) -> None:
    open_incident(engine)
    tick(engine, NOW)
    with engine.begin() as connection:
        assert len(deliveries.claim(connection, now=NOW, lease=LEASE)) == 1
    assert send_due(engine, post_to(receiver.url), NOW + LEASE / 2).sent == 0
    assert receiver.got == []
    assert send_due(engine, post_to(receiver.url), NOW + LEASE * 2).sent == 1


_KILLED = """
import datetime as dt, os, signal, sys
from evaluators.alerts import engine, outbox
from waypost.store import deliveries
from waypost.store.engine import connect
store, now, place = connect(sys.argv[1]), dt.datetime.fromisoformat(sys.argv[2]), sys.argv[3]
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if place == "compose":
    engine.tick(store, now, compose=die)
engine.tick(store, now)
if place == "tick":
    die()
with store.begin() as connection:
    deliveries.claim(connection, now=now, lease=outbox.LEASE)
die()
"""


@pytest.mark.parametrize("place", ["compose", "tick", "claim"])
def test_a_process_killed_anywhere_leaves_the_message_to_the_next(
    engine: Engine, receiver: Receiver, place: str
) -> None:
    made = open_incident(engine)
    url = engine.url.render_as_string(hide_password=False)
    arguments = [sys.executable, "-c", _KILLED, url, NOW.isoformat(), place]
    died = subprocess.run(arguments, cwd=ROOT, check=False, timeout=60, env=dict(os.environ))
    assert died.returncode == -signal.SIGKILL
    later = NOW + LEASE * 2
    tick(engine, later)
    assert send_due(engine, post_to(receiver.url), later).sent == 1
    assert send_due(engine, post_to(receiver.url), later + LEASE * 2).sent == 0
    assert len(receiver.got) == len(messages(engine, made)) == 1


def test_a_message_that_may_have_arrived_is_sent_under_the_same_key_and_says_so(
    engine: Engine, receiver: Receiver
) -> None:
    open_incident(engine)
    tick(engine, NOW)
    with engine.begin() as connection:
        (lost,) = deliveries.claim(connection, now=NOW, lease=LEASE)
    assert send_due(engine, post_to(receiver.url), NOW + LEASE * 2).sent == 1
    assert receiver.got[0][1]["Idempotency-Key"] == lost.key


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_failing_receiver_gets_it_when_it_is_back(
    engine: Engine, receiver: Receiver, status: int
) -> None:
    made = open_incident(engine)
    tick(engine, NOW)
    receiver.status = status
    moment = NOW
    for attempt in range(1, 5):
        assert send_due(engine, post_to(receiver.url), moment).later == 1
        moment += wait(attempt)
    receiver.status = 200
    assert send_due(engine, post_to(receiver.url), moment).sent == 1
    (message,) = messages(engine, made)
    assert (message.status, message.attempts, message.error) == ("sent", 5, None)


def test_a_receiver_that_is_down_keeps_its_message_and_its_reason(
    engine: Engine, receiver: Receiver
) -> None:
    made = open_incident(engine)
    tick(engine, NOW)
    with Receiver() as gone:
        nowhere = post_to(gone.url)
    assert send_due(engine, nowhere, NOW).later == 1
    assert "no proper answer" in (messages(engine, made)[0].error or "")
    assert send_due(engine, nowhere, NOW + GIVE_UP + LEASE * 3).failed == 1


def test_a_refusing_receiver_ends_it_with_the_reason(engine: Engine, receiver: Receiver) -> None:
    made = open_incident(engine)
    tick(engine, NOW)
    receiver.status = 404
    assert send_due(engine, post_to(receiver.url), NOW).failed == 1
    assert messages(engine, made)[0].error == "The receiver answered 404."


def test_a_slow_receiver_does_not_hold_up_others(engine: Engine, receiver: Receiver) -> None:
    made = open_incident(engine)
    with engine.begin() as connection:
        for number, channel in enumerate(("slow", "hook", "hook")):
            deliveries.put(
                connection, 1, made, kind="opened", number=number + 5, channel=channel,
                message={"title": "t", "text": "x"}, now=NOW,
            )  # fmt: skip
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        post = post_to(receiver.url)
        slow = Target("slow", "webhook", {"url": f"http://127.0.0.1:{port}/"})
        post = Post(post.channels, {**post.targets, "slow": slow}, post.out)
        began = time.monotonic()
        done = send_due(engine, post, NOW)
    assert (done.sent, done.later) == (1, 1)
    assert time.monotonic() - began < 60
    assert send_due(engine, post_to(receiver.url), NOW).sent == 1


def test_messages_of_one_incident_leave_in_order(engine: Engine, receiver: Receiver) -> None:
    made = open_incident(engine)
    with engine.begin() as connection:
        for number in (1, 2):
            deliveries.put(
                connection, 1, made, kind="opened", number=number, channel="hook",
                message={"title": str(number), "text": "x"}, now=NOW,
            )  # fmt: skip
    receiver.status = 500
    assert send_due(engine, post_to(receiver.url), NOW).later == 1
    receiver.status = 200
    assert send_due(engine, post_to(receiver.url), NOW).sent == 0
    moment = NOW + wait(1)
    assert send_due(engine, post_to(receiver.url), moment).sent == 1
    assert send_due(engine, post_to(receiver.url), moment).sent == 1
    assert [b'"title":"1"' in body for _, _, body in receiver.got] == [True, True, False]


def test_a_channel_nobody_declared_is_said(engine: Engine) -> None:
    made = open_incident(engine)
    tick(engine, NOW)
    post = Post(find_channels(), {}, Outgoing())
    assert send_due(engine, post, NOW).failed == 1
    assert "declare it" in (messages(engine, made)[0].error or "")
