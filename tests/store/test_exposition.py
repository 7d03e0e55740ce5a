"""The rates for Prometheus are those of the store, and only for who may see cohorts."""

import asyncio
import datetime as dt

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.engine import Engine
from starlette.requests import Request

from collector.rates import Rates
from tests.planted import Planted, count_all, plant, verdict_of
from waypost.store import exposition, feedback_counts, keys, projects
from waypost.store.audit import Actor
from waypost.store.measures import Measure
from waypost.store.partitions import ensure_days
from waypost.store.rates import Window

NOW = dt.datetime.now(dt.UTC)
ODD = 'e"u\n\\'


@pytest.fixture
def seeded(engine: Engine) -> Engine:
    ensure_days(engine, [NOW.date() + dt.timedelta(days=n) for n in range(-2, 2)])
    runs = [
        Planted(f"run {n}", NOW - dt.timedelta(minutes=n), {"region": ODD},
                {"safe": verdict_of(n < 4)}, session=f"s{n // 2}", errors=int(n < 3),
                measures={"thumbs_down": int(n < 2), "tickets": int(n == 5)})
        for n in range(20)
    ]  # fmt: skip
    with engine.begin() as connection:
        plant(connection, runs, now=NOW)
        count_all(connection)
    return engine


def test_prometheus_reads_the_counters(seeded: Engine) -> None:
    with seeded.connect() as connection:
        text = exposition.text(connection, now=NOW)
    found = {
        (s.name, s.labels.get("measure")): s.value
        for family in text_string_to_metric_families(text) for s in family.samples
        if s.labels["cohort_region"] == ODD
    }  # fmt: skip
    assert found["waypost_scores_total", None] == 20
    assert found["waypost_scores_failed_total", None] == 4
    assert found["waypost_runs_with_total", "errors"] == 3
    assert found["waypost_runs_total", None] == 20


def asked_from(host: str, **headers: str) -> Request:
    pairs = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    return Request({"type": "http", "headers": pairs, "client": (host, 1)})


def test_only_this_machine_and_admin_keys_see_cohorts(seeded: Engine) -> None:
    by = Actor("someone", "test")
    with seeded.begin() as connection:
        _, admin = keys.create(connection, 1, "a", by=by, scopes=["admin"])
        _, read = keys.create(connection, 1, "r", by=by, scopes=["read"])
        other = projects.create(connection, "other", by=by)
        _, foreign = keys.create(connection, other.id, "f", by=by, scopes=["admin"])
    rates = Rates(seeded)

    def told(request: Request) -> bool:
        return "waypost_runs_total{" in asyncio.run(rates.of(request))

    assert told(asked_from("127.0.0.1"))
    assert told(asked_from("203.0.113.9", x_api_key=admin))
    assert not told(asked_from("203.0.113.9", x_api_key=foreign))
    assert not told(asked_from("203.0.113.9", x_api_key=read))
    assert not told(asked_from("203.0.113.9"))
    assert not told(asked_from("testclient"))


def test_complaints_are_counted_by_session(seeded: Engine) -> None:
    window = Window(NOW - dt.timedelta(days=1), NOW + dt.timedelta(minutes=1))
    with seeded.connect() as connection:
        (said,) = feedback_counts.by_cohort(connection, 1, window, keys=["region"])
    assert (said.sessions, said.rates[Measure.THUMBS_DOWN].k) == (10, 1)
    assert said.per_thousand(Measure.THUMBS_DOWN) == 100
    assert said.per_thousand(Measure.TICKETS) == 100
    assert said.per_thousand(Measure.ESCALATIONS) == 0
