"""What the store's faults mean: which pass, and which never do."""

import psycopg
import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from waypost.errors import DiskFull, StoreAway
from waypost.store.engine import is_passing, plainly


def fault(cause: Exception) -> OperationalError:
    return OperationalError("insert", {}, cause)


@pytest.mark.parametrize(
    "error",
    [StoreAway("away"), DiskFull("full"), fault(psycopg.errors.DeadlockDetected("circle"))],
)
def test_what_stands_in_the_way_passes(error: Exception) -> None:
    assert is_passing(error)


@pytest.mark.parametrize(
    "error", [fault(psycopg.errors.ProgramLimitExceeded("index row size")), ValueError("x")]
)
def test_what_postgres_can_never_hold_does_not_pass(error: Exception) -> None:
    assert not is_passing(error)


def test_a_pool_that_is_busy_for_too_long_is_a_store_that_does_not_answer() -> None:
    with pytest.raises(StoreAway, match="busy"), plainly():
        raise PoolTimeout("QueuePool limit of size 5 overflow 5 reached")
