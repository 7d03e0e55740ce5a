"""A key with too many values a day cannot flood the cohorts, and it is said."""

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tests.factories import make_run, trace_id
from tests.store.test_ingest import put
from waypost.doctor import cohort_values_fit
from waypost.errors import WrongUse
from waypost.store import cohort_values, cohorts, projects, runs
from waypost.store.audit import Actor

DAY = dt.date(2026, 11, 20)


def test_the_thousand_and_first_value_of_a_day_is_other(any_engine: Engine) -> None:
    wanted = [{"tenant": f"t{n:05}", "region": "eu"} for n in range(1500)]
    with any_engine.begin() as connection:
        first = cohorts.ids(connection, 1, wanted[:700], day=DAY)
        every = cohorts.ids(connection, 1, wanted, day=DAY)
        count = connection.execute(sa.text("select count(*) from cohort")).scalar()
        said = cohort_values.overflowing(connection, 1, dt.datetime(2026, 11, 20, tzinfo=dt.UTC))
    assert count == 1001
    assert len(set(every.values())) == 1001
    assert all(every[key] == made for key, made in first.items())
    assert said == {"tenant": 500}


def test_a_value_stays_what_it_was_all_day_and_the_next_day_begins_anew(engine: Engine) -> None:
    with engine.begin() as connection:
        wanted = [{"tenant": f"t{n}"} for n in range(3)]
        first = cohort_values.admit(connection, 1, wanted, day=DAY, most=2)
        again = cohort_values.admit(connection, 1, wanted[::-1], day=DAY, most=2)
        later = cohort_values.admit(connection, 1, wanted[2:], day=DAY + dt.timedelta(1), most=2)
    assert [v["tenant"] for v in first] == ["t0", "t1", "other"]
    assert [v["tenant"] for v in again] == ["other", "t1", "t0"]
    assert later == [{"tenant": "t2"}]


def test_a_client_that_says_other_is_believed(engine: Engine) -> None:
    with engine.begin() as connection:
        found = cohort_values.admit(connection, 1, [{"tenant": "other"}, {}], day=DAY, most=0)
    assert found == [{"tenant": "other"}, {}]


@pytest.mark.parametrize(("key", "where", "place"), [
    ("plan", {"attributes": {"plan": "gold"}}, "root"),
    ("plan", {"resource": {"plan": "gold"}}, "every span"),
    ("plan", {"attributes": {"metadata": '{"plan": "gold"}'}}, "root"),
    ("session.plan", {"attributes": {"session.plan": "gold"}}, "root"),
    ("plan", {"attributes": {"plan": "gold"}}, "a later step"),
])  # fmt: skip
def test_any_attribute_can_be_declared_and_reaches_the_whole_run(
    engine: Engine, key: str, where: dict[str, Any], place: str
) -> None:
    root, *steps = make_run(2)
    if place != "a later step":
        root = root.replace(**where)
    if place != "root":
        steps = [s.replace(**where) for s in steps]
    put(engine, [root, *steps])
    with engine.begin() as connection:
        declared = projects.change(connection, 1, by=Actor("me", "test"), cohort_keys=[key])
        run = runs.load(connection, 1, trace_id("run"), cohort_keys=declared.cohort_keys)
    assert run is not None
    assert run.cohort == {key: "gold"}


@pytest.mark.parametrize("keys", [["a", "a"], ["a\x00"], ["\ud800"], [""], ["k"] * 17])
def test_keys_that_cannot_be_are_refused(engine: Engine, keys: list[str]) -> None:
    with engine.begin() as connection, pytest.raises(WrongUse, match="cohort keys"):
        projects.change(connection, 1, by=Actor("me", "test"), cohort_keys=keys)


def test_the_doctor_says_which_key_has_too_many_values(engine: Engine) -> None:
    today = dt.datetime.now(dt.UTC).date()
    with engine.begin() as connection:
        assert cohort_values_fit(connection).fine
        cohort_values.admit(connection, 1, [{"tenant": f"t{n}"} for n in range(9)], day=today,
                            most=2)  # fmt: skip
        found = cohort_values_fit(connection)
    assert not found.fine
    assert found.said == "tenant of project default: 7 runs of today counted as 'other'"
