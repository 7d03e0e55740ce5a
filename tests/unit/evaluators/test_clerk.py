"""Model judges at work: asked once, held when told so, stopped by the budget."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from evaluators.chat import ChatModel
from evaluators.clerk import Budget, Clerk
from evaluators.desk import Desk
from evaluators.health import look_at_all
from evaluators.project_plan import Plans
from evaluators.run import find_clerk
from evaluators.worker import Worker
from tests.factories import NOW_NS, SECOND, trace_id
from tests.unit.evaluators.openai_server import Judge, Reply, serving, verdict
from tests.unit.evaluators.test_worker import send, settle_jobs
from waypost.settings import Settings
from waypost.store import health, jobs, judges, scores

BODY = {"judges": {"groundedness_judge": {"kinds": ["llm"]}}}
LATER = NOW_NS + 3600 * SECOND
DAY = dt.datetime.fromtimestamp(NOW_NS / 1e9, dt.UTC) - dt.timedelta(days=1)


def clerk(
    engine: Engine, judge: Judge, *, budget: float = 10.0, body: dict[str, Any] = BODY
) -> Clerk:
    settings = Settings(judge_model="openai:gpt-4o-mini", judge_base_url=judge.url, judge_key="k")
    desk = Desk(Plans({}, body))
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


def test_a_rate_limit_of_one_worker_holds_the_others_too(engine: Engine) -> None:
    send(engine, "a", "b")
    with serving([Reply(status=429, headers={"Retry-After": "60"})]) as judge:
        first, second = clerk(engine, judge), clerk(engine, judge)
        first.concurrency = 1
        turns(first)
        assert len(judge.seen) == 1
        with ThreadPoolExecutor(4) as pool:
            assert second.turn(pool) == 0
        assert len(judge.seen) == 1


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


def test_what_repeats_cost_and_how_far_they_agree_is_on_the_account(engine: Engine) -> None:
    send(engine, "a", turns=1)
    body = {"judges": {"groundedness_judge": {"repeat": 3}}}
    with serving([verdict(), verdict(verdict="fail"), verdict(verdict="fail")]) as judge:
        turns(clerk(engine, judge, body=body))
    with engine.connect() as connection:
        (spent,) = judges.spent(connection, 1, DAY).values()
    assert (spent.asked, spent.errors, spent.tokens_in, spent.pairs, spent.same) == (
        1, 0, 3000, 3, 1,
    )  # fmt: skip
    assert spent.self_agreement is not None


def test_what_was_asked_in_vain_costs_as_well(engine: Engine) -> None:
    send(engine, "a", turns=1)
    body = {"judges": {"groundedness_judge": {"repeat": 2}}}
    with serving([verdict(), Reply(refusal="no")]) as judge:
        turns(clerk(engine, judge, body=body))
    with engine.connect() as connection:
        (spent,) = judges.spent(connection, 1, DAY).values()
        assert judges.spent_by_all(connection, DAY) == spent.cost_usd
    assert (spent.asked, spent.errors, spent.tokens_in) == (0, 1, 2000)


def test_health_says_why_nobody_is_asked(engine: Engine) -> None:
    send(engine, "a")
    with serving([verdict()]) as judge:
        made = clerk(engine, judge, budget=0.0)
        turns(made)
    assert made.paused() == "the budget of $0.00 a day is spent until midnight UTC"
    moment = dt.datetime.fromtimestamp(LATER / 1e9, dt.UTC)
    look_at_all(engine, made.desk.plans, paused=made.paused(), now=moment)
    with engine.connect() as connection:
        (found,) = health.of_evaluators(connection, 1, DAY)
    assert (found.name, found.queued) == ("groundedness_judge", 3)
    assert found.paused == made.paused()


@pytest.mark.parametrize(("model", "says"), [("openai:m", "credentials"), ("nobody:m", "nobody")])
def test_a_judge_that_cannot_be_built_is_said_and_ends_no_worker(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, model: str, says: str
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY"):
        monkeypatch.delenv(name, raising=False)
    found, why = find_clerk(Settings(judge_model=model), engine, Desk(Plans({}, BODY)))
    assert found is None
    assert why.startswith(f"The judge model '{model}' cannot be used: ")
    assert says in why


def test_another_worker_knows_what_was_spent(engine: Engine) -> None:
    send(engine, "a")
    with serving([verdict()]) as judge:
        turns(clerk(engine, judge, budget=0.001), 3)
        again = clerk(engine, judge, budget=0.0001)
        asked = len(judge.seen)
        turns(again)
        assert len(judge.seen) == asked


def test_a_spent_budget_stops_the_judges(engine: Engine) -> None:
    send(engine, "a")
    with serving([verdict()]) as judge:
        made = clerk(engine, judge, budget=0.0001)
        made.concurrency = 1
        turns(made, 5)
        assert len(judge.seen) == 1
    assert waiting(engine) == (2, 0)
