"""`waypost reread`: goes over stored runs, reads their spans again, and keeps what changed."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import click

from collector.convention import Reader
from collector.reread import reread as read_again
from waypost.assembly import Cohorts
from waypost.rates import plural
from waypost.settings import Settings
from waypost.store import ingest, projects, spans
from waypost.store.engine import Engine, plainly
from waypost.store.opened import store

_PAGE = 50
Page: TypeAlias = Mapping[str, dt.date]


def reread(settings: Settings, project: str, *, days: int, say: Callable[[str], None]) -> int:
    """Read the spans of the last days again; how many became another step."""
    since = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=days)
    looked = changed = 0
    with store(settings) as engine, plainly():
        with engine.connect() as connection:
            known = projects.named(connection, project)
        again = _Again(engine, known.id, Cohorts(known.cohort_keys))
        pages = _pages(engine, known.id, since)
        with click.progressbar(pages, label="Reading", item_show_func=_last) as bar:
            for page in bar:
                spans_read, spans_changed = again.page(page)
                looked, changed = looked + spans_read, changed + spans_changed
    say(f"{plural(looked, 'span')} read again, {changed:,} of them became another step.")
    return changed


def _last(page: Page | None) -> str:
    return max(page) if page else ""


def _pages(engine: Engine, project_id: int, since: dt.date) -> Iterator[Page]:
    """Every trace: what no convention understood is not listed, and most worth reading again."""
    after: str | None = None
    while True:
        with engine.connect() as connection:
            page = ingest.kept_traces(connection, project_id, since, after=after, most=_PAGE)
        if not page:
            return
        yield page
        after = max(page)


class _Again:
    def __init__(self, engine: Engine, project_id: int, cohorts: Cohorts) -> None:
        self._engine = engine
        self._project_id = project_id
        self._cohorts = cohorts
        self._reader = Reader()

    def page(self, page: Page) -> tuple[int, int]:
        """How many spans these traces have, and how many changed."""
        with self._engine.begin() as connection:
            stored = spans.of_traces(connection, self._project_id, list(page), min(page.values()))
            pairs = [(s, read_again(s, self._reader, self._cohorts)) for s in stored.steps]
            changed = [(old, new) for old, new in pairs if new != old]
            ingest.rewrite(connection, self._project_id, changed)
        return len(pairs), len(changed)
