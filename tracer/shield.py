"""The one decorator that keeps a tracing fault from reaching the agent."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LOG: Final = logging.getLogger("waypost.tracer")


def shielded(function: Callable[P, T]) -> Callable[P, T | None]:
    """The same function, which returns None where it would have raised an Exception.

    The first fault of each function is logged as a warning, later ones for debugging only.
    """
    level = logging.WARNING

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T | None:
        nonlocal level
        try:
            return function(*args, **kwargs)
        except Exception:  # whatever goes wrong here, the agent must go on
            LOG.log(
                level, "%s failed; the agent is not affected", function.__qualname__, exc_info=True
            )
            level = logging.DEBUG
            return None

    return guarded


def attempt(function: Callable[..., T], *args: object, otherwise: T) -> T:
    """What the function returns, or `otherwise` where somebody else's code raises."""
    try:
        return function(*args)
    except Exception:  # noqa: BLE001 - a hostile object must not hurt the agent
        return otherwise
