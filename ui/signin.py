"""The sign-in page: a form without scripts, a limit on guesses, a session at the end."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from html import escape
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from ui.guard import COOKIE, HOURS, Sessions, safe_next
from ui.users import check_password, read_users

_GUESSES = 10
_PER_SECONDS = 60
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in – Waypost</title>
<meta name="referrer" content="same-origin">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; --line: #d0d5dd; --text: #101828; --back: #f6f7f9;
  --card: #fff; --bad: #b42318; --key: #1d4ed8; }}
@media (prefers-color-scheme: dark) {{ :root {{ --line: #3b4252; --text: #e8eaee;
  --back: #0f131a; --card: #181d26; --bad: #ff9c92; --key: #2f5fe0; }} }}
body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--back);
  color: var(--text); font: 16px/1.5 "Source Sans", system-ui, sans-serif; }}
main {{ background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 28px 32px; width: min(20rem, 86vw); }}
h1 {{ font-size: 1.25rem; margin: 0 0 4px; }}
p {{ margin: 0 0 16px; }}
label {{ display: block; font-weight: 600; margin: 12px 0 4px; }}
input {{ width: 100%; box-sizing: border-box; padding: 9px 10px; font: inherit; color: inherit;
  border: 1px solid var(--line); border-radius: 6px; background: transparent; }}
button {{ width: 100%; margin-top: 20px; padding: 10px; font: inherit; font-weight: 600;
  color: #fff; background: var(--key); border: 0; border-radius: 6px; cursor: pointer; }}
input:focus-visible, button:focus-visible {{ outline: 3px solid var(--key); outline-offset: 2px; }}
.bad {{ color: var(--bad); font-weight: 600; }}
</style></head><body><main><h1>Waypost</h1><p>Sign in to see this project's runs.</p>
{said}<form method="post" action="/login">
<input type="hidden" name="next" value="{wanted}">
<label for="name">Name</label>
<input id="name" name="name" autocomplete="username" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit">Sign in</button></form></main></body></html>"""


class SignIn:
    """Shows the form, checks what was typed, starts and ends sessions."""

    def __init__(self, sessions: Sessions, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._sessions = sessions
        self._clock = clock
        self._wrong: deque[float] = deque(maxlen=_GUESSES)

    def routes(self) -> list[Route]:
        return [
            Route("/login", self.form, methods=["GET"]),
            Route("/login", self.check, methods=["POST"]),
            Route("/logout", self.leave, methods=["POST"]),
        ]

    async def form(self, request: Request) -> Response:
        return _page(safe_next(request.query_params.get("next", "/")), "")

    async def check(self, request: Request) -> Response:
        if not _from_here(request):
            return _page("/", "Please send the form from this page.", status=403)
        given = parse_qs((await request.body())[:10_000].decode("utf-8", "replace"))
        wanted = safe_next(_first(given, "next") or "/")
        if self._too_many():
            return _page(wanted, "Too many wrong passwords; try again in a minute.", status=429)
        users = read_users(self._sessions.users)
        name, password = _first(given, "name"), _first(given, "password")
        user = await asyncio.to_thread(check_password, users, name, password)
        if user is None:
            self._wrong.append(self._clock())
            return _page(wanted, "That name and password do not fit.", status=401)
        answer = RedirectResponse(wanted, status_code=303)
        answer.set_cookie(
            COOKIE, self._sessions.start(user), max_age=HOURS * 3600, httponly=True,
            samesite="lax", secure=self._sessions.secure, path="/",
        )  # fmt: skip
        return answer

    async def leave(self, request: Request) -> Response:
        if not _from_here(request):
            return _page("/", "Please sign out from the dashboard.", status=403)
        answer = RedirectResponse("/login", status_code=303)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")
        return answer

    def _too_many(self) -> bool:
        full = len(self._wrong) == _GUESSES
        return full and self._clock() - self._wrong[0] < _PER_SECONDS


def _from_here(request: Request) -> bool:
    """A browser says where a form was sent from; it must be a page of ours.

    Our pages send no referrer, and then a browser writes `null` as the origin of a form.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    return origin is None or origin.split("://", 1)[-1] == request.headers.get("host")


def _page(wanted: str, said: str, *, status: int = 200) -> Response:
    shown = f'<p class="bad" role="alert">{escape(said)}</p>' if said else ""
    return HTMLResponse(_PAGE.format(said=shown, wanted=escape(wanted)), status_code=status)


def _first(given: dict[str, list[str]], name: str) -> str:
    return given.get(name, [""])[0]
