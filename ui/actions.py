"""What readers change: every action asks anew who acts, and checks the role beside the write."""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ui import data
from waypost.records import Outcome
from waypost.roles import Person, Role
from waypost.store import keys, projects, reviews
from waypost.store.audit import Actor
from waypost.store.engine import Connection, plainly
from waypost.store.reviews import Review

ANSWERS = {"agree", "disagree"}


@contextmanager
def acting(needed: Role, doing: str) -> Iterator[tuple[Connection, Person]]:
    """One transaction of somebody who may do this now; NotAllowed otherwise."""
    person = data.person()
    person.must_be(needed, doing)
    with plainly(), data.store().engine.begin() as connection:
        yield connection, person
    data.forget()


def actor(person: Person) -> Actor:
    return Actor(person.name, "dashboard")


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
