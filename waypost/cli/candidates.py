"""A candidate of the user's agent: found by its name, and run on one recorded case at a time."""

import asyncio
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from waypost.errors import WrongUse
from waypost.records import Json, Trajectory

if TYPE_CHECKING:
    from tracer.replays.session import Session

# Read from the new run itself; the rest of a case's cohort is true of the new run as well.
_OWN: Final = frozenset({"agent", "model", "route", "prompt_version", "environment", "service"})

_OURS: Final = ("tracer.setup", "tracer.replays.session", "waypost.demo.verb")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out of one case; `differences` by what differed, each with where and how."""

    key: str
    title: str
    trace_id: str | None = None
    answer: str = ""
    error: str = ""
    differences: Mapping[str, Json] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Way:
    """How every case is run."""

    models: str = "live"
    on_miss: str = "error"
    live: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()
    awaited: bool = False
    trial: str | None = None


def load(path: str) -> Any:
    """The agent at `module:name`; WrongUse if there is none, or none that can be run.

    A function without parameters makes the agent.
    """
    module, colon, name = path.partition(":")
    if not (module and colon and name):
        raise WrongUse(
            f"--agent {path!r} names no agent; write module:name, such as app.bot:agent."
        )
    for ours in _OURS:  # the agent's folder comes first, and may hold a `tracer.py` of its own
        importlib.import_module(ours)
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    found, error = attempted(lambda: importlib.import_module(module))
    if error is not None:
        missing = isinstance(error, ModuleNotFoundError) and error.name == module
        why = (
            f"there is no module {module!r} here or in the environment" if missing else said(error)
        )
        raise WrongUse(f"The agent {path!r} could not be imported: {why}.") from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise WrongUse(f"{module} has no {name!r}; name the agent in it as module:name.")
        found = getattr(found, part)
    return _made(path, found)


def _made(path: str, found: Any) -> Any:
    if hasattr(found, "invoke"):
        return found
    if not callable(found):
        raise WrongUse(
            f"{path} is a {type(found).__name__}; give a LangChain or LangGraph object, or a "
            "function of the user's text."
        )
    if _wants_nothing(found):
        made, error = attempted(found)
        if error is not None:
            raise WrongUse(f"Making the agent with {path}() failed: {said(error)}.") from error
        return _made(f"{path}()", made)
    return found


def _wants_nothing(function: Callable[..., Any]) -> bool:
    try:
        return not inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


def run(agent: Any, key: str, title: str, recorded: Trajectory, way: Way) -> Outcome:
    """One case; what goes wrong in it is its error, so that the next one can run."""
    import tracer

    cohort = {k: v for k, v in recorded.cohort.items() if k not in _OWN}
    if way.trial:
        cohort["trial"] = way.trial
    kept: list[Session] = []

    def replayed() -> str:
        from tracer.replays.agents import text_of

        session = tracer.replay(
            recorded, models=way.models, on_miss=way.on_miss, live=way.live, answered=way.answered
        )
        kept.append(session)
        with tracer.context(cohort=cohort), session:
            if way.awaited:
                return text_of(asyncio.run(session.arun(agent)))
            return text_of(session.run(agent))

    answer, error = attempted(replayed)
    session = kept[0] if kept else None
    return Outcome(
        key, title,
        trace_id=session.trace_id if session else None,
        answer=answer or "",
        error="" if error is None else said(error),
        differences=_by_what(session),
        counts={**session.counts, "cut": len(session.cut)} if session else {},
    )  # fmt: skip


def _by_what(session: "Session | None") -> dict[str, Json]:
    """Differences in the shape a trial keeps them in."""
    found: dict[str, Any] = {}
    for one in session.differences if session else ():
        told = {"place": one.place, "recorded": one.recorded, "now": one.now, "step": one.step}
        found.setdefault(one.what, []).append({k: v for k, v in told.items() if v is not None})
    return found


def attempted(function: Callable[[], Any]) -> tuple[Any, Exception | SystemExit | None]:
    """What the user's code returns, or what it raised; that it wants to exit ends one case only."""
    try:
        return function(), None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - one case that fails does not end the others
        return None, error


def said(error: BaseException) -> str:
    """An error in one line: its class and what it says, or the sentence of one of ours."""
    from waypost.errors import WaypostError

    text = " ".join(str(error).split())
    return (
        text if isinstance(error, WaypostError) else f"{type(error).__name__}: {text}".rstrip(": ")
    )
