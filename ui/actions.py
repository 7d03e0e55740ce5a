"""What readers change: every action asks anew who acts, and checks the role beside the write."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ui import data, opened
from waypost import previews
from waypost.records import Json, Outcome, Trajectory
from waypost.roles import Person, Role
from waypost.store import alerts, datasets, incidents, keys, projects, reviews, runs
from waypost.store.audit import Actor
from waypost.store.engine import Connection, plainly
from waypost.store.projects import Project
from waypost.store.reviews import Review

ANSWERS = {"agree", "disagree"}
_AT_ONCE = 20


@contextmanager
def acting(needed: Role, doing: str) -> Iterator[tuple[Connection, Person]]:
    """One transaction of somebody who may do this now; NotAllowed otherwise."""
    person = data.person()
    person.must_be(needed, doing)
    with plainly(), opened.store().engine.begin() as connection:
        yield connection, person
    data.forget()


def actor(person: Person) -> Actor:
    return Actor(person.name, person.origin)


def review(project_id: int, given: Review) -> None:
    """Keep a person's verdict."""
    with acting(Role.REVIEWER, "Reviewing") as (connection, person):
        reviews.write(connection, project_id, given, by=person)


def outcome_of(answer: str, judged: str | None) -> Outcome:
    """A person's verdict from agreeing or disagreeing with a judge's; no judge: disagree is bad."""
    if judged not in (Outcome.FAILED, Outcome.PASSED):
        return Outcome.FAILED if answer == "disagree" else Outcome.PASSED
    agreed = Outcome(judged)
    other = Outcome.PASSED if agreed is Outcome.FAILED else Outcome.FAILED
    return agreed if answer == "agree" else other


def change_project(
    project_id: int,
    *,
    keep_days: int | None = None,
    masking: str | None = None,
    cohort_keys: Sequence[str] | None = None,
) -> None:
    """Change what a project keeps, masks and groups by."""
    with acting(Role.ADMIN, "Changing a project") as (connection, person):
        projects.change(
            connection, project_id, by=actor(person), keep_days=keep_days, masking=masking,
            cohort_keys=cohort_keys,
        )  # fmt: skip


def create_key(project_id: int, name: str, scopes: Sequence[str], days: int | None) -> str:
    """A new API key's secret, which is shown this once."""
    ends = None if not days else dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    with acting(Role.ADMIN, "Making a key") as (connection, person):
        _, secret = keys.create(
            connection, project_id, name, by=actor(person), scopes=scopes, expires_at=ends
        )
    return secret


def revoke_key(project_id: int, key_id: int) -> None:
    with acting(Role.ADMIN, "Revoking a key") as (connection, person):
        keys.revoke(connection, project_id, key_id, by=actor(person))


def acknowledge(project_id: int, incident_id: int) -> None:
    """Somebody looks into an incident."""
    with acting(Role.REVIEWER, "Answering an incident") as (connection, person):
        incidents.acknowledge(connection, project_id, incident_id, by=actor(person))


def snooze(project_id: int, incident_id: int, hours: int) -> None:
    """No reminders of an incident for some hours."""
    until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours)
    with acting(Role.REVIEWER, "Answering an incident") as (connection, person):
        incidents.snooze(connection, project_id, incident_id, until, by=actor(person))


def save_rule(project_id: int, table: Mapping[str, Any]) -> None:
    """Make or change an alert rule; BadSetting when it cannot be."""
    with acting(Role.ADMIN, "Changing a rule") as (connection, person):
        found = previews.find()
        body = dict(table) if found is None else found.check(table)
        alerts.save(connection, project_id, body, by=actor(person))


def remove_rule(project_id: int, name: str) -> None:
    with acting(Role.ADMIN, "Deleting a rule") as (connection, person):
        alerts.remove(connection, project_id, name, by=actor(person))


def create_dataset(project_id: int, name: str) -> None:
    """An empty dataset."""
    with acting(Role.REVIEWER, "Making a dataset") as (connection, person):
        datasets.create(connection, project_id, name, by=person)


def add_cases(
    project: Project,
    name: str,
    trace_ids: Sequence[str],
    expectation: Mapping[str, Json],
    *,
    told: Callable[[float], None],
) -> int:
    """Put runs into a dataset, which is made when it is new; how many were not in it."""
    with acting(Role.REVIEWER, "Adding cases") as (connection, person):
        found: list[Trajectory] = []
        for place in range(0, len(trace_ids), _AT_ONCE):
            ids = trace_ids[place : place + _AT_ONCE]
            loaded = runs.load_many(connection, project.id, ids, cohort_keys=project.cohort_keys)
            found += loaded.values()
            told(min(1.0, (place + len(ids)) / len(trace_ids)))
        return datasets.put(connection, project.id, name, found, by=person, expectation=expectation)


def expect(project_id: int, dataset_id: int, key: str, expectation: Mapping[str, Json]) -> None:
    """Change what is expected of a case."""
    with acting(Role.REVIEWER, "Changing an expectation") as (connection, person):
        datasets.expect(connection, project_id, dataset_id, key, expectation, by=person)


def remove_case(project_id: int, dataset_id: int, key: str) -> None:
    with acting(Role.REVIEWER, "Removing a case") as (connection, person):
        datasets.remove(connection, project_id, dataset_id, [key], by=person)
