"""The database of an installation: the URL that was given, or the embedded server."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import Engine

from waypost.settings import Settings
from waypost.store.embedded import EmbeddedPostgres
from waypost.store.engine import connect, plainly
from waypost.store.migrate import check


def embedded(settings: Settings) -> EmbeddedPostgres:
    """The embedded server of this installation, not started."""
    return EmbeddedPostgres(settings.data, buffers_mb=settings.shared_buffers_mb)


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """The URL to use; an embedded server that does not run is started for the block."""
    if settings.database_url:
        yield settings.database_url
        return
    server = embedded(settings)
    if server.answers():
        yield server.url
        return
    with server:
        yield server.url


@contextmanager
def store(settings: Settings, *, checked: bool = True) -> Iterator[Engine]:
    """An engine over the installation's database; SchemaBehind when it must be migrated first."""
    with database_url(settings) as url:
        engine = connect(url)
        try:
            if checked:
                with plainly(), engine.connect() as connection:
                    check(connection)
            yield engine
        finally:
            engine.dispose()
