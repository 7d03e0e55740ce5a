"""What people do on pages: answer incidents, keep rules, change projects, make keys and cases."""

import datetime as dt
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
import streamlit as st
from sqlalchemy.engine import Engine

from tests import seed
from tests.unit.ui.pages import frames, open_screen, texts
from ui import causes, data
from ui.place import Place
from waypost.roles import Person, Role
from waypost.store import alerts, datasets, incidents, keys, projects, reviews
from waypost.store.audit import Actor
from waypost.store.incidents import Member

NOW = dt.datetime.now(dt.UTC)
BY = Actor("test", "test")
RULE = {"name": "groundedness fails", "evaluator": "groundedness", "by": ["region"]}


@pytest.fixture(autouse=True)
def here(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("WAYPOST_DATABASE_URL", database)
    yield
    st.cache_resource.clear()


def open_incident(engine: Engine, mode: str = "rate") -> int:
    with engine.begin() as connection:
        rule = alerts.save(connection, 1, RULE, by=BY)
        began = NOW - dt.timedelta(minutes=40)
        made = incidents.open_one(
            connection, 1, rule_id=rule.id, rule=rule.name, mode=mode, now=NOW, since=began,
            notify_at=NOW,
        )  # fmt: skip
        member = Member(("eu",), NOW, None, began, 34, 100, 0.04)
        incidents.join(connection, made, member, now=NOW)
    return made


def test_an_open_incident_leads_the_alerts(engine: Engine) -> None:
    number = open_incident(engine)
    said = texts(open_screen("alerts", incident=str(number)))
    assert "groundedness fails: eu, 34 % of 100" in said
    assert "(usual 4.0 %), failing" in said
    assert "opened" in said


def test_an_incident_of_missing_data_tells_of_no_rate(engine: Engine) -> None:
    number = open_incident(engine, "no_data")
    with engine.begin() as connection:
        incidents.resolve(connection, number, now=NOW)
    page = open_screen("alerts", incident=str(number))
    assert "no more data came" in texts(page)
    assert "the rate went up" not in texts(page)
    assert "eu" in set(frames(page)[0]["cohorts"])


def test_what_an_address_names_and_is_not_here_is_said(engine: Engine) -> None:
    open_incident(engine)
    said = texts(open_screen("alerts", incident="99", project="nowhere"))
    assert "There is no project nowhere here. This is default." in said
    assert "There is no incident 99 among the newest." in said
    assert "There is no" not in texts(open_screen("alerts", incident="1", project="default"))


def test_somebody_looks_into_an_incident(engine: Engine) -> None:
    number = open_incident(engine)
    page = open_screen("alerts", incident=str(number))
    next(b for b in page.button if b.label == "I look into it").click().run()
    with engine.connect() as connection:
        assert incidents.get(connection, 1, number).acknowledged_by == "local"
    assert "acknowledged by local" in texts(page)


def test_an_incident_can_be_kept_quiet(engine: Engine) -> None:
    number = open_incident(engine)
    open_screen("alerts", incident=str(number)).button(key="snooze_8").click().run()
    with engine.connect() as connection:
        until = incidents.get(connection, 1, number).snoozed_until
    assert until is not None
    assert until > NOW + dt.timedelta(hours=7)


def test_a_rule_says_what_it_would_have_done_before_it_is_kept(engine: Engine) -> None:
    seed.seed(engine, runs=60)
    page = open_screen("alerts", new="1", evaluator="groundedness", k__region="eu")
    assert "in the last 30 days" in texts(page)
    page.button(key="rule_save").click().run()
    with engine.connect() as connection:
        (rule,) = alerts.every(connection, 1)
    assert rule.body["by"] == ["region"]
    assert "All quiet: 1 rule watching" in texts(page)


def test_a_rule_that_cannot_be_is_a_sentence(engine: Engine) -> None:
    seed.seed(engine, runs=20)
    page = open_screen("alerts", new="1")
    page.text_input(key="rule_name").set_value("").run()
    assert "needs a name" in texts(page)
    assert not page.exception


def test_a_project_is_changed_and_the_log_says_by_whom(engine: Engine) -> None:
    page = open_screen("settings")
    page.number_input[0].set_value(7)
    page.button[0].click().run()
    with engine.connect() as connection:
        assert projects.get(connection, 1).keep_days == 7
    assert "project.change" in set(frames(page)[-1]["did"])


def test_cohort_keys_that_cannot_be_are_refused_with_a_sentence(engine: Engine) -> None:
    page = open_screen("settings")
    page.text_input[0].set_value(", ".join(f"k{i}" for i in range(30)))
    page.button[0].click().run()
    assert "At most 16 different cohort keys" in texts(page)


def test_an_evaluator_shows_how_far_people_bear_it_out(engine: Engine) -> None:
    seed.seed(engine, runs=60)
    with engine.begin() as connection:
        since = dt.datetime.now(dt.UTC) - dt.timedelta(days=2)
        found = reviews.candidates(
            connection, 1, since, reviewer="ana", evaluators=["policy_compliance"]
        )
        for one in found[:6]:
            given = reviews.Review(one.trace_id, one.span_id, one.evaluator, one.outcome)
            reviews.write(connection, 1, given, by=Person("ana", Role.REVIEWER))
    page = open_screen("evaluators", win="7d")
    shown = frames(page)[0]
    place = list(shown["evaluator"]).index("Policy compliance")
    assert "%" in shown["precision"][place]
    assert (shown["verdict after"] != "").all()
    page.session_state["judges_table"] = {"selection": {"rows": [place], "columns": []}}
    page.run()
    assert "version 1" in texts(page)
    assert "corrected by" in frames(page)[1].columns


def test_a_key_is_shown_once(engine: Engine) -> None:
    page = open_screen("settings")
    page.text_input[1].set_value("collector")
    next(b for b in page.button if b.label == "Make the key").click().run()
    with engine.connect() as connection:
        (made,) = keys.every(connection, 1)
    shown = [c.value for c in page.code if c.value.startswith("wp_")]
    assert (made.name, len(shown)) == ("collector", 1)
    page.run()
    assert not [c for c in page.code if c.value.startswith("wp_")]


def test_a_run_becomes_a_case_with_an_expectation(engine: Engine) -> None:
    trace = seed.seed(engine, runs=3)[0]
    page = open_screen("datasets", add=trace)
    page.text_input[0].set_value("regressions")
    page.text_area[0].set_value('{"must": "cite section 4.2"}')
    next(b for b in page.button if b.label == "Add").click().run()
    assert "1 case added to regressions." in texts(page)
    with engine.connect() as connection:
        (made,) = datasets.every(connection, 1)
        (case,) = datasets.cases(connection, 1, made.id)
    assert case.expectation == {"must": "cite section 4.2"}


@pytest.mark.parametrize("typed", ["{", "[1]", '"text"'])
def test_an_expectation_that_is_no_object_is_refused(engine: Engine, typed: str) -> None:
    trace = seed.seed(engine, runs=1)[0]
    page = open_screen("datasets", add=trace)
    page.text_input[0].set_value("one")
    page.text_area[0].set_value(typed)
    next(b for b in page.button if b.label == "Add").click().run()
    assert "Nothing was added." in texts(page)


def test_the_failing_runs_of_a_filter_become_cases(engine: Engine) -> None:
    seed.seed(engine, runs=40)
    page = open_screen("datasets", new="1", verdict="fail")
    assert "that fit the filter" in texts(page)
    page.text_input[0].set_value("failing")
    next(b for b in page.button if b.label == "Add").click().run()
    with engine.connect() as connection:
        (made,) = datasets.every(connection, 1)
    assert made.cases > 3


def test_the_list_of_runs_leads_to_a_dataset_of_its_filter(engine: Engine) -> None:
    seed.seed(engine, runs=40)
    page = open_screen("traces", verdict="fail")
    next(b for b in page.button if b.label == "Make a dataset").click().run()
    assert "that fit the filter" in texts(page)
    assert "fail" in page.query_params["verdict"]


def test_two_values_of_a_key_are_set_against_each_other(engine: Engine) -> None:
    seed.seed(engine, runs=120)
    page = open_screen("cohorts", mode="values", of="prompt_version", left="v14", right="v15")
    assert not page.exception
    assert not frames(page)  # the table is drawn for who opens it
    page.session_state["numbers"] = True
    shown = frames(page.run())[0]
    assert {"before", "n before"} <= set(shown.columns)
    assert shown["n before"].max() > 0


def test_a_cell_of_two_values_is_the_cell_of_the_later_one(engine: Engine) -> None:
    seed.seed(engine, runs=200)
    page = open_screen(
        "cohorts", mode="values", of="prompt_version", left="v14", right="v15",
        by="prompt_version,model,region", k__prompt_version="v15", k__model="claude-haiku-4-5",
        k__region="eu", evaluator="groundedness",
    )  # fmt: skip
    said = texts(page)
    assert "(with v14 " in said
    assert "Groundedness in claude-haiku-4-5 · eu · v15" in said
    assert "); with v14: " in said


def test_a_cell_of_the_address_is_explained(engine: Engine) -> None:
    seed.seed(engine, runs=200)
    page = open_screen(
        "cohorts", by="prompt_version,model,region", k__prompt_version="v15",
        k__model="claude-haiku-4-5", k__region="eu", evaluator="groundedness",
    )  # fmt: skip
    said = texts(page)
    assert "Groundedness in v15 · claude-haiku-4-5 · eu" in said
    assert "failed (interval" in said
    assert "first bad step is mostly step" in said


def test_only_what_a_cell_s_own_runs_carry_is_marked_in_its_line(engine: Engine) -> None:
    seed.seed(engine, runs=200)
    with engine.begin() as connection:
        connection.execute(
            sa.text("insert into first_seen values (1, 'tool', 'another_agent_s', 'a1', now())")
        )
    here = Place(data.all_projects()[0], "24h", None, None)
    where = {"prompt_version": "v15", "model": "claude-haiku-4-5", "region": "eu"}
    carried = causes.explained(here, "groundedness", where).versions
    marked = [said for _, said in causes.first_seen(here, carried)]
    everything = {("tool", "another_agent_s", "a1"), *carried}
    assert "another_agent_s" not in " ".join(marked)
    assert "tool another_agent_s a1" in [s for _, s in causes.first_seen(here, everything)]


def test_a_selection_that_outlives_the_last_rule_chooses_nothing(engine: Engine) -> None:
    with engine.begin() as connection:
        for name in ("first", "last"):
            alerts.save(connection, 1, {**RULE, "name": name}, by=BY)
    page = open_screen("alerts")
    page.session_state["rules"] = {"selection": {"rows": [1], "columns": []}}
    with engine.begin() as connection:
        alerts.remove(connection, 1, "last", by=BY)
    data.forget()
    assert not page.run().exception


def test_a_key_that_has_ended_is_not_good_until_then(engine: Engine) -> None:
    ended = NOW - dt.timedelta(days=2)
    with engine.begin() as connection:
        keys.create(connection, 1, "old", by=BY, expires_at=ended)
    assert f"✕ ended {ended:%Y-%m-%d}" in set(frames(open_screen("settings"))[0]["state"])


@pytest.mark.parametrize(
    ("needed", "said"), [("yes", "sending needs one"), ("no", "none is needed to send")]
)
def test_a_project_without_keys_says_whether_one_is_needed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, needed: str, said: str
) -> None:
    monkeypatch.setenv("WAYPOST_REQUIRE_KEY", needed)
    assert f"No keys yet; {said} here." in texts(open_screen("settings"))
