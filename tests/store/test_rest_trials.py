"""Trials, their results and what the gate said can be read by programs."""

import pytest
from sqlalchemy.engine import Engine
from starlette.testclient import TestClient

from collector.api import app
from tests import seed
from tests.store.test_rest import ME
from waypost.store import keys, projects


@pytest.fixture
def client(engine: Engine) -> TestClient:
    seed.tried(engine, seed.seed(engine, runs=10))
    with engine.begin() as connection:
        _, key = keys.create(connection, 1, "r", by=ME, scopes=["read"])
    return TestClient(app(engine), headers={"x-api-key": key})


def test_datasets_trials_and_results_are_read(client: TestClient) -> None:
    (dataset,) = client.get("/datasets").json()["items"]
    newest, older = client.get("/trials", params={"dataset": "refunds"}).json()["items"]
    assert (dataset["name"], dataset["cases"]) == ("refunds", 3)
    assert (newest["name"], newest["cases"], newest["results"]) == ("v16", 3, 3)
    assert newest["decision"]["verdict"] == "no"
    assert newest["decision"]["conditions"][0]["measure"] == "groundedness"
    assert older["decision"] is None


def test_results_are_paged_by_the_key_of_the_case(client: TestClient) -> None:
    asked = {"dataset": "refunds", "trial": "v16", "most": "2"}
    first = client.get("/trials/results", params=asked).json()
    rest = client.get("/trials/results", params={**asked, "after": first["next"]}).json()
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (2, 1, None)
    assert first["items"][0]["answer"] == "Yes, if your partner studies."


def test_another_project_finds_none_of_it(client: TestClient, engine: Engine) -> None:
    with engine.begin() as connection:
        other = projects.create(connection, "other", by=ME)
        _, key = keys.create(connection, other.id, "o", by=ME, scopes=["read"])
    mine = {"x-api-key": key}
    assert client.get("/datasets", headers=mine).json()["items"] == []
    for path in ("/trials?dataset=refunds", "/trials/results?dataset=refunds&trial=v16"):
        assert client.get(path, headers=mine).status_code == 404
