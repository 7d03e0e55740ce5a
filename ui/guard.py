"""The door of the dashboard: hosts, origins, sessions and the headers every answer carries."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui import tokens
from ui.users import User, read_users
from waypost.roles import Person

COOKIE: Final = "waypost_session"
HOURS: Final = 12
_PURPOSE: Final = "session"
_POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "connect-src 'self' ws: wss: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "frame-src 'none'",
        "frame-ancestors 'none'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
    )
)
HEADERS: Final = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
_OPEN_PATHS: Final = ("/login", "/healthz", "/_stcore/health")


@dataclass(frozen=True, slots=True)
class Sessions:
    """Sessions of people who gave a password: a signed cookie that ends after twelve hours."""

    secret: bytes
    users: Path
    secure: bool = True
    now: Callable[[], float] = time.time

    def start(self, user: User) -> str:
        """The value of a new session's cookie."""
        claims = {"name": user.name, "print": user.print}
        return tokens.sign(
            self.secret, _PURPOSE, dict(claims), seconds=HOURS * 3600, now=self.now()
        )

    def person(self, cookie: str | None) -> Person | None:
        """Who a cookie belongs to, with the role they have now; None when it is no good."""
        claims = tokens.read(self.secret, _PURPOSE, cookie or "", now=self.now())
        user = None if claims is None else read_users(self.users).get(str(claims.get("name")))
        if claims is None or user is None or user.print != claims.get("print"):
            return None
        return Person(user.name, user.role)


class Door:
    """Wraps the whole app, web sockets included: who may not come in never reaches it."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Sequence[str] = (),
        addresses: bool = False,
        sessions: Sessions | None = None,
    ) -> None:
        self._app = app
        self._hosts = frozenset(h.lower() for h in hosts)
        self._addresses = addresses  # no foreign name can be made to stand for a bare address
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refusal(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._hosts and not self._serves(_name(host)):
            return PlainTextResponse("This address is not served here.", status_code=421)
        if scope["type"] == "websocket" and not _same_origin(headers.get("origin"), host):
            return PlainTextResponse("Not from here.", status_code=403)
        if self._sessions is None or scope["path"] in _OPEN_PATHS:
            return None
        if self._sessions.person(HTTPConnection(scope).cookies.get(COOKIE)) is not None:
            return None
        return self._to_login(scope, headers)

    def _serves(self, name: str) -> bool:
        return name in self._hosts or (self._addresses and _is_address(name))

    @staticmethod
    def _to_login(scope: Scope, headers: Headers) -> ASGIApp:
        if "text/html" not in headers.get("accept", ""):
            return PlainTextResponse("Sign in first.", status_code=401)
        query = scope.get("query_string", b"").decode("latin-1")
        wanted = scope["path"] + (f"?{query}" if query else "")
        return RedirectResponse(f"/login?next={quote(wanted)}", status_code=303)


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
        await send(message)

    return sent


def _name(host: str) -> str:
    return (urlsplit(f"//{host}").hostname or "").lower().rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _same_origin(origin: str | None, host: str) -> bool:
    """Programs send no origin; a browser's must be the address it speaks to."""
    return origin is None or urlsplit(origin).netloc.lower() == host.lower()


def safe_next(wanted: str) -> str:
    """A path of ours to go on to; anything else becomes the home page."""
    parts = urlsplit(wanted)
    ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\"))
    return wanted if ours and not parts.scheme and not parts.netloc else "/"
