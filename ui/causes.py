"""Why a cell fails: since when, what came then, which step went wrong first."""

import datetime as dt
from collections.abc import Mapping, Set
from dataclasses import dataclass

from ui import sentences, subjects
from ui.data import kept, reading
from ui.place import Place
from waypost.changes import Version, in_words
from waypost.store import explain, rates, stamps
from waypost.store.engine import Connection
from waypost.store.measures import Measure

_EXPLAINED = 8000


@dataclass(frozen=True, slots=True)
class Explained:
    """Why a cell fails and since when, in sentences; the versions that its runs carry."""

    sentences: list[str]
    versions: frozenset[Version]


def first_seen(place: Place, carried: Set[Version]) -> list[tuple[dt.datetime, str]]:
    """What came first in this window of these versions."""
    return [
        (at, in_words(kind, name, version))
        for kind, name, version, at in _first_seen(place)
        if (kind, name, version) in carried
    ]


@kept
def _first_seen(place: Place) -> list[tuple[str, str, str, dt.datetime]]:
    with reading() as connection:
        return stamps.first_seen(connection, place.project.id, place.window().since)


def explained(place: Place, evaluator: str, where: Mapping[str, str | None]) -> Explained:
    """What is found out about a cell."""
    return _explained(place, evaluator, tuple(where.items()))


@kept
def _explained(
    place: Place, evaluator: str, where: tuple[tuple[str, str | None], ...]
) -> Explained:
    fixed, window = dict(where), place.window()
    longer = rates.Window(window.since - 2 * place.span, window.until)
    with reading() as connection:
        items = subjects.items(
            connection, place.project.id, longer, evaluator, where=fixed, most=_EXPLAINED
        )
        began = explain.since_when(connection, place.project.id, items)
        fresh = None
        if (
            began.point is None
            and any(items.failed)
            and len(items.times) < _EXPLAINED
            and not (_came_before(connection, place, items.times[0], evaluator, fixed))
        ):
            at = items.times[items.failed.index(True)]
            named = {value for value in fixed.values() if value}
            came = explain.came_near(connection, place.project.id, at, items, named)
            fresh = sentences.Fresh(items.times[0], at, came)
        breaks = subjects.measure_of(evaluator) is Measure.ERRORS
        # That errors gather in their own class says nothing of where they come from.
        skip = [*fixed, explain.ERROR] if breaks else list(fixed)
        slices = explain.why(items, most=2, skip=skip)
        bad = [t for t, f in zip(items.traces, items.failed, strict=True) if f]
        first, own = subjects.first_bad_step(
            connection, place.project.id, evaluator, bad, longer.since
        )
        said = sentences.of_cell(
            began, slices, first, own=own, own_said=subjects.first_said(evaluator), fresh=fresh,
            error=explain.commonest_error(items) if breaks else None,
        )  # fmt: skip
        return Explained(said, frozenset(items.versions))


def _came_before(
    connection: Connection, place: Place, at: dt.datetime, evaluator: str, where: rates.Where
) -> bool:
    """Whether a cell was judged in the week before the hour of this moment."""
    hour = rates.floor(at, rates.HOUR)
    window = rates.Window(hour - dt.timedelta(days=7), hour)
    return bool(
        subjects.series(
            connection, place.project.id, window, evaluator, where=where, step=rates.HOUR
        )
    )
