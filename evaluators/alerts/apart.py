"""Parts of one transaction that may fail alone: one run, one rule, one message."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from evaluators.chores import first_line
from waypost.store.engine import Connection, is_passing, plainly

log = logging.getLogger("waypost.alerts")


@dataclass(slots=True)
class Fault:
    """What went wrong inside, in one line; None when nothing did."""

    text: str | None = None


@contextmanager
def alone(what: str) -> Iterator[Fault]:
    """Do a part whose fault is kept and holds up nothing else.

    What is no fault of the part (Postgres away, a deadlock) is raised: the whole is done again.
    """
    fault = Fault()
    try:
        with plainly():
            yield fault
    except Exception as error:  # the worker's loop: one part must not end the others
        if is_passing(error):
            raise
        fault.text = first_line(error)
        log.warning("%s: %s", what, fault.text)


@contextmanager
def apart(connection: Connection, what: str) -> Iterator[Fault]:
    """The same under a savepoint: a fault also undoes what the part wrote."""
    with alone(what) as fault, connection.begin_nested():
        yield fault
