"""What stands on a page when something is missing: no runs, no scores, no failures, no Postgres."""

import datetime as dt
import subprocess
from collections.abc import Iterator

import pytest
import streamlit as st
from sqlalchemy.engine import Engine
from streamlit.testing.v1 import AppTest

from tests import seed
from tests.factories import make_run, trace_id
from tests.unit.ui.pages import open_screen, texts
from ui import data
from ui.place import Place
from ui.screens.trace import LIST
from ui.widgets import empty
from waypost.errors import StoreAway
from waypost.records import Kind, Reading, Status
from waypost.store import cohort_values, projects, spans
from waypost.store.audit import Actor
from waypost.store.ingest import Writer
from waypost.store.projects import Project


@pytest.fixture(autouse=True)
def here(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("WAYPOST_DATABASE_URL", database)
    yield
    st.cache_resource.clear()


def put(engine: Engine, steps: list[object]) -> None:
    with Writer(engine).batch() as batch:
        batch.put(1, [Reading(s) for s in steps], now=dt.datetime.now(dt.UTC))  # type: ignore[arg-type]  # steps


def listed(page: AppTest) -> list[str]:
    """The runs in the list, as the brackets walk through them."""
    return list(page.session_state[LIST])


def recent(turns: int, trace: str) -> list[object]:
    start = int((dt.datetime.now(dt.UTC).timestamp() - 600) * 10**9)
    return list(make_run(turns, trace=trace, start=start))


def test_an_empty_installation_says_how_to_send_a_first_run(engine: Engine) -> None:
    page = open_screen("cohorts")
    assert "Nothing has arrived yet." in texts(page)
    assert "tracer.instrument" in page.code[0].value
    assert "4318" in page.code[0].value
    assert "4317" in page.code[1].value
    assert page.code[2].value == "waypost demo"


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_the_first_lines_of_an_open_installation_work_from_elsewhere(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("WAYPOST_HOST", host)
    monkeypatch.setenv("WAYPOST_TLS_CERT", "cert.pem")
    monkeypatch.setenv("WAYPOST_PUBLIC_URL", "https://traces.example/")
    here = Place(Project(1, "default", "standard", 30, ()), "24h", None, None)
    assert 'endpoint="https://traces.example:4318", project_key="wp_…")' in empty.first_lines(here)
    assert "https://traces.example:4318/v1/traces" in empty.addresses(here)
    assert "x-api-key" in empty.addresses(here)


def test_the_demo_is_sent_by_a_button(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[list[str]] = []

    class Demo:
        def __init__(self, command: list[str], **_: object) -> None:
            sent.append(command[1:])

        def poll(self) -> int:
            return len(sent) - 1  # as if it failed the second time

    monkeypatch.setattr(subprocess, "Popen", Demo)
    page = open_screen("cohorts")
    page.button(key="demo_send").click().run()
    assert sent == [["-m", "waypost", "demo"]]
    assert "on their way" in texts(page)


def test_runs_without_scores_show_the_queue(engine: Engine) -> None:
    put(engine, recent(2, "unjudged"))
    page = open_screen("cohorts")
    assert "No verdicts in the last 24 hours." in texts(page)
    assert "Queue trace: 1 waiting" in texts(page)


def test_no_failures_are_said_with_numbers(engine: Engine) -> None:
    plans = seed.plans(dt.datetime.now(dt.UTC), 20)
    seed.write(engine, plans[-3:])
    said = texts(open_screen("cohorts"))
    assert "verdicts failed" in said


def test_a_key_with_too_many_values_is_said_at_home(engine: Engine) -> None:
    seed.seed(engine, runs=12)
    with engine.begin() as connection:
        tenants = [{"tenant": f"t{n}"} for n in range(9)]
        today = dt.datetime.now(dt.UTC).date()
        cohort_values.admit(connection, 1, tenants, day=today, most=2)
    page = open_screen("cohorts", win="7d")
    assert "has more than 1,000 values a day: 9 runs" in texts(page)


def test_a_filter_that_finds_nothing_can_be_taken_out(engine: Engine) -> None:
    seed.seed(engine, runs=20)
    page = open_screen("traces", tool="nothing", k__region="mars")
    assert "fits these filters" in texts(page)
    assert "region is mars" in texts(page)
    page.button(key="chip_k.region").click().run()
    assert "region is mars" not in texts(page)


def test_filters_of_the_address_choose_the_runs(engine: Engine) -> None:
    seed.seed(engine, runs=40)
    everything, failed = open_screen("traces"), open_screen("traces", verdict="fail")
    assert 0 < len(listed(failed)) < len(listed(everything))
    assert f"{len(listed(failed))} with a failed verdict" in texts(failed)


def test_an_unknown_run_is_a_sentence_and_a_way_on(engine: Engine) -> None:
    page = open_screen("trace", trace_id="f" * 32)
    assert "No run with this id is stored" in texts(page)
    assert "names no run" in texts(open_screen("trace"))


def test_a_run_that_has_not_ended_says_so(engine: Engine) -> None:
    steps = [s for s in make_run(2, trace="live") if s.kind is not Kind.AGENT]
    now = int((dt.datetime.now(dt.UTC).timestamp() - 60) * 10**9)
    moved = [s.replace(started_at=now + i, ended_at=now + i + 1) for i, s in enumerate(steps)]
    put(engine, list(moved))
    assert "Running: 4 steps so far." in texts(open_screen("trace", trace_id=trace_id("live")))


def test_a_run_whose_messages_are_gone_says_what_is_missing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(engine, recent(3, "holes"))
    whole = spans.of_traces

    def without_bodies(*given: object) -> spans.Stored:
        found = whole(*given)  # type: ignore[arg-type]  # passed on as it came
        lost = tuple(s.replace(input_complete=False, status=Status.OK) for s in found.steps)
        return spans.Stored(lost, found.contents)

    monkeypatch.setattr(spans, "of_traces", without_bodies)
    said = texts(open_screen("trace", trace_id=trace_id("holes")))
    assert "The input of 6 steps is incomplete: its base was lost." in said


def test_with_postgres_away_the_last_figures_stay_with_their_age(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed.seed(engine, runs=30)
    before = texts(open_screen("cohorts"))
    data.forget()

    def away() -> None:
        raise StoreAway("Postgres does not answer: connection refused")

    monkeypatch.setattr(data, "reading", away)
    page = open_screen("cohorts")
    assert not page.exception
    assert "These are the last figures" in texts(page)
    assert before.splitlines()[0] in texts(page)


def test_with_postgres_away_from_the_start_there_is_a_sentence(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAYPOST_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    page = open_screen("traces")
    assert not page.exception
    assert "Postgres does not answer" in texts(page)


def test_a_page_of_runs_leads_to_older_ones(engine: Engine) -> None:
    seed.seed(engine, runs=260)
    page = open_screen("traces", win="7d")
    newest = set(listed(page))
    next(b for b in page.button if b.label.startswith("Older")).click().run()
    assert not newest & set(listed(page))
    assert "older runs" in texts(page)


def test_a_window_that_the_address_fixes_shows_the_past(engine: Engine) -> None:
    put(engine, recent(2, "now"))
    past = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    page = open_screen("traces", until=str(int(past.timestamp())))
    assert f"to {past:%d %b %H:%M} UTC" in texts(page)
    assert LIST not in page.session_state


def test_another_project_than_the_default_says_that_it_takes_a_key(engine: Engine) -> None:
    with engine.begin() as connection:
        projects.create(connection, "claims", by=Actor("ana", "test"))
    page = open_screen("cohorts", project="claims")
    assert 'project_key="wp_…"' in page.code[0].value
    assert "x-api-key" in page.code[1].value
    assert "waypost demo" not in str([code.value for code in page.code])


def test_a_quiet_window_is_not_said_to_be_unjudged(engine: Engine) -> None:
    seed.seed(engine, now=dt.datetime.now(dt.UTC) - dt.timedelta(hours=30), runs=5)
    for screen in ("cohorts", "evaluators"):
        said = texts(open_screen(screen, win="1h"))
        assert "No run began in the last hour." in said
        assert "nothing has judged" not in said


def test_a_nul_in_the_address_is_nothing(engine: Engine) -> None:
    seed.seed(engine, runs=5)
    for screen in ("cohorts", "traces"):
        page = open_screen(screen, k__region="\0", **{"k__re\0gion": "eu"})
        assert not page.exception
        assert "Something went wrong" not in texts(page)
