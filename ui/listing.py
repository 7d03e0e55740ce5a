"""The list of runs that an address asks for; a run's own address names its list as well."""

import datetime as dt
import re
from typing import Final

from ui import data, place
from ui.data import Listed, Wanted
from ui.place import Place

PAGE: Final = 100
_DIGITS: Final = 16  # microseconds until the year 2286
_TRACE: Final = re.compile("[0-9a-f]{32}")
_PLAIN: Final = (
    "evaluator", "verdict", "agent", "session", "user", "status", "tool", "text",
)  # fmt: skip
After = tuple[dt.datetime, str]


def wanted() -> Wanted:
    """The filters the address holds."""
    values = {name: place.get(name) or None for name in _PLAIN}
    return Wanted(where=tuple(place.chosen_values().items()), **values)


def after() -> After | None:
    """The run that the page begins after, which a page of older runs names."""
    at, _, trace_id = place.get("after").partition("_")
    micros = place.whole(at, _DIGITS)
    if micros is None or not _TRACE.fullmatch(trace_id):
        return None
    return dt.datetime.fromtimestamp(micros / 1e6, dt.UTC), trace_id


def listed(here: Place) -> Listed:
    """The page of runs, newest first."""
    return data.page(here, wanted(), after=after(), most=PAGE)
