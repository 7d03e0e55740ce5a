"""Running again over a filter: counted first, resumable, and healthy to look at."""

import datetime as dt
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy.engine import Engine

from evaluators.again import ask_again, check_names, estimate
from evaluators.evaluator import Evaluator, evaluator
from evaluators.health import look, look_at_all
from evaluators.outbox import Outbox, request_of
from evaluators.plan import Plan
from evaluators.verb import Request, evaluate, health
from evaluators.worker import Worker
from tests.factories import NOW_NS
from tests.unit.evaluators.test_worker import send, settle_jobs, shipped, stored, whole, worker
from waypost.errors import WrongUse
from waypost.records import Score, Step
from waypost.settings import Settings
from waypost.store import projects, reach
from waypost.store.health import of_evaluators
from waypost.store.projects import Project
from waypost.store.traces import Filter

AT = dt.datetime.fromtimestamp(NOW_NS / 1e9, dt.UTC)
DAY = Filter(AT - dt.timedelta(days=1), AT + dt.timedelta(days=1))


@evaluator(version=2, name="shipped")
def shipped_later(step: Step) -> Score:
    """Pass whatever was shipped."""
    return Score.passed()


def settled(engine: Engine, *judges: Evaluator, sent: int = 3) -> Worker:
    send(engine, *(f"r{n}" for n in range(sent)))
    made = worker(engine, *judges)
    for _ in range(2):
        settle_jobs(engine)
        made.turn()
    return made


def plan_of(made: Worker) -> Plan:
    with made.engine.connect() as connection:
        return made.desk.plans.of(connection, 1)


def project(engine: Engine) -> Project:
    with engine.connect() as connection:
        return projects.get(connection, 1)


def test_what_has_its_score_is_skipped_and_what_is_new_is_judged(engine: Engine) -> None:
    settled(engine, shipped)
    made = worker(engine, shipped_later)
    plan = plan_of(made)
    names = check_names(plan, [])
    (done,) = ask_again(engine, project(engine), DAY, plan, names)
    assert (done.runs, done.asked, done.skipped) == (3, 3, 0)
    settle_jobs(engine)
    made.turn()
    (again,) = ask_again(engine, project(engine), DAY, plan, names)
    assert (again.asked, again.skipped) == (0, 3)
    assert [s[1] for s in stored(engine, "r0")].count("passed") == 6


def test_the_count_comes_first(engine: Engine) -> None:
    plan = plan_of(settled(engine, shipped))
    found = estimate(engine, project(engine), DAY, plan, check_names(plan, []))
    assert (found.runs, found.steps, found.questions, found.cost_usd) == (3, 18, 0, 0.0)


def test_an_unknown_evaluator_is_refused(engine: Engine) -> None:
    with pytest.raises(WrongUse, match="shipped"):
        check_names(plan_of(worker(engine, shipped)), ["nope"])


def test_health_shows_counts_and_why_nothing_matches(engine: Engine) -> None:
    settled(engine, shipped, whole)
    body = {"evaluators": {"shipped": {"tools": ["refund"]}, "whole": {"cohort": {"region": "eu"}}}}
    quiet = worker(engine, shipped, whole, body=body).desk.plans
    with engine.begin() as connection:
        found = {h.name: h for h in of_evaluators(connection, 1, DAY.since)}
        assert (found["shipped"].judged, found["shipped"].failed) == (9, 9)
        assert (found["whole"].matched, found["whole"].queued) == (3, 0)
        look(connection, project(engine), quiet.of(connection, 1), now=DAY.until)
        later = {h.name: h.why for h in of_evaluators(connection, 1, DAY.until)}
    assert later == {
        "shipped": "0 of 18 steps: tool is refund, this project has none",
        "whole": "0 of 3 runs: cohort region is eu, this project has none",
    }


def test_a_worker_looks_at_a_project_once_a_minute(engine: Engine) -> None:
    plans = settled(engine, shipped).desk.plans
    assert look_at_all(engine, plans, paused="no judge", now=DAY.until) == 1
    assert look_at_all(engine, plans, now=DAY.until) == 0
    with engine.connect() as connection:
        (found,) = reach.of_project(connection, 1).values()
    assert (found.seen, found.matched, found.why, found.paused) == (18, 9, "", "")


def test_the_verb_shows_health_without_a_worker(engine: Engine, database: str) -> None:
    settled(engine, shipped)
    found = {h.name: h for h in health(Settings(database_url=database), days=9999)}
    assert found["shipped"].failed == 9
    assert found["loop"].why == "no run has arrived lately"


def test_scores_go_out_as_evaluation_events(engine: Engine) -> None:
    bodies: list[bytes] = []

    def post(body: bytes) -> bool:
        bodies.append(body)
        return True

    box = Outbox("http://127.0.0.1:1", post=post)
    send(engine, "a")
    made = worker(engine, shipped)
    made.tell = box.tell
    settle_jobs(engine)
    made.turn()
    stop = threading.Event()
    stop.set()
    box.run(stop)
    request = request_of([])
    request.ParseFromString(bodies[0])
    records = request.resource_logs[0].scope_logs[0].log_records
    assert (box.sent, len(records)) == (3, 3)
    told = {a.key: a.value for a in records[0].attributes}
    assert records[0].event_name == "gen_ai.evaluation.result"
    assert told["gen_ai.evaluation.name"].string_value == "shipped"
    assert told["gen_ai.evaluation.score.value"].double_value == 0.0


def test_scores_reach_an_otlp_endpoint_that_refused_them_at_first(engine: Engine) -> None:
    seen: list[tuple[str, str | None, int]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, self.headers["Content-Type"], len(body)))
            self.send_response(503 if len(seen) == 1 else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    box = Outbox(f"http://127.0.0.1:{server.server_address[1]}/")
    send(engine, "a")
    made = worker(engine, shipped)
    made.tell = box.tell
    settle_jobs(engine)
    made.turn()
    stop = threading.Event()
    stop.set()
    box.run(stop)
    server.shutdown()
    server.server_close()
    assert [s[:2] for s in seen] == [("/v1/logs", "application/x-protobuf")] * 2
    assert (box.sent, box.dropped) == (3, 0)


def test_the_verb_counts_asks_and_says_so(engine: Engine, database: str) -> None:
    send(engine, "a", "b")
    settings = Settings(database_url=database)
    said: list[str] = []
    request = Request(DAY, names=["loop"])
    first = evaluate(settings, request, say=said.append)
    assert (first["runs"], first["asked"]) == (2, 2)
    assert said[0] == "2 runs with 12 steps; local evaluators cost nothing."
    counted = evaluate(settings, replace(request, only_count=True), say=said.append)
    assert counted["asked"] == 0
