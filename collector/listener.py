"""The HTTP server: uvicorn with deadlines for slow headers, and without signal handlers."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from waypost.errors import WaypostError

_HEADER_SECONDS: Final = 10.0


class Protocol(HttpToolsProtocol):
    """Closes connections whose headers do not come in time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it the same way
        super().connection_made(transport)
        self._await_headers()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._await_headers()

    def on_headers_complete(self) -> None:
        self._forget_deadline()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        super().connection_lost(exc)

    def _await_headers(self) -> None:
        self._forget_deadline()
        self._deadline = self.loop.call_later(_HEADER_SECONDS, self._give_up)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self.transport.abort()


class Listener(Server):
    """A uvicorn server whose signals are somebody else's business."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens; WaypostError when the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2_048)
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]  # Python adds the address to it
        raise WaypostError(
            f"{host}:{port} cannot be listened on: {reason}. Is another "
            "collector running? Stop it, or choose another --otlp-http."
        ) from error


def make_listener(app: Any, host: str, port: int) -> Listener:
    config = Config(
        app,
        host=host,
        port=port,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=60,
        limit_concurrency=2_000,
        backlog=2_048,
    )
    return Listener(config)
