"""REST beside the receiver, put together when it is first asked for.

Its imports take a process as long as everything else at its start, and most collectors of a large
installation are never asked.
"""

import asyncio
import gc
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from collector.door import Door
from waypost.store.engine import Engine


class Rest:
    """The interface of `collector.api` over one store."""

    def __init__(self, engine: Engine, door: Door, *, plugins: Path | None = None) -> None:
        self._engine = engine
        self._door = door
        self._plugins = plugins
        self._app: ASGIApp | None = None
        self._one = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app or await self._once()
        await app(scope, receive, send)

    async def _once(self) -> ASGIApp:
        async with self._one:
            if self._app is None:
                self._app = await asyncio.to_thread(self._made)
            return self._app

    def _made(self) -> ASGIApp:
        from collector import api

        made = api.app(self._engine, self._door, plugins=self._plugins)
        gc.freeze()  # its modules stay for good too
        return made
