"""Model judges at work: asked once, held when told so, stopped by the budget."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from evaluators.chat import ChatModel
from evaluators.clerk import Budget, Clerk
from evaluators.desk import Desk
from evaluators.project_plan import Plans
from evaluators.worker import Worker
from tests.factories import NOW_NS, SECOND, trace_id
from tests.unit.evaluators.openai_server import Judge, Reply, serving, verdict
from tests.unit.evaluators.test_worker import send, settle_jobs
from waypost.settings import Settings
from waypost.store import jobs, scores

BODY = {"judges": {"groundedness_judge": {"kinds": ["llm"]}}}
LATER = NOW_NS + 3600 * SECOND


def clerk(engine: Engine, judge: Judge, *, budget: float = 10.0) -> Clerk:
    settings = Settings(judge_model="openai:gpt-4o-mini", judge_base_url=judge.url, judge_key="k")
    desk = Desk(Plans({}, BODY))
    made = Clerk(engine, desk, ChatModel(settings, timeout=5), Budget(budget), now=lambda: LATER)
    settle_jobs(engine)
    Worker(engine, desk, ask=made.ask, now=lambda: LATER).turn()
    return made


def turns(made: Clerk, count: int = 1) -> None:
    with ThreadPoolExecutor(4) as pool:
        for _ in range(count):
            settle_jobs(made.engine)
            made.turn(pool)


def outcomes(engine: Engine, name: str) -> list[str]:
    since = dt.datetime.fromtimestamp(NOW_NS / 1e9, dt.UTC) - dt.timedelta(days=1)
    with engine.connect() as connection:
        found = scores.of_trace(connection, 1, [trace_id(name)], since)
    return [s.score.outcome.value for s in found]


def waiting(engine: Engine) -> tuple[int, int]:
    with engine.connect() as connection:
        depth = jobs.depth(connection, 1)
    return sum(d.waiting + d.leased for d in depth), sum(d.dead for d in depth)


def test_every_model_step_is_asked_about_once(engine: Engine) -> None:
    send(engine, "a")
    with serving([verdict(verdict="fail", explanation="no")]) as judge:
        made = clerk(engine, judge)
        turns(made, 2)
        clerk(engine, judge)
        turns(made, 1)
        assert len(judge.seen) == 3
    assert outcomes(engine, "a") == ["failed"] * 3
    assert waiting(engine) == (0, 0)


def test_a_rate_limit_holds_the_whole_provider_and_costs_no_attempt(engine: Engine) -> None:
    send(engine, "a")
    with serving([Reply(status=429, headers={"Retry-After": "60"})]) as judge:
        made = clerk(engine, judge)
        turns(made, 4)
        assert len(judge.seen) == 3
    assert outcomes(engine, "a") == []
    with engine.connect() as connection:
        tried = connection.execute(sa.text("select max(attempts) from job")).scalar_one()
    assert (waiting(engine), tried) == ((3, 0), 0)


def test_a_refusal_is_retried_then_parked_and_never_a_pass(engine: Engine) -> None:
    send(engine, "a", turns=1)
    with serving([Reply(refusal="no")]) as judge:
        made = clerk(engine, judge)
        turns(made, 7)
    assert outcomes(engine, "a") == []
    assert waiting(engine) == (0, 1)
    assert made.budget.spent > 0


def test_a_server_error_heals_by_itself(engine: Engine) -> None:
    send(engine, "a", turns=1)
    with serving([Reply(status=500), verdict()]) as judge:
        turns(clerk(engine, judge), 2)
    assert outcomes(engine, "a") == ["passed"]


def test_a_spent_budget_stops_the_judges(engine: Engine) -> None:
    send(engine, "a")
    with serving([verdict()]) as judge:
        made = clerk(engine, judge, budget=0.0001)
        made.concurrency = 1
        turns(made, 5)
        assert len(judge.seen) == 1
    assert waiting(engine) == (2, 0)
