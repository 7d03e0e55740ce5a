"""A key with too many values a day cannot flood the cohorts, and it is said."""

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from waypost.store import cohort_values, cohorts

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
