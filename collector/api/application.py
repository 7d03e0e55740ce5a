"""The ASGI application of the REST interface, with its specification and a page to read it."""

import logging
from collections.abc import Awaitable, Callable
from html import escape
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from collector.api.access import SCOPE, SECURED, NoGoodKey
from collector.api.evaluators import evaluators
from collector.api.reads import reads
from collector.api.trials import trials
from collector.api.writes import writes
from collector.door import Door, TooManyWrongKeys
from collector.metrics import Metrics
from waypost import __version__
from waypost.errors import NotAllowed, NotFound, StoreAway, TookTooLong, WaypostError
from waypost.store.engine import Engine

LIMIT: Final = 1 << 20
_STATUS: Final = (
    (NoGoodKey, 401), (TooManyWrongKeys, 429), (NotAllowed, 403), (NotFound, 404), (StoreAway, 503),
    (TookTooLong, 503),
)  # fmt: skip
_UNKNOWN: Final = {
    404: "There is no such operation; /api/v1/docs lists those there are.",
    405: "This operation does not take this method; /api/v1/docs lists those there are.",
    400: "The body cannot be read as JSON.",
}
_NOT_JSON: Final = "json_invalid"
_log = logging.getLogger("waypost.api")
_STYLE: Final = (
    "body{font:16px/1.5 sans-serif;margin:2rem auto;max-width:60rem}td{padding:.2rem .8rem}"
)


def app(engine: Engine, door: Door | None = None, *, plugins: Path | None = None) -> FastAPI:
    """The interface over one store; mount it at /api/v1. `door` knows keys, and who guesses.

    `plugins` is the folder of evaluators of its own that an installation may have.
    """
    made = FastAPI(
        title="Waypost",
        version=__version__,
        description="Trajectories, scores, cohorts, incidents and rules of one project, by key.",
        docs_url=None,
        redoc_url=None,
        dependencies=SECURED,
    )
    made.state.engine = engine
    made.state.door = door or Door(engine, Metrics(), needs_key=True)
    made.state.plugins = plugins
    for part in (reads, writes, evaluators, trials):
        made.include_router(part)
    made.add_exception_handler(WaypostError, _said)
    made.add_exception_handler(RequestValidationError, _not_understood)
    made.add_exception_handler(HTTPException, _plain)
    made.add_exception_handler(Exception, _unforeseen)
    made.add_middleware(_Bounded)
    made.add_route("/docs", _page(made), include_in_schema=False)
    return made


async def _said(_: Request, error: Exception) -> Response:
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 400)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse({"error": str(error)}, status_code=status, headers=headers)


async def _not_understood(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(p) for p in first["loc"])
    said = _UNKNOWN[400] if first["type"] == _NOT_JSON else f"{place}: {first['msg']}."
    return JSONResponse({"error": said}, status_code=400)


async def _plain(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said = _UNKNOWN.get(error.status_code, str(error.detail))
    return JSONResponse({"error": said}, status_code=error.status_code, headers=error.headers)


async def _unforeseen(request: Request, error: Exception) -> Response:
    reason = str(error).partition("\n")[0][:300]
    _log.error("%s %s: %s: %s", request.method, request.url.path, type(error).__name__, reason)
    said = "Something went wrong here that is not your fault; the collector's log says what."
    return JSONResponse({"error": said}, status_code=500)


def _page(made: FastAPI) -> Callable[[Request], Awaitable[Response]]:
    async def page(_: Request) -> Response:
        policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return HTMLResponse(_html(made.openapi()), headers=policy)

    return page


def _html(specification: dict[str, Any]) -> str:
    """Every operation on one page that loads nothing from anywhere."""
    rows = [
        f"<tr><td>{method.upper()}</td><td><code>/api/v1{escape(path)}</code></td>"
        f"<td>{escape(str(operation.get(SCOPE, '')))}</td>"
        f"<td>{escape(operation.get('description', ''))}</td></tr>"
        for path, methods in specification["paths"].items()
        for method, operation in methods.items()
    ]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Waypost REST</title>"
        f"<style>{_STYLE}</style><h1>Waypost REST</h1>"
        "<p>The specification is <a href=openapi.json>openapi.json</a>. Send an API key as "
        "<code>Authorization: Bearer …</code>.</p>"
        f"<table><tr><th>method<th>path<th>scope<th>does</tr>{''.join(rows)}</table></html>"
    )


class _Bounded:
    """Refuses a body above the limit, whatever its length claims to be."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        body, more = b"", True
        while more and len(body) <= LIMIT:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if len(body) > LIMIT:
            answer = JSONResponse(
                {"error": f"The body is larger than {LIMIT} bytes."}, status_code=413
            )
            await answer(scope, receive, send)
            return
        await self._inner(scope, _replay(body, receive), send)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
