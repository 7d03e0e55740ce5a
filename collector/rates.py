"""The rates on /metrics: for scrapers on this machine, and for those with an admin key."""

import asyncio
import datetime as dt
import ipaddress
import time
from typing import Final

from starlette.requests import Request

from collector.door import secret_in
from waypost.errors import StoreAway, TookTooLong
from waypost.store import exposition, keys
from waypost.store.engine import Engine, limit_time, plainly

_FRESH: Final = 15.0


class Rates:
    """The counters of scores and runs as text, read from the store at most every 15 seconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: dict[int | None, tuple[str, float]] = {}
        self._lock = asyncio.Lock()

    async def of(self, request: Request) -> str:
        """The text for this scraper: of all projects on this machine, of a key's own elsewhere.

        It is empty for strangers, because cohorts name customers.
        """
        text = ""
        try:
            may_read, project_id = await asyncio.to_thread(self._project, request)
            if not may_read:
                return ""
            async with self._lock:
                text, read_at = self._kept.get(project_id, ("", -_FRESH))
                if time.monotonic() - read_at >= _FRESH:
                    text = await asyncio.to_thread(self._read, project_id)
                    self._kept[project_id] = text, time.monotonic()
        except (StoreAway, TookTooLong):
            return text
        return text

    def _project(self, request: Request) -> tuple[bool, int | None]:
        """Whether anything may be read, and of which project; None is all of them."""
        secret = secret_in(request.headers)
        if secret is None:
            return request.client is not None and _is_here(request.client.host), None
        with plainly(), self._engine.connect() as connection:
            key = keys.find(connection, secret)
        if key is None or not key.holds("admin", dt.datetime.now(dt.UTC)):
            return False, None
        return True, key.project_id

    def _read(self, project_id: int | None) -> str:
        with plainly(), self._engine.begin() as connection:
            limit_time(connection)
            return exposition.text(connection, project_id)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
