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
        self._text, self._read_at = "", -_FRESH
        self._lock = asyncio.Lock()

    async def of(self, request: Request) -> str:
        """The text for this scraper; empty for strangers, because cohorts name customers."""
        try:
            if not await asyncio.to_thread(self._may_read, request):
                return ""
            async with self._lock:
                if time.monotonic() - self._read_at >= _FRESH:
                    self._text = await asyncio.to_thread(self._read)
                    self._read_at = time.monotonic()
        except (StoreAway, TookTooLong):
            return self._text
        return self._text

    def _may_read(self, request: Request) -> bool:
        secret = secret_in(request.headers)
        if secret is None:
            return request.client is not None and _is_here(request.client.host)
        with plainly(), self._engine.connect() as connection:
            key = keys.find(connection, secret)
        return key is not None and key.holds("admin", dt.datetime.now(dt.UTC))

    def _read(self) -> str:
        with plainly(), self._engine.begin() as connection:
            limit_time(connection)
            return exposition.text(connection)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
