"""The REST interface: closed by default, by key and scope, paged by keys, true to its words."""

import datetime as dt
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
import sqlalchemy as sa
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy.engine import Connection, Engine
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from collector.api import app
from collector.api.access import ScopedRoute, router
from collector.api.application import LIMIT
from collector.api.reads import cursor_of
from tests.conftest import clone
from tests.factories import make_run, readings, trace_id
from tests.planted import Planted, count_all, plant, verdict_of
from waypost.store import incidents, keys, projects, rates
from waypost.store.audit import Actor
from waypost.store.engine import connect
from waypost.store.incidents import Member
from waypost.store.ingest import Writer
from waypost.store.partitions import ensure_days

NOW = dt.datetime.now(dt.UTC)
ME = Actor("someone", "test")
CLOSED = {"/docs", "/openapi.json"}


@dataclass(frozen=True, slots=True)
class Seeded:
    """A store with runs, and a key for each scope."""

    url: str
    keys: dict[str, str]
    trace: str


@pytest.fixture(scope="module")
def seeded(servers: dict[str, str]) -> Iterator[Seeded]:
    """Filled once; each test has a copy."""
    for url in clone(servers["18"]):
        engine = connect(url)
        found = fill(engine, url)
        engine.dispose()
        yield found


def fill(engine: Engine, url: str) -> Seeded:
    ensure_days(engine, [NOW.date() + dt.timedelta(days=n) for n in range(-3, 2)])
    runs = [
        Planted(f"run {n}", NOW - dt.timedelta(minutes=n), {"region": "eu", "model": "haiku"},
                {"safe": verdict_of(n % 3 == 0)}, errors=n % 2)
        for n in range(25)
    ]  # fmt: skip
    with engine.begin() as connection:
        plant(connection, runs, now=NOW)
        count_all(connection)
        made = {
            scope: keys.create(connection, 1, scope, by=ME, scopes=[scope])[1]
            for scope in keys.SCOPES
        }
        other = projects.create(connection, "other", by=ME)
        made["other"] = keys.create(connection, other.id, "o", by=ME, scopes=["admin"])[1]
    return Seeded(url, made, runs[0].trace)


@pytest.fixture
def database(servers: dict[str, str], seeded: Seeded) -> Iterator[str]:
    yield from clone(servers["18"], seeded.url)


class Api:
    """The application over a seeded store."""

    def __init__(self, engine: Engine, seeded: Seeded) -> None:
        self.engine, self.count = engine, 0
        self.keys, self.trace = seeded.keys, seeded.trace
        self.app = app(engine)
        self.client = TestClient(self.app, raise_server_exceptions=True)

    def get(self, path: str, key: str = "read", **query: Any) -> Any:
        return self.client.get(path, params=query or None, headers={"x-api-key": self.keys[key]})

    def send(self, method: str, path: str, key: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.keys[key]}"}
        return self.client.request(method, path, json=body, headers=headers)

    def add_run(self) -> None:
        self.count += 1
        run = Planted(f"more {self.count}", dt.datetime.now(dt.UTC), {"region": "eu"})
        with self.engine.begin() as connection:
            plant(connection, [run], now=NOW)

    def incident(self) -> int:
        with self.engine.begin() as connection:
            made = incidents.open_one(
                connection, 1, rule_id=1, rule="r", mode="rate", now=dt.datetime.now(dt.UTC),
                since=NOW, notify_at=NOW,
            )  # fmt: skip
            incidents.join(connection, made, Member(("eu",), NOW, None, NOW, 5, 10, 0.05), now=NOW)
        return made


@pytest.fixture
def api(engine: Engine, seeded: Seeded) -> Iterator[Api]:
    found = Api(engine, seeded)
    with found.client:
        yield found


def routes_of(made: FastAPI) -> list[Any]:
    inner = [r for route in made.routes for r in _inside(route)]
    return [r for r in inner if getattr(r, "path", None) not in CLOSED]


def _inside(route: Any) -> list[Any]:
    included = getattr(route, "original_router", None)
    return [route] if included is None else list(included.routes)


def test_every_route_declares_a_scope(engine: Engine) -> None:
    found = routes_of(app(engine))
    assert len(found) >= 20
    assert all(isinstance(r, ScopedRoute) and r.scope_needed in keys.SCOPES for r in found)


def test_a_route_without_a_scope_answers_nobody(api: Api) -> None:
    loose = router()

    @loose.get("/loose")
    def _loose() -> dict[str, str]:
        return {"secret": "told"}

    api.app.include_router(loose)
    answer = api.get("/loose", key="admin")
    assert (answer.status_code, "told" in answer.text) == (403, False)


def test_without_a_good_key_nothing_is_told(api: Api, engine: Engine) -> None:
    for path, methods in api.app.openapi()["paths"].items():
        for method in methods:
            for headers in ({}, {"x-api-key": "wp_wrong"}):
                answer = api.client.request(method, path, headers=headers)
                assert (path, answer.status_code) == (path, 401)
    with engine.begin() as connection:
        keys.revoke(connection, 1, 2, by=ME)
    assert api.get("/cohorts").status_code == 401


@pytest.mark.parametrize(("method", "path", "key"), [
    ("GET", "/cohorts", "write"), ("POST", "/feedback", "read"), ("PUT", "/rules/a", "read"),
    ("PUT", "/rules/a", "write"), ("DELETE", "/rules/a", "read"),
    ("POST", "/incidents/1/acknowledge", "read"),
])  # fmt: skip
def test_a_key_without_the_scope_is_refused(api: Api, method: str, path: str, key: str) -> None:
    assert api.send(method, path, key, {"name": "a", "rule": {}}).status_code == 403


def test_it_works_where_the_collector_mounts_it(api: Api) -> None:
    outer = Starlette(routes=[Mount("/api/v1", api.app)])
    client = TestClient(outer)
    assert client.get("/api/v1/cohorts").status_code == 401
    answer = client.get("/api/v1/cohorts", headers={"x-api-key": api.keys["read"]})
    assert "region" in {c["key"] for c in answer.json()}


def test_another_project_sees_nothing(api: Api) -> None:
    made = api.incident()
    assert api.get("/trajectories", key="other").json()["items"] == []
    for path in (f"/trajectories/{api.trace}", f"/incidents/{made}"):
        assert api.get(path, key="other").status_code == 404
    assert api.send("POST", f"/incidents/{made}/acknowledge", "other").status_code == 404


def test_pages_join_without_gap_or_double(api: Api) -> None:
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = api.get("/trajectories", most=7, **({"cursor": cursor} if cursor else {})).json()
        seen += [t["trace_id"] for t in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 25


def test_pages_stay_whole_while_more_comes_in(api: Api) -> None:
    for path, key, more in (("/trajectories", "trace_id", "run"), ("/incidents", "id", "incident")):
        for _ in range(6):
            api.incident()
        before = [i[key] for i in api.get(path, most=200).json()["items"]]
        page = api.get(path, most=4).json()
        seen = [i[key] for i in page["items"]]
        while page["next"]:
            api.add_run() if more == "run" else api.incident()
            page = api.get(path, most=4, cursor=page["next"]).json()
            seen += [i[key] for i in page["items"]]
        assert seen == before


def test_steps_are_filtered_and_paged_by_their_number(api: Api) -> None:
    start = int((NOW - dt.timedelta(minutes=5)).timestamp() * 1e9)
    with Writer(api.engine).batch() as batch:
        batch.put(1, readings(make_run(9, start=start)), now=NOW)
    path = f"/trajectories/{trace_id('run')}/steps"
    every = [s["number"] for s in api.get(path).json()["items"]]
    tools: list[int] = []
    page = {"next": "0"}
    while page["next"]:
        page = api.get(path, kind="tool", most=2, after=page["next"]).json()
        tools += [s["number"] for s in page["items"]]
    assert (len(every), tools) == (18, every[1::2])
    assert api.get(path, tool="nothing").json() == {"items": [], "next": None}


FAR = "9999-12-31T23:59:59Z"


@pytest.mark.parametrize(("path", "query"), [
    ("/rates/compare", {"since": "0001-01-01T00:00:00Z", "until": "0001-01-02T00:00:00Z"}),
    ("/explanation", {"since": "0001-01-01T00:00:00Z", "until": "0001-01-02T00:00:00Z",
                      "evaluator": "safe"}),
    ("/rates", {"until": FAR}), ("/rates", {"where": "region"}), ("/rates?key=a%00", {}),
    ("/incidents", {"cursor": cursor_of(NOW, True)}),
    ("/incidents", {"cursor": cursor_of(NOW, 2**63)}),
    ("/incidents", {"cursor": cursor_of(NOW, "0" * 32)}),
    ("/trajectories", {"cursor": cursor_of(NOW.replace(tzinfo=None), "0" * 32)}),
    ("/trajectories", {"cursor": cursor_of(NOW, "\u0663" * 32)}),
    ("/trajectories", {"cursor": "W10="}), ("/trajectories", {"most": 0}),
])  # fmt: skip
def test_what_makes_no_sense_is_answered_with_a_sentence(
    api: Api, path: str, query: dict[str, str]
) -> None:
    answer = api.get(path, **query)
    assert answer.status_code == 400
    assert answer.json()["error"].endswith(".")


@pytest.mark.parametrize("body", [
    b'{"rule": {"evaluator": "\\ud800"}}', b'{"rule": {"evaluator": "a\\u0000"}}',
    b'{"rule": {"evaluator": "a", "by": ["\\u0000"]}}', b'{"rule": {"rate": "cost", "over": NaN}}',
    b'{"rule": {"evaluator": "a", "where": {"\\ud800": "b"}}}', b"{", b"", b"null", b"\xff",
    b'{"rule": {"evaluator": "a", "channels": ["\\u0000"]}}', b'{"rule": ' + b"[" * 9000,
])  # fmt: skip
def test_a_body_that_makes_no_sense_is_answered_with_a_sentence(api: Api, body: bytes) -> None:
    headers = {"x-api-key": api.keys["admin"], "content-type": "application/json"}
    answer = api.client.put("/rules/x", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"].endswith(".")


def test_what_is_not_there_is_answered_with_a_sentence(api: Api) -> None:
    for method, path, status in (("GET", "/nothing", 404), ("PATCH", "/rules/x", 405)):
        answer = api.send(method, path, "admin")
        assert (answer.status_code, "/api/v1/docs" in answer.json()["error"]) == (status, True)


def test_a_question_that_takes_too_long_is_answered_with_a_sentence(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(connection: Connection, *_: object, **__: object) -> None:
        connection.execute(sa.text("set local statement_timeout = 1"))
        connection.execute(sa.text("select pg_sleep(5)"))

    monkeypatch.setattr(rates, "by_cohort", slow)
    answer = api.get("/rates")
    assert answer.status_code == 503
    assert "shorter window" in answer.json()["error"]


def test_whoever_guesses_keys_is_stopped(api: Api) -> None:
    guesses = [api.client.get("/cohorts", headers={"x-api-key": f"wp_{n}"}) for n in range(62)]
    assert [g.status_code for g in guesses] == [401] * 60 + [429] * 2


def test_rates_and_explanations_are_those_of_the_store(api: Api) -> None:
    (cell,) = api.get("/rates", key="read", evaluator="safe").json()
    assert (cell["fails"]["k"], cell["fails"]["n"]) == (9, 25)
    (runs,) = api.get("/rates/runs").json()
    assert (runs["runs"], runs["shares"]["errors"]["k"]) == (25, 12)
    assert len(api.get("/rates/failing", most=3).json()) == 3
    assert api.get("/explanation", evaluator="safe").json()["failures"] == 9
    assert sum(p["fails"]["k"] for p in api.get("/rates/series", evaluator="safe").json()) == 9
    (compared,) = api.get("/rates/compare").json()
    assert compared["before"]["rate"] is None
    assert api.get("/rates", where="region:us").json() == []
    (said,) = api.get("/rates/feedback").json()
    assert (said["sessions"], said["per_thousand"]["tickets"]) == (25, 0)


def test_a_rule_is_made_previewed_changed_and_removed(api: Api) -> None:
    rule = {"evaluator": "safe", "by": ["region"], "level": 0.1}
    assert api.send("PUT", "/rules/mine", "admin", {"rule": rule}).json()["rule"]["level"] == 0.1
    assert api.send("PUT", "/rules/mine", "admin", {"rule": {"level": 3}}).status_code == 400
    assert [r["name"] for r in api.get("/rules").json()] == ["mine"]
    assert api.send("POST", "/rules/preview", "read", {"rule": rule}).status_code == 200
    assert api.send("DELETE", "/rules/mine", "admin").status_code == 204
    assert api.send("DELETE", "/rules/mine", "admin").status_code == 404
    with api.engine.connect() as connection:
        log = connection.execute(sa.text("select actor from audit where action like 'alert.%'"))
        assert all(row.actor.endswith("admin") for row in log)


def test_cohort_keys_are_declared(api: Api) -> None:
    answer = api.send("PUT", "/cohorts", "admin", {"keys": ["region", "plan"]})
    assert answer.json() == {"keys": ["region", "plan"]}
    assert [c["key"] for c in api.get("/cohorts").json()] == ["region", "plan"]
    assert api.send("PUT", "/cohorts", "admin", {"keys": ["a", "a"]}).status_code == 400
    assert api.send("PUT", "/cohorts", "read", {"keys": ["a"]}).status_code == 403


def test_an_incident_is_read_acknowledged_and_snoozed(api: Api) -> None:
    made = api.incident()
    (item,) = api.get("/incidents", status="open").json()["items"]
    assert item["id"] == made
    assert api.send("POST", f"/incidents/{made}/acknowledge", "admin").json()["acknowledged_by"]
    answer = api.send("POST", f"/incidents/{made}/snooze", "admin", {"minutes": 30})
    assert answer.json()["snoozed_until"]
    whole = api.get(f"/incidents/{made}").json()
    assert [e["what"] for e in whole["events"]] == ["opened", "joined", "acknowledged", "snoozed"]


def test_feedback_is_stored_masked(api: Api) -> None:
    body = {"name": "thumbs", "trace_id": api.trace, "passed": False,
            "explanation": "write to jane.doe@example.com"}  # fmt: skip
    assert api.send("POST", "/feedback", "write", body).status_code == 202
    with api.engine.connect() as connection:
        (kept,) = connection.execute(sa.text("select detail::text from feedback")).scalars()
    assert "jane.doe" not in kept
    assert "EMAIL" in kept


def test_a_label_is_a_verdict_and_both_words_for_a_model_are_one(api: Api) -> None:
    for source in ("llm", "model"):
        body = {"name": "thumbs", "trace_id": api.trace, "label": "fail", "source": source}
        assert api.send("POST", "/feedback", "write", body).status_code == 202
    with api.engine.connect() as connection:
        kept = connection.execute(sa.text("select detail from feedback")).scalars().all()
    assert [(one["passed"], one["source"]) for one in kept] == [(False, "model")] * 2


def test_a_body_beyond_the_limit_is_refused(api: Api) -> None:
    answer = api.send("POST", "/feedback", "write", {"name": "x" * (LIMIT + 1)})
    assert answer.status_code == 413


def test_the_page_loads_nothing_from_anywhere(api: Api) -> None:
    page = api.client.get("/docs")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "/api/v1/trajectories" in page.text


def test_the_specification_is_kept(api: Api) -> None:
    specification = schemathesis.openapi.from_asgi("/openapi.json", api.app)
    checks = [not_a_server_error, status_code_conformance, content_type_conformance,
              response_schema_conformance]  # fmt: skip
    headers = {"x-api-key": api.keys["admin"]}
    seen = 0
    for found in specification.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()

        @settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            case.call_and_validate(checks=checks, headers=headers)

        check()
        seen += 1
    assert seen >= 20


def test_a_change_is_committed_before_it_is_answered(api: Api) -> None:
    seen: list[str] = []

    async def told(scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            seen.append(message["type"])
            await send(message)

        await api.app(scope, receive, sending)

    def committed(_: Connection) -> None:
        seen.append("commit")

    sa.event.listen(api.engine, "commit", committed)
    try:
        answer = TestClient(told).put(
            "/rules/late",
            json={"rule": {"evaluator": "safe", "level": 0.1}},
            headers={"x-api-key": api.keys["admin"]},
        )
    finally:
        sa.event.remove(api.engine, "commit", committed)
    assert answer.status_code == 200, answer.text
    assert seen.index("commit") < seen.index("http.response.start")


def test_more_verdicts_at_once_than_there_are_connections_are_all_taken(api: Api) -> None:
    def give(number: int) -> int:
        body = {"trace_id": api.trace, "name": f"thumb {number}", "value": 1}
        return int(api.send("POST", "/feedback", "write", body).status_code)

    with ThreadPoolExecutor(30) as pool:
        assert set(pool.map(give, range(60))) == {202}
