"""Projects, keys and the audit log."""

import datetime as dt

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from waypost.doctor import keys_last
from waypost.errors import NotFound, WrongUse
from waypost.store import audit, keys, projects
from waypost.store.audit import Actor

BY = Actor("tester", "tests")
NOW = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)


def test_there_is_a_default_project(any_engine: Engine) -> None:
    with any_engine.connect() as connection:
        assert projects.named(connection, "default").keep_days == 30


def test_a_project_is_made_once_and_changed_with_an_entry(engine: Engine) -> None:
    with engine.begin() as connection:
        made = projects.create(connection, "claims", by=BY)
        changed = projects.change(connection, made.id, by=BY, keep_days=7, masking="strict")
        assert (changed.keep_days, changed.masking) == (7, "strict")
        newest = audit.latest(connection, made.id)[0]
    assert newest.before is not None
    assert newest.before["keep_days"] == 30
    with pytest.raises(WrongUse, match="exists already"), engine.begin() as connection:
        projects.create(connection, "claims", by=BY)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 101])
def test_a_name_that_cannot_be_one_is_refused(engine: Engine, name: str) -> None:
    with pytest.raises(WrongUse), engine.begin() as connection:
        projects.create(connection, name, by=BY)


def test_a_key_is_found_by_its_secret_and_stored_only_as_a_hash(engine: Engine) -> None:
    with engine.begin() as connection:
        key, secret = keys.create(connection, 1, "ci", by=BY)
        assert secret.startswith("wp_")
        assert keys.find(connection, secret) == key
        assert keys.find(connection, secret + "x") is None
        dump = connection.execute(
            sa.text("select api_key::text from api_key union all select audit::text from audit")
        )
        assert not any(secret in row[0] for row in dump)


def test_a_key_holds_its_scopes_until_it_ends(engine: Engine) -> None:
    end = NOW + dt.timedelta(days=1)
    with engine.begin() as connection:
        key, secret = keys.create(connection, 1, "ci", by=BY, expires_at=end)
        assert key.holds("write", NOW)
        assert not key.holds("read", NOW)
        assert not key.holds("write", end)
        keys.revoke(connection, 1, key.id, by=BY)
        revoked = keys.find(connection, secret)
    assert revoked is not None
    assert not revoked.holds("write", NOW)


def test_another_projects_key_cannot_be_revoked(engine: Engine) -> None:
    with engine.begin() as connection:
        other = projects.create(connection, "other", by=BY)
        key, _ = keys.create(connection, 1, "ci", by=BY)
        with pytest.raises(NotFound):
            keys.revoke(connection, other.id, key.id, by=BY)


def test_the_audit_log_takes_no_change(engine: Engine) -> None:
    with engine.begin() as connection:
        audit.note(connection, 1, BY, "test", "it")
    for statement in ("update audit set actor = 'x'", "delete from audit", "truncate audit"):
        with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
            connection.execute(sa.text(statement))


def test_a_forged_or_missing_entry_is_found(engine: Engine) -> None:
    with engine.begin() as connection:
        for n in range(4):
            audit.note(connection, 1, BY, "test", str(n), after={"n": n, "x": 1.5})
        assert audit.first_break(connection) is None
        connection.execute(sa.text("alter table audit disable trigger all"))
        connection.execute(sa.text("delete from audit where id = 3"))
        assert audit.first_break(connection) == 4
        connection.execute(sa.text("update audit set actor = 'x' where id = 2"))
        assert audit.first_break(connection) == 2


@pytest.mark.parametrize(("ends_in_days", "fine"), [(-8, True), (-1, False), (3, False), (9, True)])
def test_the_doctor_names_a_key_that_ends_and_forgets_one_that_ended(
    engine: Engine, ends_in_days: int, fine: bool
) -> None:
    ends = NOW + dt.timedelta(days=ends_in_days)
    with engine.begin() as connection:
        keys.create(connection, 1, "agent", by=BY, expires_at=ends)
        found = keys_last(connection, NOW)
    assert found.fine is fine
    assert "waypost key revoke" in found.mend
