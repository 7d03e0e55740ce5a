"""Datasets keep every version, and a case outlives the run it was made from."""

import datetime as dt

import pytest
from sqlalchemy.engine import Engine

from tests import seed
from waypost.assembly import assemble
from waypost.errors import NotAllowed, NotFound, WrongUse
from waypost.records import Trajectory
from waypost.roles import Person, Role
from waypost.store import datasets, snapshots

ANA = Person("ana", Role.REVIEWER)
NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def run(number: int = 0) -> Trajectory:
    plan = seed.plans(NOW, 10)[number]
    return assemble(seed.build(plan), cohort_keys=seed.KEYS)


@pytest.mark.parametrize("number", range(10))
def test_a_trajectory_comes_back_from_its_snapshot(number: int) -> None:
    given = run(number)
    assert snapshots.unpack(*snapshots.pack(given)) == given


def test_cases_are_added_once_and_versions_keep_what_they_held(engine: Engine) -> None:
    with engine.begin() as connection:
        made = datasets.create(connection, 1, "regressions", by=ANA)
        assert datasets.add(connection, 1, made, [run(0), run(1)], by=ANA) == 2
        assert datasets.add(connection, 1, made, [run(1)], by=ANA) == 0
        datasets.expect(connection, 1, made, run(0).id, {"must": "cite"}, by=ANA)
        datasets.remove(connection, 1, made, [run(1).id], by=ANA)
        held = [len(datasets.cases(connection, 1, made, version=v)) for v in (0, 1, 2, 3)]
        said = [c.expectation for c in datasets.cases(connection, 1, made, version=1)]
        now = datasets.cases(connection, 1, made)
        texts = [v.what for v in datasets.versions(connection, 1, made)]
    assert held == [0, 2, 2, 1]
    assert said == [{}, {}]
    assert [c.expectation for c in now] == [{"must": "cite"}]
    assert texts[-1] == "2 cases added"


def test_a_case_holds_its_whole_run(engine: Engine) -> None:
    with engine.begin() as connection:
        made = datasets.create(connection, 1, "runs", by=ANA)
        datasets.add(connection, 1, made, [run(3)], by=ANA)
        assert datasets.trajectory(connection, 1, made, run(3).id) == run(3)
        with pytest.raises(NotFound):
            datasets.trajectory(connection, 2, made, run(3).id)


def test_a_viewer_may_not_change_datasets_and_names_are_unique(engine: Engine) -> None:
    with engine.begin() as connection:
        datasets.create(connection, 1, "one", by=ANA)
        with pytest.raises(WrongUse):
            datasets.create(connection, 1, "one", by=ANA)
        with pytest.raises(NotAllowed):
            datasets.create(connection, 1, "two", by=Person("vic", Role.VIEWER))
        assert datasets.named(connection, 1, "one").cases == 0
