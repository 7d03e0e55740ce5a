"""Where the reader is: project, window, environment and filters, as the address says."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import streamlit as st

from ui import asked, words
from waypost.links import VALUE, WINDOWS
from waypost.store.projects import Project
from waypost.store.rates import Window

WINDOW: Final = "24h"
TRAVELLING: Final = ("project", "win", "env", "until")
_OF_ONE_SCREEN: Final = ("trace_id", "step", "a", "b", "add", "new", "incident", "dataset", "trial")


@dataclass(frozen=True, slots=True)
class Place:
    """What every screen is asked about."""

    project: Project
    win: str
    environment: str | None
    until: dt.datetime | None

    @property
    def span(self) -> dt.timedelta:
        return WINDOWS[self.win]

    def window(self, now: dt.datetime | None = None) -> Window:
        """The window looked at; it ends now unless the address says when."""
        end = self.until or now or dt.datetime.now(dt.UTC)
        return Window(end - self.span, end)

    @property
    def where(self) -> dict[str, str | None]:
        """What the environment chosen asks of cohorts."""
        return {} if self.environment is None else {"environment": self.environment}

    @property
    def said(self) -> str:
        """The window in words."""
        words = {"1h": "hour", "24h": "24 hours", "7d": "7 days", "30d": "30 days"}
        tail = "" if self.until is None else f" to {self.until:%d %b %H:%M} UTC"
        return f"the last {words[self.win]}{tail}"


def get(name: str, default: str = "") -> str:
    """One value of the address."""
    return str(asked.query().get(name, default))


def number(name: str, digits: int = 9) -> int | None:
    """A whole number of the address; None when there is none or it is something else."""
    return whole(get(name), digits)


def whole(text: str, digits: int = 9) -> int | None:
    """The whole number that a text from outside is; None when it is something else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None


def one_of(name: str, options: Iterable[str]) -> str:
    """A value of the address that must be one of these; the first of them when it is not."""
    known = list(options)
    given = get(name)
    return given if given in known else known[0]


def put(**values: str | None) -> None:
    """Change the address in place; None takes a value out, and so does an empty text."""
    change({name: value or None for name, value in values.items()})


def change(values: Mapping[str, str | None]) -> None:
    """The same for any names, where an empty text is a value: one change, and one way back."""
    before = st.query_params.to_dict()
    after = {name: value for name, value in {**before, **values}.items() if value is not None}
    if after != before:
        st.query_params.from_dict(after)


def follow(key: str, value: object) -> None:
    """Have a control show what the address says.

    Only where it shows something else: what the server sets overrules what its reader has chosen
    since, and the page would show one thing and its control another.
    """
    if st.session_state.get(key) != value:
        st.session_state[key] = value


def no_values() -> dict[str, None]:
    """What takes the cohort values out of the address."""
    return {name: None for name in asked.query() if name.startswith(VALUE)}


def window_name() -> str:
    name = get("win", WINDOW)
    return name if name in WINDOWS else WINDOW


def until() -> dt.datetime | None:
    """The end of the window when the address fixes it, as messages about the past do."""
    seconds = number("until", digits=10)
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)


def chosen_values() -> dict[str, str | None]:
    """The cohort values of the address; an empty text means that a key is not set."""
    found: dict[str, str | None] = {}
    for name in asked.query():
        if name.startswith(VALUE):
            found[name.removeprefix(VALUE)] = get(name) or None
    return found


def sides() -> tuple[tuple[str, str], ...]:
    """Two values of one key set against each other, when the address asks for it."""
    key, one, other = get("of"), get("left"), get("right")
    if get("mode") != "values" or not key or not one or not other:
        return ()
    return (key, one), (key, other)


def earlier_side() -> str:
    """The value that rates are held against in place of the window before; empty without one."""
    return next((words.one_line(value, 40) for _, value in sides()), "")


def travelling() -> dict[str, str]:
    """What every screen is asked about."""
    return {name: get(name) for name in TRAVELLING if get(name)}


def along(more: Mapping[str, str | None]) -> dict[str, str]:
    """The query a link to another screen takes along, and what it adds.

    Filters travel too, though the other screen may not read them: Streamlit writes the new query
    into the page that is left before it goes, so Back finds only what was taken along.
    """
    kept = {name: get(name) for name in asked.query() if name not in _OF_ONE_SCREEN}
    return {k: v for k, v in {**kept, **more}.items() if v or (v == "" and k.startswith(VALUE))}


def with_values(values: Mapping[str, str | None]) -> dict[str, str]:
    """Cohort values as query parameters."""
    return {VALUE + key: value or "" for key, value in values.items()}
