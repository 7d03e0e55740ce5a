"""Parts of one transaction that may fail alone: one run, one rule, one message."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from sqlalchemy.exc import OperationalError

from evaluators.chores import first_line
from waypost.errors import DiskFull, StoreAway
from waypost.store.engine import Connection, plainly

log = logging.getLogger("waypost.alerts")


@dataclass(slots=True)
class Fault:
    """What went wrong inside, in one line; None when nothing did."""

    text: str | None = None


@contextmanager
def apart(connection: Connection, what: str) -> Iterator[Fault]:
    """Do a part under a savepoint: its fault undoes it, is kept, and holds up nothing else.

    What is no fault of the part (Postgres away, a deadlock) is raised: the whole is done again.
    """
    fault = Fault()
    try:
        with plainly(), connection.begin_nested():
            yield fault
    except (StoreAway, DiskFull):
        raise
    except Exception as error:
        took_too_long = isinstance(getattr(error, "orig", None), psycopg.errors.QueryCanceled)
        if isinstance(error, OperationalError) and not took_too_long:
            raise
        fault.text = first_line(error)
        log.warning("%s: %s", what, fault.text)
