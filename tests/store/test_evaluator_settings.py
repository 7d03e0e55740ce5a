"""A project sets its own evaluators over the file's: checked, audited, followed without restart."""

import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from starlette.testclient import TestClient

from collector.api import app
from evaluators.config import parse_config
from evaluators.project_plan import Plans
from evaluators.run import build_plans, show_file
from tests.conftest import run_waypost
from tests.factories import SECOND, make_run, readings
from tests.unit.evaluators.test_worker import send, settle_jobs, shipped, stored, whole, worker
from waypost.errors import BadSetting, NotFound, WrongUse
from waypost.settings import Settings
from waypost.settings_check import checker
from waypost.store import audit, evaluator_settings, keys, projects
from waypost.store.audit import Actor
from waypost.store.evaluator_settings import Tables
from waypost.store.ingest import Writer

ANN = Actor("ann", "test")
FILE: Tables = {
    "evaluators": {"loop": {"owner": "ops", "parameters": {"repeats": 5}, "sampling": 0.5}},
    "policies": {"refunds": {"version": "1"}},
}


def put(engine: Engine, name: str, table: dict[str, Any], part: str = "evaluators") -> None:
    with engine.begin() as connection:
        evaluator_settings.put(connection, 1, part, name, table, by=ANN, check=checker())


def test_a_project_wins_key_by_key_and_inherits_the_rest() -> None:
    own = {"evaluators": {"loop": {"sampling": 1.0, "parameters": {}}, "retry_storm": {}}}
    joined = evaluator_settings.laid_over(FILE, own)
    assert joined["evaluators"]["loop"] == {
        "owner": "ops", "parameters": {"repeats": 5}, "sampling": 1.0,
    }  # fmt: skip
    assert set(joined) == {"evaluators", "policies"}
    assert "retry_storm" in joined["evaluators"]


def test_parameters_that_are_no_table_are_left_to_the_check() -> None:
    joined = evaluator_settings.laid_over(FILE, {"evaluators": {"loop": {"parameters": [1]}}})
    assert joined["evaluators"]["loop"]["parameters"] == [1]


def test_what_cannot_be_carried_out_is_refused_and_not_kept(engine: Engine) -> None:
    for name, table in (
        ("loop", {"sampling": 3}),
        ("nobody", {}),
        ("loop", {"agents": [{}]}),
        ("loop", {"owner": "a\x00"}),
        ("is_compliant", {"policy": "unknown"}),
    ):
        with pytest.raises(BadSetting):
            put(engine, name, table)
    rule = {"id": "a", "kind": "required_phrases", "phrases": ["x"], "when": "(("}
    with pytest.raises(BadSetting, match="no pattern"):
        put(engine, "p", {"rules": [rule]}, "policies")
    with pytest.raises(WrongUse, match="part"):
        put(engine, "loop", {}, "alerts")
    with engine.connect() as connection:
        assert evaluator_settings.every(connection, 1) == []


def test_a_policy_in_use_cannot_be_taken_away(engine: Engine) -> None:
    put(engine, "refunds", {"version": "2"}, "policies")
    put(engine, "is_compliant", {"policy": "refunds"})
    with engine.begin() as connection, pytest.raises(BadSetting, match="refunds"):
        evaluator_settings.remove(connection, 1, "policies", "refunds", by=ANN, check=checker())
    with engine.begin() as connection, pytest.raises(NotFound):
        evaluator_settings.remove(connection, 1, "policies", "other", by=ANN, check=checker())


def test_a_change_is_in_the_audit_log_with_before_and_after(engine: Engine) -> None:
    put(engine, "loop", {"sampling": 0.2})
    put(engine, "loop", {"sampling": 0.2})
    put(engine, "loop", {"sampling": 0.3})
    with engine.begin() as connection:
        evaluator_settings.remove(connection, 1, "evaluators", "loop", by=ANN, check=checker())
        said = [(e.action, e.target, e.before, e.after) for e in audit.latest(connection, 1)]
    assert said[::-1][-3:] == [
        ("evaluator.set", "evaluators.loop", None, {"sampling": 0.2}),
        ("evaluator.set", "evaluators.loop", {"sampling": 0.2}, {"sampling": 0.3}),
        ("evaluator.unset", "evaluators.loop", {"sampling": 0.3}, None),
    ]


def test_a_worker_follows_without_restart(engine: Engine) -> None:
    made = worker(engine, shipped, whole)
    for name, off in (("before", None), ("after", {"enabled": False}), ("again", None)):
        with engine.begin() as connection:
            connection.execute(sa.text("delete from evaluator_setting"))
            if off is not None:
                evaluator_settings.put(
                    connection, 1, "evaluators", "shipped", off, by=ANN, check=lambda _: None
                )
        send(engine, name)
        settle_jobs(engine)
        made.turn()
    judged = {name: {s[0] for s in stored(engine, name)} for name in ("before", "after", "again")}
    assert judged["after"] == {"whole"}
    assert judged["before"] == judged["again"] == {"shipped", "whole"}


def test_settings_that_no_longer_fit_leave_the_plan_as_it_was(engine: Engine) -> None:
    plans = Plans({shipped.name: shipped}, {}, refresh_seconds=0)
    with engine.begin() as connection:
        before = plans.of(connection, 1)
        evaluator_settings.put(
            connection, 1, "evaluators", "gone", {}, by=ANN, check=lambda _: None
        )
        assert plans.of(connection, 1) is before


def test_the_files_tables_are_shown_beside_the_projects_own(
    engine: Engine, database: str, tmp_path: Path
) -> None:
    path = tmp_path / "waypost.toml"
    path.write_text("[evaluators.loop]\nowner = 'ops'\nparameters.repeats = 5\n")
    put(engine, "loop", {"sampling": 0.5})
    plans = build_plans(Settings(database_url=database, config=path))
    show_file(engine, plans, set())
    with engine.connect() as connection:
        known = [(s.origin, s.name) for s in evaluator_settings.every(connection, 1)]
        tables = evaluator_settings.in_force(connection, 1)
    assert known == [("file", "loop"), ("store", "loop")]
    chosen = parse_config(tables, plans.evaluators).assignment("loop")
    assert (chosen.owner, chosen.sampling, chosen.parameters) == ("ops", 0.5, {"repeats": 5})
    show_file(engine, Plans(plans.evaluators, {}), set())
    with engine.connect() as connection:
        assert [s.origin for s in evaluator_settings.every(connection, 1)] == ["store"]


def test_a_project_made_while_a_worker_runs_is_shown_the_file_too(engine: Engine) -> None:
    plans = Plans({shipped.name: shipped}, {"evaluators": {shipped.name: {"owner": "ops"}}})
    shown: set[int] = set()
    show_file(engine, plans, shown)
    with engine.begin() as connection:
        made = projects.create(connection, "later", by=ANN)
    show_file(engine, plans, shown)
    with engine.connect() as connection:
        known = evaluator_settings.every(connection, made.id)
    assert [(s.origin, s.name) for s in known] == [("file", shipped.name)]


def test_rest_sets_shows_and_refuses(engine: Engine) -> None:
    with engine.begin() as connection:
        secret = keys.create(connection, 1, "a", by=ANN, scopes=["admin", "read"])[1]
    with TestClient(app(engine), headers={"x-api-key": secret}) as client:
        path = "/evaluators/settings/evaluators/loop"
        made = client.put(path, json={"table": {"sampling": 0.5, "owner": "ann"}})
        assert (made.status_code, made.json()[0]["table"]["owner"]) == (200, "ann")
        wrong = client.put(path, json={"table": {"sampling": "often"}})
        assert (wrong.status_code, "wrong type" in wrong.json()["error"]) == (400, True)
        assert client.get("/evaluators/settings").json()[0]["table"]["sampling"] == 0.5
        assert client.delete(path).status_code == 204
        assert client.delete(path).status_code == 404


def test_rest_tells_health_and_agreement(engine: Engine) -> None:
    with Writer(engine).batch() as batch:
        batch.put(1, readings(make_run(3, start=time.time_ns() - 60 * SECOND)))
    made = worker(engine, shipped)
    made.now = time.time_ns
    settle_jobs(engine)
    made.turn()
    with engine.begin() as connection:
        secret = keys.create(connection, 1, "a", by=ANN, scopes=["read"])[1]
    with TestClient(app(engine), headers={"x-api-key": secret}) as client:
        (found,) = client.get("/evaluators/health").json()
        assert (found["name"], found["failed"], found["precision"]) == ("shipped", 3, None)
        assert found["fail_rate"]["value"] == 1.0
        asked = {"evaluator": "shipped", "keys": "agent"}
        assert client.get("/evaluators/agreement", params=asked).json() == []


def test_the_verbs_set_show_and_unset(engine: Engine, database: str) -> None:
    at = {"WAYPOST_DATABASE_URL": database}
    done = run_waypost(
        "evaluators", "set", "loop", "sampling=0.5", "owner=ann", "parameters.repeats=4", env=at
    )
    assert (done.returncode, done.stdout) == (0, "evaluators.loop is set for project default.\n")
    run_waypost("evaluators", "set", "loop", "enabled=false", env=at)
    with engine.connect() as connection:
        (kept,) = evaluator_settings.every(connection, 1)
    assert kept.body == {
        "sampling": 0.5, "owner": "ann", "parameters": {"repeats": 4}, "enabled": False,
    }  # fmt: skip
    bad = run_waypost("evaluators", "set", "loop", "sampling=7", env=at)
    assert (bad.returncode, "between 0 and 1" in bad.stderr) == (2, True)
    assert run_waypost("evaluators", "set", "loop", "sampling", env=at).returncode == 2
    shown = run_waypost("evaluators", "settings", env=at).stdout
    assert "evaluators.loop" in shown
    assert run_waypost("evaluators", "unset", "loop", env=at).returncode == 0
    health = run_waypost("evaluators", "health", env=at).stdout
    assert "no run has arrived lately" in health
