"""Who may call what: every route declares a scope, and one that does not answers nobody."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.responses import JSONResponse, Response

from collector.api.shapes import Problem
from collector.door import Door, WrongKey, secret_in
from waypost.errors import NotAllowed
from waypost.store import keys, projects
from waypost.store.audit import Actor
from waypost.store.engine import Connection, Engine, limit_time, plainly
from waypost.store.projects import Project

SCOPE = "x-scope"
_SCHEMES = (
    HTTPBearer(auto_error=False, description="An API key with the scope of the operation."),
    APIKeyHeader(name="x-api-key", auto_error=False),
)


class NoGoodKey(NotAllowed):
    """The request needs a good API key: `Authorization: Bearer …` or `x-api-key`."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The project a key belongs to, and a connection for the length of one request."""

    project: Project
    actor: Actor
    connection: Connection
    engine: Engine
    door: Door


class ScopedRoute(APIRoute):
    """A route that refuses everybody unless a scope is declared."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        if self.scope_needed is None:
            return _refuse
        return super().get_route_handler()

    @property
    def scope_needed(self) -> str | None:
        found = (self.openapi_extra or {}).get(SCOPE)
        return None if found is None else str(found)


async def _refuse(_: Request) -> Response:
    return JSONResponse({"error": "This operation is not open to anybody."}, status_code=403)


def router() -> APIRouter:
    """A router whose routes are closed until they say whom they are for."""
    return APIRouter(route_class=ScopedRoute)


def needs(scope: str) -> dict[str, Any]:
    """What a route says of itself: the scope a key must have, and the answers everybody may get."""
    if scope not in keys.SCOPES:
        raise ValueError(scope)
    return {
        "openapi_extra": {SCOPE: scope},
        "responses": {
            400: {"description": "The request cannot be understood.", "model": Problem},
            401: {"description": "No good key.", "model": Problem},
            403: {"description": "The key lacks the scope.", "model": Problem},
            404: {"description": "Nothing of that name or id.", "model": Problem},
            413: {"description": "The body is too large.", "model": Problem},
            429: {"description": "Too many wrong keys from one address.", "model": Problem},
            503: {"description": "Postgres is away, or it takes too long.", "model": Problem},
        },
    }


def _caller(request: Request) -> Iterator[Caller]:
    """The caller behind the key, checked against the scope of the route that was hit."""
    engine: Engine = request.app.state.engine
    door: Door = request.app.state.door
    secret = secret_in(request.headers)
    if secret is None:
        raise NoGoodKey
    origin = request.client.host if request.client else "unknown"
    route: ScopedRoute = request.scope["route"]
    scope = route.scope_needed or "nobody"
    try:
        key = door.key(secret, origin)
    except WrongKey as error:
        raise NoGoodKey from error
    if not key.holds(scope, dt.datetime.now(dt.UTC)):
        raise NotAllowed(
            f"This key lacks the scope {scope!r}; `waypost key create --scope {scope}` makes one."
        )
    with plainly(), engine.begin() as connection:
        actor = Actor(f"key {key.id} {key.name}", origin)
        limit_time(connection)
        yield Caller(projects.get(connection, key.project_id), actor, connection, engine, door)


# Committed before it is answered. Five at once: a verdict is written over a connection of its own,
# and the pool has ten.
By = Annotated[Caller, Depends(_caller, scope="function", max_concurrency=5)]
SECURED = [Security(scheme) for scheme in _SCHEMES]
