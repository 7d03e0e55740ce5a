"""The dashboard's own addresses: steps for the replay, short links, health."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeAlias
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ui import tokens
from ui.payload import find
from ui.place import whole
from ui.runs import Opened, Runs
from waypost.errors import WaypostError
from waypost.records import Json

PURPOSE = "steps"
SECONDS = 3600
_MOST = 50
Made: TypeAlias = "Json | bytes"


class StepRoutes:
    """Hands a run to the replay; only with a token that the page made, otherwise 404."""

    def __init__(self, secret: bytes, runs: Callable[[], Runs]) -> None:
        self._secret = secret
        self._runs = runs

    def routes(self) -> list[Route]:
        return [
            Route("/steps", self.window),
            Route("/steps/outline", self.outline),
            Route("/steps/one", self.one),
            Route("/steps/find", self.find),
            Route("/steps/spans", self.spans),
            Route("/steps/failing", self.failing),
        ]

    async def outline(self, request: Request) -> Response:
        near = _number(request.query_params, "near", 1)
        return await self._answer(request, lambda run: run.outline, near=(near, near))

    async def spans(self, request: Request) -> Response:
        return await self._answer(request, lambda run: run.spans)

    async def window(self, request: Request) -> Response:
        first = _number(request.query_params, "from", 1)
        count = min(_MOST, _number(request.query_params, "count", _MOST))
        return await self._answer(
            request, lambda run: run.payloads.window(first, count), near=(first, first + count - 1)
        )

    async def one(self, request: Request) -> Response:
        number = _number(request.query_params, "n", 1)

        def build(run: Opened) -> Json:
            step = run.step(number)
            return None if step is None else run.payloads.one(step, whole=True)

        return await self._answer(request, build, near=(number, number))

    async def failing(self, request: Request) -> Response:
        """The next failing step after a number, or the last before it; of long runs."""
        number = _number(request.query_params, "n", 1)
        forward = request.query_params.get("way") != "back"
        return await self._found(
            request, lambda runs, project, trace: runs.failing(project, trace, number, forward) or 0
        )

    async def find(self, request: Request) -> Response:
        text = request.query_params.get("q", "")[:200]
        return await self._answer(request, lambda run: list(find(run.judged.run, text)))

    async def _answer(
        self,
        request: Request,
        build: Callable[[Opened], Made],
        *,
        near: tuple[int, int] | None = None,
    ) -> Response:
        """What `build` makes of a run: of all of it, or of the part that holds `near`."""

        def made(runs: Runs, project: int, trace: str) -> Made:
            run = runs.near(project, trace, *near) if near else runs.open(project, trace)
            return None if run is None else build(run)

        return await self._found(request, made)

    async def _found(self, request: Request, build: Callable[[Runs, int, str], Made]) -> Response:
        claims = tokens.read(self._secret, PURPOSE, request.query_params.get("token", ""))
        if claims is None:
            return Response(status_code=404)
        body = await asyncio.to_thread(self._build, claims, build)
        if body is None:
            return Response(status_code=404)
        return Response(
            body, media_type="application/json", headers={"cache-control": "private, no-store"}
        )

    def _build(
        self, claims: Mapping[str, Json], build: Callable[[Runs, int, str], Made]
    ) -> bytes | None:
        try:
            made = build(self._runs(), int(str(claims["project"])), str(claims["trace"]))
        except WaypostError:
            return None
        if made is None or isinstance(made, bytes):
            return made
        return orjson.dumps(made, option=orjson.OPT_NON_STR_KEYS)


def short_link(request: Request) -> Response:
    """`/t/<trace>/<step>`, for messages where room is short."""
    wanted = {"trace_id": request.path_params["trace"]}
    if "step" in request.path_params:
        wanted["step"] = request.path_params["step"]
    if "project" in request.query_params:
        wanted["project"] = request.query_params["project"]
    return RedirectResponse(f"/trace?{urlencode(wanted)}", status_code=307)


def home(request: Request) -> Response:
    """`/cohorts` is the home page, which Streamlit serves at the root."""
    query = str(request.query_params)
    return RedirectResponse(f"/?{query}" if query else "/", status_code=307)


def health(_request: Request) -> Response:
    return Response("ok", media_type="text/plain")


def plain_routes() -> list[Route]:
    return [
        Route("/t/{trace}", short_link),
        Route("/t/{trace}/{step}", short_link),
        Route("/cohorts", home),
        Route("/healthz", health),
    ]


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    found = whole(query.get(name, ""))
    return default if found is None else max(1, found)
