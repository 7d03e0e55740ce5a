"""What screens read: every query of the pages, cached, with the last answers kept for bad times."""

import datetime as dt
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ParamSpec, TypeVar

import streamlit as st

from ui import asked, subjects
from ui.guard import COOKIE, HOURS, Sessions
from ui.logins import LOCAL, sessions_of
from ui.opened import settings, store
from ui.place import Place
from ui.runs import Opened
from ui.users import by_oidc, read_users
from waypost import previews
from waypost.errors import NotAllowed, StoreAway
from waypost.records import Trajectory
from waypost.roles import Person
from waypost.settings import Settings
from waypost.store import (
    alerts,
    audit,
    cohort_values,
    cohorts,
    datasets,
    health,
    jobs,
    judges,
    keys,
    people,
    projects,
    rates,
    retention,
    reviews,
    stamps,
    traces,
    trials,
)
from waypost.store import incidents as stored_incidents
from waypost.store.engine import Connection, plainly
from waypost.store.projects import Project

P = ParamSpec("P")
T = TypeVar("T")
_COHORTS = ("prompt_version", "model", "region")
STALE = "waypost_stale_since"
_ENDED = "Your session has ended or your access was taken away; sign in again."


@contextmanager
def reading() -> Iterator[Connection]:
    """A connection for one read."""
    with plainly(), store().engine.connect() as connection:
        yield connection


def kept(read: Callable[P, T]) -> Callable[P, T]:
    """Known for a few seconds; with Postgres away, the last answer and a note of its age."""

    @functools.wraps(read)
    def answer(*args: P.args, **kwargs: P.kwargs) -> T:
        answers, question = store().kept, f"{read.__name__}{args}{kwargs}"
        try:
            return answers.answer(question, lambda: read(*args, **kwargs))
        except StoreAway:
            known = answers.last(question)
            if known is None or asked.is_before():  # where nothing could say how old it is
                raise
            st.session_state[STALE] = min(known[0], st.session_state.get(STALE, known[0]))
            return known[1]  # type: ignore[return-value]  # an answer to the same question

    return answer


def forget() -> None:
    """After a change: nothing known counts any more."""
    store().kept.forget()


# ---------------------------------------------------------------- who looks


def person() -> Person:
    """Who looks at this page, with the role they have at this moment; NotAllowed when nobody."""
    current = settings()
    if current.users is None:
        return LOCAL
    if not _has_passwords(current):
        return _by_provider(current)
    found = _by_cookie(current)
    if found is None:
        raise NotAllowed(_ENDED)
    return found


def _has_passwords(current: Settings) -> bool:
    return sessions_of(current, b"") is not None


def _by_cookie(current: Settings) -> Person | None:
    assert current.users is not None
    return Sessions(store().secret, current.users).person(st.context.cookies.get(COOKIE))


def _by_provider(current: Settings) -> Person:
    assert current.users is not None
    if not is_known_to_provider():
        raise NotAllowed("Sign in to see this project's runs.")
    if time.time() - float(str(st.user.get("iat") or 0)) > HOURS * 3600:
        raise NotAllowed(_ENDED)
    email = "" if st.user.get("email_verified") is False else str(st.user.get("email") or "")
    found = by_oidc(read_users(current.users), email)
    if found is None:
        raise NotAllowed(
            f"{email or 'An account without a verified address'} may not look at this dashboard; "
            "ask its administrator for a line in the file of users."
        )
    return found


# ---------------------------------------------------------------- projects and cohorts


def all_projects() -> list[Project]:
    return _projects()


@kept
def _projects() -> list[Project]:
    with reading() as connection:
        return projects.every(connection)


def key_values(place: Place, key: str) -> list[str]:
    """The known values of a cohort key, newest first."""
    return _key_values(place.project.id, key)


@kept
def _key_values(project_id: int, key: str) -> list[str]:
    with reading() as connection:
        return rates.cohort_values(connection, project_id, key, most=50)


def crowded(place: Place) -> dict[str, int]:
    """The cohort keys with too many values in the window, and the runs counted as `other`."""
    return _crowded(place)


@kept
def _crowded(place: Place) -> dict[str, int]:
    with reading() as connection:
        return cohort_values.overflowing(connection, place.project.id, place.window().since)


def cohort_names(place: Place, ids: Sequence[int]) -> dict[int, dict[str, str]]:
    return _cohort_names(place.project.id, tuple(sorted(set(ids))))


@kept
def _cohort_names(project_id: int, ids: tuple[int, ...]) -> dict[int, dict[str, str]]:
    with reading() as connection:
        return cohorts.named(connection, project_id, ids)


# ---------------------------------------------------------------- rates


@kept
def _compared(
    place: Place, keys: tuple[str, ...], sides: tuple[tuple[str, str], ...]
) -> list[rates.Compared]:
    now = place.window()
    with reading() as connection:
        if not sides:
            return subjects.compare(
                connection, place.project.id, now.before, now, keys=keys, where=place.where
            )
        (key, one), (_, other) = sides
        found = subjects.compare(
            connection, place.project.id, now, now, keys=[k for k in keys if k != key],
            where={**place.where, key: other}, where_before={**place.where, key: one},
        )  # fmt: skip
    return [replace(each, values={**each.values, key: other}) for each in found]


def compared(
    place: Place, keys: Sequence[str], sides: Sequence[tuple[str, str]] = ()
) -> list[rates.Compared]:
    """This window against the one before; with `sides`, two values of one key in this window."""
    return _compared(place, tuple(keys), tuple(sides))


def step_of(window: rates.Window) -> dt.timedelta:
    """How long each point of a line counts."""
    long = window.until - window.since > dt.timedelta(days=10)
    return rates.DAY if long else rates.HOUR


def step_of_line(place: Place, back: int) -> dt.timedelta:
    """How long each point of a cell's line counts."""
    window = place.window()
    return step_of(rates.Window(window.since - dt.timedelta(days=back), window.until))


@kept
def _series(
    place: Place, evaluator: str, where: tuple[tuple[str, str | None], ...], back: int
) -> list[rates.Point]:
    window = place.window()
    window = rates.Window(window.since - dt.timedelta(days=back), window.until)
    with reading() as connection:
        return subjects.series(
            connection, place.project.id, window, evaluator, where=dict(where),
            step=step_of(window),
        )  # fmt: skip


def series(
    place: Place, evaluator: str, where: Mapping[str, str | None], *, back: int = 0
) -> list[rates.Point]:
    """The rate of a cell over time, from `back` days before the window on."""
    return _series(place, evaluator, tuple(where.items()), back)


@kept
def _failing(
    place: Place, evaluator: str | None, where: tuple[tuple[str, str | None], ...]
) -> list[rates.Failing]:
    with reading() as connection:
        return subjects.newest(
            connection, place.project.id, place.window(), evaluator, where=dict(where), most=5
        )


def failing(
    place: Place, evaluator: str | None, where: Mapping[str, str | None]
) -> list[rates.Failing]:
    """The newest failing runs of a cell."""
    return _failing(place, evaluator, tuple(where.items()))


@kept
def _first_failing(
    place: Place, evaluator: str, where: tuple[tuple[str, str | None], ...], hour: dt.datetime
) -> dt.datetime | None:
    window = rates.Window(hour, hour + step_of_line(place, 1))
    with reading() as connection:
        return subjects.first(connection, place.project.id, window, evaluator, where=dict(where))


def first_failing(
    place: Place, evaluator: str, where: Mapping[str, str | None], hour: dt.datetime
) -> dt.datetime | None:
    """The moment of the first failure of a cell in an hour; None when it has none there."""
    return _first_failing(place, evaluator, tuple(where.items()), hour)


# ---------------------------------------------------------------- runs


@dataclass(frozen=True, slots=True)
class Wanted:
    """The filters of the list of runs."""

    where: tuple[tuple[str, str | None], ...] = ()
    evaluator: str | None = None
    verdict: str | None = None
    agent: str | None = None
    session: str | None = None
    user: str | None = None
    status: str | None = None
    tool: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of runs, with who failed and who reviewed each."""

    rows: list[traces.Summary]
    failing: Mapping[str, list[str]]
    reviewers: Mapping[str, list[str]]


@kept
def _page(place: Place, wanted: Wanted, after: tuple[dt.datetime, str] | None, most: int) -> Listed:
    window = place.window()
    where = {**place.where, **dict(wanted.where)}
    measure = subjects.measure_of(wanted.evaluator)
    if measure is not None:  # runs are counted by full hours; the list is of those that were
        window = rates.Window(*window.hours)
    with reading() as connection:
        ids = rates.cohort_ids(connection, place.project.id, where) if where else None
        judge_ids = (
            None
            if wanted.evaluator is None or measure is not None
            else judges.ids_named(connection, place.project.id, wanted.evaluator)
        )
        chosen = traces.Filter(
            window.since, window.until, cohort_ids=ids, evaluator_ids=judge_ids,
            failed={"fail": True, "pass": False}.get(wanted.verdict or ""),
            agent=wanted.agent, session=wanted.session, user=wanted.user, status=wanted.status,
            tool=wanted.tool, text=wanted.text, measure=measure,
        )  # fmt: skip
        rows = traces.page(connection, place.project.id, chosen, after=after, most=most)
        return Listed(
            rows,
            traces.failing(connection, place.project.id, rows),
            reviews.reviewers(connection, place.project.id, [row.trace_id for row in rows]),
        )


def page(
    place: Place,
    wanted: Wanted,
    *,
    after: tuple[dt.datetime, str] | None = None,
    most: int = 100,
) -> Listed:
    """A page of runs, newest first."""
    return _page(place, wanted, after, most)


def run(place: Place, trace_id: str) -> Opened | None:
    """A whole run as it is now."""
    return store().runs.open(place.project.id, trace_id)


def run_near(place: Place, trace_id: str, number: int | None) -> Opened | None:
    """A run as it is now; of a long one only the part around a step, or the first bad one."""
    return store().runs.near(place.project.id, trace_id, number)


def has_run(place: Place, trace_id: str) -> bool:
    """Whether a run is still stored."""
    with reading() as connection:
        return stamps.of_run(connection, place.project.id, trace_id) is not None


@kept
def _depth(project_id: int) -> list[jobs.Depth]:
    with reading() as connection:
        return jobs.depth(connection, project_id)


def depth(place: Place) -> list[jobs.Depth]:
    """What waits to be judged."""
    return _depth(place.project.id)


@kept
def _environments(project_id: int) -> list[str]:
    with reading() as connection:
        return rates.cohort_values(connection, project_id, "environment", most=30)


def environments(project_id: int) -> list[str]:
    return _environments(project_id)


def is_known_to_provider() -> bool:
    """Whether an identity provider has said who this is."""
    return bool(st.user.get("is_logged_in"))


def uses_provider() -> bool:
    """Whether people sign in at an identity provider."""
    current = settings()
    return current.users is not None and not _has_passwords(current)


@kept
def _has_runs(project_id: int) -> bool:
    with reading() as connection:
        return stamps.has_any(connection, project_id)


def has_runs(here: Place) -> bool:
    """Whether the project has any run at all."""
    return _has_runs(here.project.id)


def has_runs_now(here: Place) -> bool:
    """The same, not from the cache."""
    with reading() as connection:
        return stamps.has_any(connection, here.project.id)


# ---------------------------------------------------------------- judges and people


@kept
def _judges(place: Place) -> list[judges.Judge]:
    with reading() as connection:
        return judges.every(connection, place.project.id, place.window().since)


def judges_of(place: Place) -> list[judges.Judge]:
    """All evaluators with their counts in the window."""
    return _judges(place)


@kept
def _health(place: Place) -> tuple[list[health.Health], dict[str, float]]:
    with reading() as connection:
        found = health.of_evaluators(connection, place.project.id, place.window().since)
        lags = judges.lags(connection, place.project.id)
        known = judges.every(connection, place.project.id, place.window().until)
    return found, {j.name: lags[j.id] for j in reversed(known) if j.id in lags}


def health_of(place: Place) -> tuple[list[health.Health], dict[str, float]]:
    """How every evaluator is doing, and how long after a run's end its verdicts come."""
    return _health(place)


@kept
def _by_cohort(place: Place, evaluator: str) -> list[people.InCohort]:
    keys = [k for k in _COHORTS if k in place.project.cohort_keys]
    with reading() as connection:
        return people.by_cohort(
            connection, place.project.id, evaluator, place.window().since, by=keys or None
        )


def trust_by_cohort(place: Place, evaluator: str) -> list[people.InCohort]:
    """What people say of an evaluator in each cohort, and the fail rate that remains."""
    return _by_cohort(place, evaluator)


def candidates(place: Place, reviewer: str, evaluator: str | None) -> list[reviews.Candidate]:
    """What a person could review; not cached, because every verdict changes it."""
    names = None if evaluator is None else [evaluator]
    with reading() as connection:
        return reviews.candidates(
            connection, place.project.id, place.window().since, reviewer=reviewer,
            evaluators=names,
        )  # fmt: skip


def given(place: Place, reviewer: str, since: dt.datetime) -> int:
    """How many verdicts a person gave since then."""
    with reading() as connection:
        return reviews.count_by(connection, place.project.id, reviewer, since)


# ---------------------------------------------------------------- datasets and the project


def all_datasets(place: Place) -> list[datasets.Dataset]:
    with reading() as connection:
        return datasets.every(connection, place.project.id)


def dataset_cases(place: Place, dataset_id: int, version: int | None = None) -> list[datasets.Case]:
    with reading() as connection:
        return datasets.cases(connection, place.project.id, dataset_id, version=version)


def dataset_versions(place: Place, dataset_id: int) -> list[datasets.Version]:
    with reading() as connection:
        return datasets.versions(connection, place.project.id, dataset_id)


def case_run(place: Place, dataset_id: int, key: str, version: int | None = None) -> Trajectory:
    """The recorded run of a case."""
    with reading() as connection:
        return datasets.trajectory(connection, place.project.id, dataset_id, key, version=version)


def trials_of(place: Place, dataset_id: int) -> list[trials.Trial]:
    """The trials of a dataset, newest first."""
    with reading() as connection:
        return trials.every(connection, place.project.id, dataset_id)


def trial_results(
    place: Place, trial_id: int, keys: Sequence[str], *, shown: int | None = None
) -> list[trials.Result]:
    """What came out of these cases of a trial; `shown` keeps the beginning of each answer."""
    with reading() as connection:
        return trials.results(connection, place.project.id, trial_id, keys=keys, shown=shown)


def all_keys(place: Place) -> list[keys.Key]:
    with reading() as connection:
        return keys.every(connection, place.project.id)


def log(place: Place) -> list[audit.Entry]:
    """The newest entries of the audit log."""
    with reading() as connection:
        return audit.latest(connection, place.project.id, most=50)


def stored(place: Place) -> retention.Kept:
    """What of the project is stored."""
    with reading() as connection:
        return retention.kept(connection, place.project.id)


# ---------------------------------------------------------------- alerts


def rules(place: Place) -> list[alerts.StoredRule]:
    """The alert rules of the project."""
    with reading() as connection:
        return alerts.every(connection, place.project.id)


def incidents(place: Place) -> list[stored_incidents.Incident]:
    """The newest incidents."""
    with reading() as connection:
        return stored_incidents.page(connection, place.project.id)


def incident_events(place: Place, incident_id: int) -> list[stored_incidents.Event]:
    with reading() as connection:
        return stored_incidents.events(connection, place.project.id, incident_id)


def previewed(place: Place, table: Mapping[str, Any], days: int) -> list[previews.Fired] | None:
    """When a rule would have fired in the last days; None without evaluators."""
    found = previews.find()
    if found is None:
        return None
    found.check(table)
    until = dt.datetime.now(dt.UTC)
    with reading() as connection:
        return found.run(
            connection, place.project.id, table, until - dt.timedelta(days=days), until
        )
