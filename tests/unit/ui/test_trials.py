"""The Datasets screen shows what the gate said last, by which rates, and leads to the runs."""

from collections.abc import Iterator
from typing import Any

import pytest
import streamlit as st
from sqlalchemy.engine import Engine
from streamlit.testing.v1 import AppTest

from tests import seed
from tests.unit.ui.pages import frames, open_screen, texts
from waypost.records import Json
from waypost.roles import Person, Role
from waypost.store import datasets, trials

BY = Person("ana", Role.ADMIN)


@pytest.fixture
def page(engine: Engine, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    monkeypatch.setenv("WAYPOST_DATABASE_URL", database)
    seed.tried(engine, seed.seed(engine, runs=10))
    yield open_screen("datasets", dataset="refunds")
    st.cache_resource.clear()


def choose(page: AppTest, table: str, row: int) -> AppTest:
    page.session_state[table] = {"selection": {"rows": [row], "columns": [], "cells": []}}
    return page.run()


def column(page: AppTest, name: str) -> list[Any]:
    return next(list(frame[name]) for frame in frames(page) if name in frame.columns)


def test_the_last_decision_stands_in_words_with_its_rates(page: AppTest) -> None:
    said = texts(page)
    assert "No: groundedness fails in 1 of 3 cases" in said
    assert "✕ no for v16 against v15, version 1 of the cases" in said
    assert column(page, "gate") == ["✕ no", "– not asked"]
    assert column(page, "condition") == ["groundedness: at most 5 %, at most 2 % worse"]
    assert column(page, "no verdict") == ["1 has not run"]
    assert column(page, "since") == ["only now"]


def test_a_failing_case_leads_to_both_runs_and_their_comparison(page: AppTest) -> None:
    choose(page, "failing_table", 0)
    assert not page.exception
    labels = [str(getattr(link, "label", link)) for link in page.get("page_link")]
    for label in ("Open the new run", "Open the recorded run", "Compare them"):
        assert any(label in one for one in labels)


def test_a_decision_that_names_too_many_cases_is_shown(page: AppTest, engine: Engine) -> None:
    many = {f"{n}": "does not say " * 100 for n in range(20_000)}
    with engine.begin() as connection:
        place = datasets.named(connection, 1, "refunds").id
        (case, *_) = datasets.cases(connection, 1, place)
        (trial, _) = trials.every(connection, 1, place)
        compared: Json = {"regressed": list(many), "mended": []}
        one: dict[str, Json] = {"measure": "errors", "failing": {case.key: "boom", **many}}
        trials.decide(
            connection, 1, trial.id, trials.Word.NO, sentence="No: errors", by=BY,
            conditions=[{**one, "compared": compared}],
        )  # fmt: skip
    page.run()
    assert not page.exception
    assert "At least 19,001 more cases failed than are listed." in texts(page)
    assert column(page, "fail only now") == [20_000]


def test_a_trial_that_was_not_judged_says_how_to_ask(page: AppTest) -> None:
    choose(page, "trials_table", 1)
    assert "The gate was not asked about v15 yet." in texts(page)


def test_a_dataset_without_trials_says_nothing_of_them(page: AppTest, engine: Engine) -> None:
    with engine.begin() as connection:
        datasets.create(connection, 1, "bare", by=BY)
        assert trials.every(connection, 1, datasets.named(connection, 1, "bare").id) == []
    assert "may it be released" not in texts(open_screen("datasets", dataset="bare"))


def test_a_dataset_without_trials_says_how_to_begin_one(page: AppTest, engine: Engine) -> None:
    with engine.begin() as connection:
        place = datasets.named(connection, 1, "refunds").id
        (case, *_) = datasets.cases(connection, 1, place)
        run = datasets.trajectory(connection, 1, place, case.key)
        datasets.put(connection, 1, "my runs", [run], by=BY)
    said = [code.value for code in open_screen("datasets", dataset="my runs").code]
    assert "waypost replay 'my runs' --agent MODULE:NAME --trial v16" in said
