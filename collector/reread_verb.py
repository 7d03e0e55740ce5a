"""`waypost reread`: goes over stored runs, reads their spans again, and keeps what changed."""

import datetime as dt
from collections.abc import Callable, Iterator

import click

from collector.convention import Reader
from collector.reread import reread as read_again
from waypost.assembly import Cohorts
from waypost.settings import Settings
from waypost.store import ingest, projects, spans, traces
from waypost.store.engine import Engine, plainly
from waypost.store.opened import store
from waypost.store.traces import Filter, Summary

_PAGE = 50


def reread(settings: Settings, project: str, *, days: int, say: Callable[[str], None]) -> int:
    """Read the spans of the last days again; how many became another step."""
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=2)
    wanted = Filter(until - dt.timedelta(days=days + 2), until)
    looked = changed = 0
    with store(settings) as engine, plainly():
        with engine.connect() as connection:
            known = projects.named(connection, project)
        again = _Again(engine, known.id, Cohorts(known.cohort_keys))
        pages = _pages(engine, known.id, wanted)
        with click.progressbar(pages, label="Reading", item_show_func=_day) as bar:
            for page in bar:
                spans_read, spans_changed = again.page(page)
                looked, changed = looked + spans_read, changed + spans_changed
    say(f"{looked:,} spans were read again, {changed:,} of them became another step.")
    return changed


def _day(page: list[Summary] | None) -> str:
    return str(page[-1].first_at.date()) if page else ""


def _pages(engine: Engine, project_id: int, wanted: Filter) -> Iterator[list[Summary]]:
    after: tuple[dt.datetime, str] | None = None
    while True:
        with engine.connect() as connection:
            page = traces.page(connection, project_id, wanted, after=after, most=_PAGE)
        if not page:
            return
        yield page
        after = (page[-1].first_at, page[-1].trace_id)


class _Again:
    def __init__(self, engine: Engine, project_id: int, cohorts: Cohorts) -> None:
        self._engine = engine
        self._project_id = project_id
        self._cohorts = cohorts
        self._reader = Reader()

    def page(self, page: list[Summary]) -> tuple[int, int]:
        """How many spans these runs have, and how many changed."""
        since = min(run.day for run in page)
        with self._engine.begin() as connection:
            ids = [run.trace_id for run in page]
            stored = spans.of_traces(connection, self._project_id, ids, since)
            pairs = [(s, read_again(s, self._reader, self._cohorts)) for s in stored.steps]
            changed = [new for old, new in pairs if new != old]
            ingest.rewrite(connection, self._project_id, changed)
        return len(pairs), len(changed)
