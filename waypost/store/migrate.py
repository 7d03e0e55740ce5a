"""Brings the schema up to date under an advisory lock."""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

import waypost
from waypost.errors import SchemaBehind, WaypostError
from waypost.store.engine import server_version

_LOCK = 0x57415950


def migrate(engine: Engine) -> bool:
    """Run the missing revisions; True when there were any."""
    with engine.connect() as connection:
        server_version(connection)
        if current(connection) == head():
            return False
        connection.execute(sa.text("select pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()
        try:
            _upgrade(connection)
        finally:
            connection.rollback()
            connection.execute(sa.text("select pg_advisory_unlock(:key)"), {"key": _LOCK})
            connection.commit()
    return True


def _upgrade(connection: Connection) -> None:
    # Alembic takes a third of a second to import; a start with nothing to do does without.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(folder()))
    config.attributes["connection"] = connection
    known = current(connection)
    if known is not None and known > head():
        raise WaypostError(
            f"The database was written by a newer Waypost (schema {known}, this one knows "
            f"{head()}); upgrade the program."
        )
    command.upgrade(config, "head")
    connection.commit()


def current(connection: Connection) -> str | None:
    """The revision the database is at, or None for an empty one."""
    found = connection.execute(sa.text("select to_regclass('waypost_schema')")).scalar()
    if found is None:
        return None
    version = connection.execute(sa.text("select version_num from waypost_schema")).scalar()
    return None if version is None else str(version)


def head() -> str:
    """The newest revision this program brings along."""
    return max(path.name.split("_", 1)[0] for path in (folder() / "versions").glob("[0-9]*.py"))


def check(connection: Connection) -> None:
    """SchemaBehind unless the schema is at least the one this program knows."""
    version = current(connection)
    if version is None or version < head():
        stands = f"The schema is at {version}" if version else "The database is still empty"
        raise SchemaBehind(f"{stands}, this Waypost needs {head()}; run `waypost migrate`.")


def folder() -> Path:
    """Where the revisions lie: inside the installed package, or beside it in a checkout."""
    package = Path(waypost.__file__).parent
    inside = package / "migrations"
    return inside if inside.exists() else package.parent / "migrations"
