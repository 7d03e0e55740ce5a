"""The dashboard as an ASGI app: Streamlit behind our door, with our own addresses beside it."""

import gc
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from socket import gethostname
from typing import Final
from urllib.parse import urlsplit

import streamlit as st
from starlette.middleware import Middleware
from streamlit.starlette import App

from ui.early import Early
from ui.first import Firsts
from ui.guard import COOKIE, Door, Sessions
from ui.logins import LOCAL, is_secure, sessions_of
from ui.provider import Onward
from ui.routes import StepRoutes, plain_routes
from ui.runs import Runs
from ui.signin import SignIn
from waypost.rates import Rate, change
from waypost.settings import Settings

SCRIPT: Final = Path(__file__).with_name("main.py")
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
log = logging.getLogger("waypost.ui")


def build(settings: Settings, *, secret: bytes, runs: Callable[[], Runs]) -> App:
    """The app of this installation; BadSetting when it would be open to everyone."""
    sessions = sessions_of(settings, secret)
    routes = [*StepRoutes(secret, runs).routes(), *plain_routes()]
    middleware = [
        Middleware(
            Door, hosts=hosts(settings), addresses=not settings.on_loopback, sessions=sessions
        ),
        Middleware(Early, first=first_of(settings, sessions)),
    ]
    if sessions is not None:
        routes += SignIn(sessions).routes()
    elif settings.users is not None:
        middleware.append(Middleware(Onward, secure=is_secure(settings)))
    return App(
        SCRIPT,
        routes=routes,
        middleware=middleware,
        lifespan=warm,
        on_script_error=show_fault,
    )


def first_of(settings: Settings, sessions: Sessions | None) -> Firsts | None:
    """What paints pages early; with OIDC only Streamlit knows who looks, so nothing may."""
    if sessions is not None:
        return Firsts(lambda request: sessions.person(request.cookies.get(COOKIE)))
    return Firsts(lambda _: LOCAL) if settings.users is None else None


def hosts(settings: Settings) -> tuple[str, ...]:
    """The names the dashboard answers to: this machine's, and that of its public address."""
    public = urlsplit(settings.public_url or "").hostname
    named = (public,) if public else ()
    if settings.on_loopback:
        return (*_LOOPBACK, *named)
    return (*_LOOPBACK, settings.host, gethostname(), *named)


def show_fault(error: Exception) -> bool:
    """An id on the page, the rest in the log; the reader never sees a traceback."""
    mark = secrets.token_hex(4)
    log.error("Page failed (%s)", mark, exc_info=error)
    st.error(
        "Something went wrong while this page was drawn. Reload it; if it stays, "
        f"look for **{mark}** in the dashboard's log.",
        icon="⚠️",
    )
    return True


@asynccontextmanager
async def warm(_app: App) -> AsyncIterator[None]:
    """Do at the start what the first page would wait for, and what every page would do again."""
    import pandas as pd

    from ui.screen import every

    few, many = Rate.of(1, 40), Rate.of(9, 40)
    log.info("%d screens, %s, %s", len(every()), pd.__name__, change(few, many).is_worse)
    gc.collect()
    gc.freeze()  # modules stay for good: walking over them held every page up for 0.1 to 0.3 s
    yield
