"""Signing in at an identity provider: its file, its cookies, and the way on to the page wanted."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.guard import HOURS, safe_next
from ui.users import OIDC, User
from waypost.errors import BadSetting

CALLBACK: Final = "/oauth2callback"
_NEXT, _SIGNED_IN = "waypost_next", "_streamlit_user"
_MAX_AGE: Final = re.compile(r"(;\s*max-age=)(\d+)", re.IGNORECASE)
_NEEDED: Final = (
    "redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url",
)  # fmt: skip


def is_provider_s(users: Mapping[str, User]) -> bool:
    """Whether people sign in at a provider; BadSetting when some do and others have passwords."""
    kinds = {user.hash == OIDC for user in users.values()}
    if len(kinds) > 1:
        raise BadSetting(
            "The file of users mixes passwords with lines that end in `oidc`; use one of the two."
        )
    return kinds == {True}


def check_file(path: Path | None) -> None:
    """BadSetting unless the file says all that Streamlit must know of the provider."""
    if path is None:
        raise BadSetting(
            "The people in WAYPOST_USERS sign in at an identity provider; name the file that "
            "describes it in WAYPOST_OIDC."
        )
    try:
        auth = tomllib.loads(path.read_text(encoding="utf-8")).get("auth", {})
    except (OSError, ValueError) as error:
        raise BadSetting(f"WAYPOST_OIDC={path} cannot be read: {error}.") from error
    missing = [name for name in _NEEDED if not auth.get(name)]
    if missing:
        raise BadSetting(f"WAYPOST_OIDC={path} needs {', '.join(missing)} in its [auth].")
    if not str(auth["redirect_uri"]).endswith(CALLBACK):
        raise BadSetting(f"redirect_uri in WAYPOST_OIDC={path} must end in {CALLBACK}.")


class Onward:
    """Wraps the app: after signing in, the page that was asked for; cookies that end in time."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        self._secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._change(scope, MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, receive, sent)

    def _change(self, scope: Scope, answer: MutableHeaders) -> None:
        given = answer.getlist("set-cookie")
        del answer["set-cookie"]
        for cookie in given:
            answer.append("set-cookie", self._bounded(cookie))
        cookies = HTTPConnection(scope).cookies
        if scope["path"] == CALLBACK and _NEXT in cookies:
            if any(cookie.startswith(f"{_SIGNED_IN}=") for cookie in given):
                answer["location"] = safe_next(unquote(cookies[_NEXT]))
            answer.append("set-cookie", self._next("", seconds=0))
        elif _SIGNED_IN not in cookies and _is_page(scope):
            answer.append("set-cookie", self._next(_asked(scope), seconds=600))

    def _bounded(self, cookie: str) -> str:
        """No longer than a session of ours, and not over plain HTTP where there is another."""
        bounded = _MAX_AGE.sub(lambda m: f"{m[1]}{min(int(m[2]), HOURS * 3600)}", cookie)
        bare = not self._secure or "; secure" in cookie.lower()
        return bounded if bare else f"{bounded}; Secure"

    def _next(self, wanted: str, *, seconds: int) -> str:
        secure = "; Secure" if self._secure else ""
        return f"{_NEXT}={quote(wanted)}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Lax{secure}"


def _is_page(scope: Scope) -> bool:
    """Whether a browser asked for a page of the dashboard, not for the way to the provider."""
    wants = "text/html" in Headers(scope=scope).get("accept", "")
    return scope["method"] == "GET" and wants and not scope["path"].startswith(("/auth/", CALLBACK))


def _asked(scope: Scope) -> str:
    query = scope.get("query_string", b"").decode("latin-1")
    return str(scope["path"]) + (f"?{query}" if query else "")
