"""An Engine for a Postgres URL, and the sentences for what goes wrong with it."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from waypost.errors import BadSetting, DiskFull, StoreAway, TookTooLong

__all__ = ["Connection", "Engine", "connect", "has_returning_old", "plainly", "server_version"]
_OLDEST = 15
_TOO_MUCH = "54"  # the class of SQLSTATEs for limits of the program


def connect(url: str, *, pool_size: int = 5, application: str = "waypost") -> Engine:
    """An engine for `url`; nothing is contacted yet."""
    return sa.create_engine(
        _driver_url(url),
        pool_size=pool_size,
        max_overflow=5,
        pool_pre_ping=True,
        pool_timeout=10,
        connect_args={
            "application_name": application,
            "connect_timeout": 10,
            "options": "-c timezone=UTC -c lock_timeout=60s",
        },
    )


def _driver_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError as error:
        raise BadSetting(
            "The database URL cannot be read; write postgresql://user:password@host:5432/name."
        ) from error
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise BadSetting("The database URL must begin with postgresql://.")
    return parsed.set(drivername="postgresql+psycopg")


@contextmanager
def plainly() -> Iterator[None]:
    """Turns the driver's errors into Waypost's: away, full, out of time, or as they are."""
    try:
        yield
    except PoolTimeout as error:
        raise StoreAway(
            "Postgres does not answer: all connections to it are busy; try again."
        ) from error
    except DBAPIError as error:
        known = _known(error)
        if known is None:
            raise
        raise known from error


def _known(error: DBAPIError) -> StoreAway | DiskFull | TookTooLong | None:
    cause = error.orig
    if isinstance(cause, psycopg.errors.QueryCanceled):
        return TookTooLong()
    if isinstance(cause, psycopg.errors.DiskFull):
        return DiskFull("Postgres has no space left on its disk; free some space.")
    lost = isinstance(error, OperationalError) and (
        error.connection_invalidated or getattr(cause, "sqlstate", None) is None
    )
    if lost or isinstance(cause, psycopg.errors.OperatorIntervention):
        reason = str(cause).strip().splitlines() or ["no reason given"]
        told = reason[0].strip().rstrip(".")
        return StoreAway(
            f"Postgres does not answer: {told}; start it or check WAYPOST_DATABASE_URL."
        )
    return None


def is_passing(error: BaseException) -> bool:
    """Whether the store was in the way (away, full, locked), so that trying again may do.

    What exceeds one of Postgres's own limits (a label too long for an index) always will.
    """
    state = getattr(getattr(error, "orig", None), "sqlstate", None) or ""
    return isinstance(error, StoreAway | DiskFull | OperationalError) and not state.startswith(
        _TOO_MUCH
    )


def limit_time(connection: Connection, *, seconds: int = 15) -> None:
    """Let no statement of this transaction run longer."""
    connection.execute(
        sa.text("select set_config('statement_timeout', :limit, true)"), {"limit": f"{seconds}s"}
    )


def server_version(connection: Connection) -> int:
    """The server's major version; BadSetting below the oldest that Waypost supports."""
    number = connection.execute(sa.text("show server_version_num")).scalar_one()
    major = int(number) // 10000
    if major < _OLDEST:
        raise BadSetting(f"Postgres {major} is too old; Waypost needs {_OLDEST} or later.")
    return major


def has_returning_old(connection: Connection) -> bool:
    """Whether an upsert can return the row as it was (Postgres 18)."""
    known = connection.info.get("waypost_major")
    if known is None:
        known = connection.info["waypost_major"] = server_version(connection)
    return bool(known >= 18)
