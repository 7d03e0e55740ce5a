"""A cohort fails too where its runs break: that stands beside what evaluators found."""

import datetime as dt
from collections.abc import Iterator

import pytest
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
    assert "error ReadTimeout: 100 % of failures" in said
    assert "Newest failing runs (5)" in said
    labels = {b.label for b in page.button}
    assert "All 30 runs →" in labels
    assert not any("Review" in label for label in labels)


def test_the_list_holds_just_the_runs_that_the_cell_counts() -> None:
    place = everywhere()
    eu = (("region", "eu"),)
    rows = data.page(place, data.Wanted(where=eu, status="errors")).rows
    assert len(rows) == 30
    assert all(row.errors for row in rows)
    assert len(data.page(place, data.Wanted(where=eu, status="thumbs_down")).rows) == 1


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
