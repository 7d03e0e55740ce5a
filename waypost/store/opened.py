"""The database of an installation: the URL that was given, or the embedded server."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import Engine

from waypost.errors import WrongUse
from waypost.settings import Settings
from waypost.store.embedded import EmbeddedPostgres
from waypost.store.engine import connect, plainly
from waypost.store.migrate import check


def embedded(settings: Settings) -> EmbeddedPostgres:
    """The embedded server of this installation, not started."""
    return EmbeddedPostgres(settings.data, buffers_mb=settings.shared_buffers_mb)


@contextmanager
def database_url(settings: Settings, *, makes: bool = False) -> Iterator[str]:
    """The URL to use; an embedded server that does not run is started for the block.

    One that there is not yet is made only by what `makes` one: elsewhere its folder is misspelt.
    """
    if settings.database_url:
        yield settings.database_url
        return
    server = embedded(settings)
    if server.answers():
        yield server.url
        return
    if not (makes or server.is_made()):
        raise WrongUse(
            f"There is no Waypost in {server.data}; `waypost up` makes one there, and --data names "
            "another folder."
        )
    with server:
        yield server.url


@contextmanager
def store(settings: Settings, *, checked: bool = True) -> Iterator[Engine]:
    """An engine over the installation's database; SchemaBehind when it must be migrated first.

    Unless that is `checked` it is made where there is none.
    """
    with database_url(settings, makes=not checked) as url:
        engine = connect(url)
        try:
            if checked:
                with plainly(), engine.connect() as connection:
                    check(connection)
            yield engine
        finally:
            engine.dispose()
