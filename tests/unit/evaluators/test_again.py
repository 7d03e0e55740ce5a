"""Running again over a filter: counted first, resumable, and healthy to look at."""

import datetime as dt
import threading
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from evaluators.again import ask_again, check_names, estimate
from evaluators.evaluator import Evaluator, evaluator
from evaluators.health import examine
from evaluators.outbox import Outbox, request_of
from evaluators.verb import Request, evaluate, health
from evaluators.worker import Worker
from tests.factories import NOW_NS
from tests.unit.evaluators.test_worker import send, settle_jobs, shipped, stored, whole, worker
from waypost.errors import WrongUse
from waypost.records import Score, Step
from waypost.settings import Settings
from waypost.store import projects
from waypost.store.projects import Project
from waypost.store.traces import Filter

AT = dt.datetime.fromtimestamp(NOW_NS / 1e9, dt.UTC)
REVIEWED = sa.text(
    "insert into review (project_id, trace_id, span_id, started_at, evaluator, reviewer, outcome,"
    " judged, at) values (1, gen_random_uuid(), :n, :at, 'shipped', 'p', :outcome, :judged, :at)"
)
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


def project(engine: Engine) -> Project:
    with engine.connect() as connection:
        return projects.get(connection, 1)


def test_what_has_its_score_is_skipped_and_what_is_new_is_judged(engine: Engine) -> None:
    settled(engine, shipped)
    made = worker(engine, shipped_later)
    plan = made.desk.plan
    names = check_names(plan, [])
    (done,) = ask_again(engine, project(engine), DAY, plan, names)
    assert (done.runs, done.asked, done.skipped) == (3, 3, 0)
    settle_jobs(engine)
    made.turn()
    (again,) = ask_again(engine, project(engine), DAY, plan, names)
    assert (again.asked, again.skipped) == (0, 3)
    assert [s[1] for s in stored(engine, "r0")].count("passed") == 6


def test_the_count_comes_first(engine: Engine) -> None:
    plan = settled(engine, shipped).desk.plan
    found = estimate(engine, project(engine), DAY, plan, check_names(plan, []))
    assert (found.runs, found.steps, found.questions, found.cost_usd) == (3, 18, 0, 0.0)


def test_an_unknown_evaluator_is_refused(engine: Engine) -> None:
    with pytest.raises(WrongUse, match="shipped"):
        check_names(worker(engine, shipped).desk.plan, ["nope"])


def test_health_shows_counts_and_why_nothing_matches(engine: Engine) -> None:
    plan = settled(engine, shipped, whole).desk.plan
    quiet = worker(engine, shipped, whole, body={"evaluators": {"whole": {"projects": ["x"]}}})
    with engine.connect() as connection:
        since, until = DAY.since, DAY.until
        found = {h.name: h for h in examine(connection, project(engine), plan, since, now=until)}
        assert (found["shipped"].judged, found["shipped"].failed) == (9, 9)
        assert (found["whole"].matched, found["whole"].queued) == (3, 0)
        since = until - dt.timedelta(minutes=1)
        later = examine(connection, project(engine), quiet.desk.plan, since, now=until)
    assert {h.name: h.why for h in later}["whole"] == "no run has arrived yet"


def test_health_corrects_the_rate_by_what_people_found(engine: Engine, database: str) -> None:
    settled(engine, shipped)
    with engine.begin() as connection:
        for n, (judged, said) in enumerate([(0, 0)] * 40 + [(0, 1)] * 10 + [(1, 1)] * 45):
            connection.execute(REVIEWED, {"n": n, "judged": judged, "outcome": said, "at": AT})
    (found,) = [h for h in health(Settings(database_url=database), days=9999) if h.agreed]
    assert found.agreed is not None
    assert found.agreed.precision is not None
    assert found.agreed.precision.value == 0.8
    assert found.corrected is not None
    assert found.as_json()["precision"] is not None


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


def test_the_verb_counts_asks_and_says_so(engine: Engine, database: str) -> None:
    send(engine, "a", "b")
    settings = Settings(database_url=database)
    said: list[str] = []
    request = Request(names=["loop"], since=DAY.since, until=DAY.until)
    first = evaluate(settings, request, say=said.append)
    assert (first["runs"], first["asked"]) == (2, 2)
    assert said[0] == "2 runs with 12 steps; local evaluators cost nothing."
    counted = evaluate(settings, replace(request, only_count=True), say=said.append)
    assert counted["asked"] == 0
    with pytest.raises(WrongUse, match="is empty"):
        evaluate(settings, replace(request, since=DAY.until), say=said.append)
