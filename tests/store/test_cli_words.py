"""What verbs say of projects, keys, datasets and settings, in words and in the audit log."""

from click.testing import CliRunner
from sqlalchemy.engine import Engine

from tests import seed
from waypost.cli import waypost
from waypost.store import audit


def call(engine: Engine, *arguments: str, **more: str) -> str:
    """What a verb says, also beside its output."""
    url = engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    done = CliRunner().invoke(
        waypost, [*arguments], env={"WAYPOST_DATABASE_URL": url, **more}, catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return done.output


def test_one_is_not_written_as_many(engine: Engine) -> None:
    seed.seed(engine, runs=3)
    call(engine, "dataset", "add", "one", "--most", "1")
    assert "version 1, 1 case\n" in call(engine, "dataset", "list")
    assert "keeps 1 day." in call(engine, "retain", "--days", "1")
    assert ", 1 day, by" in call(engine, "project", "list")


def test_a_dataset_from_the_command_line_is_logged_as_that(engine: Engine) -> None:
    seed.seed(engine, runs=3)
    call(engine, "dataset", "add", "one", "--most", "1")
    with engine.connect() as connection:
        found = [e for e in audit.latest(connection, 1) if e.action.startswith("dataset.")]
    assert {e.origin for e in found} == {"command line"}
    assert len(found) == 2


def test_settings_that_are_none_are_said(engine: Engine) -> None:
    assert "Nothing is set for project default" in call(engine, "evaluators", "settings")


def test_a_list_without_keys_says_whether_one_is_needed(engine: Engine) -> None:
    assert "none is needed to send" in call(engine, "key", "list", WAYPOST_REQUIRE_KEY="no")
    assert "sending needs one" in call(engine, "key", "list", WAYPOST_REQUIRE_KEY="yes")
