"""The tables in code are the migrated schema, and a populated database keeps its data."""

import re
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Engine

from tests.factories import make_run
from tests.store.test_ingest import plain, put, read
from waypost.errors import SchemaBehind
from waypost.store import migrate
from waypost.store.tables import metadata

_PARTITION = re.compile(r"_p\d{8}")


def ours(thing: Any, name: str | None, kind: str, *_: Any) -> bool:
    """Partitions and Alembic's own table are not in the metadata and need not be."""
    named = f"{name} {getattr(getattr(thing, 'table', None), 'name', '')}"
    return not _PARTITION.search(named) and "waypost_schema" not in named


def test_the_tables_equal_the_migrated_schema(any_engine: Engine) -> None:
    with any_engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_object": ours, "compare_server_default": False}
        )
        assert compare_metadata(context, metadata) == []


def test_migrating_a_current_database_does_nothing(engine: Engine) -> None:
    assert migrate.migrate(engine) is False


def test_a_database_without_schema_is_behind(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("delete from waypost_schema"))
        with pytest.raises(SchemaBehind, match="waypost migrate"):
            migrate.check(connection)


def test_every_revision_follows_the_one_before() -> None:
    names = sorted(p.name for p in (migrate.folder() / "versions").glob("[0-9]*.py"))
    assert all(re.fullmatch(r"\d{4}_(pre|post)_[a-z_]+\.py", name) for name in names)
    downs = [_down_revision(name) for name in names]
    assert downs == [None, *(name[:4] for name in names[:-1])]


def _down_revision(name: str) -> str | None:
    text = (migrate.folder() / "versions" / name).read_text()
    found = re.search(r'^down_revision(?:: [^=]+)? = "?(\w+)"?$', text, re.MULTILINE)
    assert found is not None
    return None if found[1] == "None" else found[1]


def test_upgrading_a_populated_database_keeps_its_data(
    servers: dict[str, str], first_schema: Engine
) -> None:
    put(first_schema, make_run(4))
    migrate.migrate(first_schema)
    assert plain(read(first_schema, "run")) == plain(make_run(4))


@pytest.fixture
def first_schema(servers: dict[str, str], request: pytest.FixtureRequest) -> Any:
    """A database at the first revision."""
    from alembic import command
    from alembic.config import Config

    from tests.conftest import empty
    from waypost.store.engine import connect

    for url in empty(servers["18"]):
        made = connect(url)
        with made.connect() as connection:
            config = Config()
            config.set_main_option("script_location", str(migrate.folder()))
            config.attributes["connection"] = connection
            command.upgrade(config, "0001")
            connection.commit()
        yield made
        made.dispose()
