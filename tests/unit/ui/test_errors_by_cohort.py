"""A cohort fails too where its runs break: that stands beside what evaluators found."""

import datetime as dt
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
import streamlit as st
from sqlalchemy.engine import Engine

from tests.planted import Planted, count_all, plant, verdict_of
from tests.unit.ui.pages import open_screen, texts
from ui import data, ranking
from ui.place import Place
from waypost.store import alerts
from waypost.store.partitions import ensure_days
from waypost.store.rates import DAY, HOUR

NOW = dt.datetime.now(dt.UTC).replace(minute=1)
EU, US = {"region": "eu"}, {"region": "us"}
CELL = {"by": "region", "k__region": "eu", "evaluator": "run:errors"}


@pytest.fixture(autouse=True)
def here(database: str, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("WAYPOST_DATABASE_URL", database)
    ensure_days(engine, [NOW.date() - n * DAY for n in range(-1, 4)])
    with engine.begin() as connection:
        for region in (EU, US):
            plant(connection, [run(n, region, NOW - DAY - HOUR, bad=n == 0) for n in range(60)])
            plant(
                connection,
                [run(n, region, NOW - HOUR, bad=n % 2 == 0 and region is EU) for n in range(60)],
            )
        count_all(connection)
    yield
    st.cache_resource.clear()


def run(n: int, region: dict[str, str], last: dt.datetime, *, bad: bool) -> Planted:
    at = last - n * dt.timedelta(minutes=2)
    faults = {"0" * 15 + "1": "ReadTimeout"} if bad else {}
    return Planted(
        f"{region} {at}", at, region, {"safe": verdict_of(n == 5)},
        errors=int(bad), measures={"faults": faults, "thumbs_down": int(n == 7)},
    )  # fmt: skip


def everywhere() -> Place:
    return Place(data.all_projects()[0], "24h", None, None)


def test_the_answer_of_the_page_names_a_cohort_whose_runs_break() -> None:
    place = everywhere()
    found = data.compared(place, ["region"])
    counted = {
        (c.evaluator, c.values["region"]): (c.change.before.k, c.change.after.k, c.change.after.n)
        for c in found
    }
    assert counted["run:errors", "eu"] == (1, 30, 60)
    assert counted["run:errors", "us"] == (1, 0, 60)
    assert counted["run:thumbs_down", "us"] == (1, 1, 60)
    said = texts(open_screen("cohorts", by="region"))
    assert "More errors in eu: 50 % of 60" in said
    assert "(was 1.7 %)" in said


def test_two_sides_are_compared_by_their_errors_too() -> None:
    place = everywhere()
    found = data.compared(place, ["region"], (("region", "us"), ("region", "eu")))
    (errors,) = [c for c in found if c.evaluator == "run:errors"]
    assert (errors.change.before.k, errors.change.after.k) == (0, 30)


def test_its_cell_says_since_when_why_and_which_runs() -> None:
    page = open_screen("cohorts", **CELL)
    said = texts(page)
    assert "Errors in eu" in said
    assert "50 % of 60 had an error" in said
    assert "What broke is mostly ReadTimeout (31 of 31)." in said
    assert "Failures gather in region" not in said
    assert "Newest failing runs (5)" in said
    labels = {b.label for b in page.button}
    assert "All 30 runs →" in labels
    assert not any("Review" in label for label in labels)


def test_the_list_holds_just_the_runs_that_the_cell_counts() -> None:
    place = everywhere()
    eu = (("region", "eu"),)
    rows = data.page(place, data.Wanted(where=eu, evaluator="run:errors")).rows
    assert len(rows) == 30
    assert all(row.errors for row in rows)
    assert len(data.page(place, data.Wanted(where=eu, evaluator="run:thumbs_down")).rows) == 1


def test_a_rule_can_watch_errors(engine: Engine) -> None:
    page = open_screen("alerts", new="1", **CELL)
    (watched,) = [s for s in page.selectbox if s.key == "rule_evaluator"]
    assert watched.options[int(watched.index or 0)] == "Errors"
    assert next(t for t in page.text_input if t.key == "rule_name").value == "Errors by cohort"
    next(b for b in page.button if b.label == "Save the rule").click().run()
    with engine.connect() as connection:
        (rule,) = alerts.every(connection, 1)
    assert rule.body["rate"] == "errors"
    assert "evaluator" not in rule.body


def test_errors_take_no_part_in_what_is_said_of_verdicts() -> None:
    found = ranking.all_well(data.compared(everywhere(), ["region"]))
    assert "of 120 verdicts" in found


def test_the_list_of_a_cohort_says_that_replays_are_left_out(engine: Engine) -> None:
    assert "Replays are left out" not in texts(open_screen("traces", k__region="eu"))
    with engine.begin() as connection:
        plant(connection, [run(1, {**EU, "environment": "replay"}, NOW, bad=False)])
    data.forget()
    assert "Replays are left out" in texts(open_screen("traces", k__region="eu"))
    assert "Replays are left out" not in texts(open_screen("traces"))
    assert "Replays are left out" not in texts(open_screen("traces", env="replay"))


def test_the_list_counts_by_full_hours_as_the_cell_does(engine: Engine) -> None:
    now = NOW.replace(minute=20) - HOUR
    with engine.begin() as connection:
        plant(
            connection,
            [run(n, {"region": "edge"}, now - DAY + dt.timedelta(minutes=10), bad=True)
             for n in range(12)],
        )  # fmt: skip
        count_all(connection)
    data.forget()
    here = Place(data.all_projects()[0], "24h", None, now)
    cell = next(
        c for c in data.compared(here, ["region"])
        if (c.evaluator, c.values["region"]) == ("run:errors", "edge")
    )  # fmt: skip
    listed = data.page(here, data.Wanted(where=(("region", "edge"),), evaluator="run:errors"))
    assert len(listed.rows) == cell.change.after.k > 5


def test_the_list_of_a_cell_is_asked_for_with_no_filter_that_came_along() -> None:
    page = open_screen("cohorts", verdict="pass", status="running", **CELL)
    page.button(key="cell_all").click().run()
    assert page.query_params["evaluator"] == "run:errors"
    assert not {"verdict", "status"} & set(page.query_params)
    said = texts(open_screen("traces", **CELL))
    assert "had an error" in said
    assert "30 runs of the last 24 hours; 0 with a failed verdict. " in said


def test_verdicts_of_an_evaluator_that_takes_such_a_name_are_not_shown_as_it(
    engine: Engine,
) -> None:
    with engine.begin() as connection:
        planted = [
            Planted(f"odd {n}", NOW - HOUR, US, {"run:errors": verdict_of(True)}) for n in range(40)
        ]
        plant(connection, planted)
    data.forget()
    cells = [
        c for c in data.compared(everywhere(), ["region"])
        if (c.evaluator, c.values["region"]) == ("run:errors", "us")
    ]  # fmt: skip
    assert [c.change.after.k for c in cells] == [0]


def test_errors_alone_are_shown_though_nothing_is_judged(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("delete from score"))
        connection.execute(sa.text("delete from score_hour"))
        connection.execute(sa.text("delete from score_day"))
    data.forget()
    assert "More errors in eu" in texts(open_screen("cohorts", by="region"))


def test_two_values_are_settled_before_they_are_compared_and_stay_with_their_key() -> None:
    page = open_screen("cohorts", mode="values", by="region")
    asked = {name: page.query_params[name] for name in ("of", "left", "right")}
    assert asked == {"of": "region", "left": "eu", "right": "us"}
    assert "with eu" in texts(page)
    page.selectbox(key="side_of").set_value("model").run()
    assert page.query_params["of"] == "model"
    assert "left" not in page.query_params
    assert "fewer than two values" in texts(page)


def test_where_everything_fails_from_the_start_nothing_is_called_well(engine: Engine) -> None:
    with engine.begin() as connection:
        for table in ("score", "score_hour", "score_day", "run_hour", "run_day", "trajectory"):
            connection.execute(sa.text(f"delete from {table}"))
        plant(connection, [run(n, EU, NOW - HOUR, bad=True) for n in range(40)])
        count_all(connection)
    data.forget()
    said = texts(open_screen("cohorts", by="region,region"))
    assert "More errors in eu: 100 % of 40" in said
    assert "(was" not in said
    assert "out of line in the last 24 hours" in said
