"""OTLP over HTTP, with health and metrics beside it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from collector import answers
from collector.answers import HTTP_OF
from collector.decode import Encoding
from collector.door import NoKey, TooManyWrongKeys
from collector.health import Health
from collector.inflate import ENCODINGS
from collector.metrics import CONTENT_TYPE
from collector.pipeline import LOGS, METRICS, TRACES
from collector.pipeline import Request as Export
from collector.rates import Rates
from collector.receiver import Receiver
from collector.tickets import Answer, Busy, Code
from waypost.errors import NotAllowed, StoreAway, WaypostError
from waypost.store.projects import Project

_BODY_SECONDS: Final = 30.0
_JSON: Final = ("application/json", "text/json")
_PROTOBUF: Final = ("application/x-protobuf", "application/protobuf", "application/octet-stream")
_BUSY: Final = "The collector has no room for this request now; send it again."


class Refused(Exception):
    """The request is answered with a status and goes no further."""

    def __init__(self, status: int, code: int, message: str, *, wait: int = 0) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.wait = status, code, message, wait


def application(
    receiver: Receiver,
    health: Health,
    *,
    cors: tuple[str, ...] = (),
    rest: ASGIApp | None = None,
    rates: Rates | None = None,
) -> Starlette:
    """The ASGI application; browsers may send only from the listed origins."""
    routes: list[BaseRoute] = [
        Route(prefix + path, _endpoint(receiver, signal), methods=["POST"])
        for signal in (TRACES, LOGS, METRICS)
        for prefix in ("", "/api/public/otel")
        for path in (f"/v1/{signal}", f"/v1/{signal}/")
    ]
    routes += [
        Route("/healthz", _healthz),
        Route("/readyz", _readyz(health)),
        Route("/metrics", _metrics(receiver, rates)),
    ]
    if rest is not None:
        routes.append(Mount("/api/v1", rest))
    allowed = Middleware(
        CORSMiddleware, allow_origins=list(cors), allow_methods=["POST"], allow_headers=["*"]
    )
    middleware = [allowed] if cors else []
    handlers = {404: _not_found, 405: _not_allowed}
    return Starlette(routes=routes, middleware=middleware, exception_handlers=handlers)


def _endpoint(receiver: Receiver, signal: str) -> Callable[[Request], Awaitable[Response]]:
    async def export(request: Request) -> Response:
        encoding = Encoding.PROTOBUF
        try:
            encoding = _encoding_of(request)
            answer, encoding = await _export(receiver, signal, request, encoding)
        except Refused as refused:
            receiver.note("http", signal, str(refused.status))
            return _failed(refused, encoding)
        except ClientDisconnect:
            receiver.note("http", signal, "gone")
            return Response(status_code=400)
        receiver.note("http", signal, str(HTTP_OF[answer.code]))
        return _answered(signal, answer, encoding)

    return export


async def _export(
    receiver: Receiver, signal: str, request: Request, encoding: Encoding
) -> tuple[Answer, Encoding]:
    """The answer, and the encoding it is given in."""
    if receiver.draining:
        raise Refused(503, answers.UNAVAILABLE, _BUSY, wait=answers.wait_seconds())
    project = await _admit(receiver, request)
    compression = _compression_of(request)
    held = _announced(request, receiver.wire_limit)
    try:
        receiver.reserve(project, held)
    except Busy as error:
        raise Refused(503, answers.UNAVAILABLE, _BUSY, wait=answers.wait_seconds()) from error
    try:
        body, held = await _read(receiver, project, request, held)
        if encoding is Encoding.PROTOBUF and _is_untyped_json(request, body):
            encoding = Encoding.JSON
        export = Export(project, signal, body, encoding, compression)
        return await receiver.take(export), encoding
    finally:
        receiver.release(project, held)


async def _admit(receiver: Receiver, request: Request) -> Project:
    address = request.client.host if request.client else ""
    try:
        return await receiver.admit(request.headers, address)
    except (NoKey, NotAllowed) as error:
        if isinstance(error, TooManyWrongKeys):
            raise Refused(429, answers.UNAVAILABLE, str(error), wait=2) from error
        raise Refused(401, answers.UNAUTHENTICATED, str(error)) from error
    except (StoreAway, WaypostError) as error:
        raise Refused(503, answers.UNAVAILABLE, str(error), wait=answers.wait_seconds()) from error


def _encoding_of(request: Request) -> Encoding:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in _JSON:
        return Encoding.JSON
    if kind in _PROTOBUF or not kind:
        return Encoding.PROTOBUF
    raise Refused(415, answers.INVALID_ARGUMENT, "Send application/x-protobuf or application/json.")


def _is_untyped_json(request: Request, body: bytes) -> bool:
    return not request.headers.get("content-type") and body[:64].lstrip().startswith(b"{")


def _compression_of(request: Request) -> str:
    found = request.headers.get("content-encoding", "").strip().lower()
    if found not in ENCODINGS:
        raise Refused(415, answers.INVALID_ARGUMENT, "Use gzip, deflate, zstd or no compression.")
    return found


def _announced(request: Request, limit: int) -> int:
    text = request.headers.get("content-length", "")
    size = int(text) if text.isdecimal() and len(text) < 20 else 0
    if size > limit:
        raise Refused(413, answers.RESOURCE_EXHAUSTED, _too_large(limit))
    return size


def _too_large(limit: int) -> str:
    return f"The request is larger than {limit} bytes; send smaller batches."


async def _read(
    receiver: Receiver, project: Project, request: Request, held: int
) -> tuple[bytes, int]:
    """The body, within its size and its time, and how much of the ledger it holds."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > receiver.wire_limit:
                    raise Refused(413, answers.RESOURCE_EXHAUSTED, _too_large(receiver.wire_limit))
                if size > held:
                    receiver.reserve(project, size - held)
                    held = size
                parts.append(part)
    except TimeoutError as error:
        raise Refused(408, answers.INVALID_ARGUMENT, "The body did not come in time.") from error
    except Busy as error:
        raise Refused(503, answers.UNAVAILABLE, _BUSY, wait=answers.wait_seconds()) from error
    return b"".join(parts), held


def _failed(refused: Refused, encoding: Encoding) -> Response:
    headers = {}
    if refused.wait:
        headers["Retry-After"] = str(refused.wait)
    if refused.status in (408, 413):
        headers["Connection"] = "close"  # what is left of the body is not read
    body = answers.failure(refused.code, refused.message, encoding, wait=refused.wait)
    return Response(body, refused.status, headers, media_type=encoding.value)


def _answered(signal: str, answer: Answer, encoding: Encoding) -> Response:
    if answer.code is Code.OK:
        return Response(answers.success(signal, answer, encoding), media_type=encoding.value)
    wait = answers.wait_seconds() if answer.code is Code.BUSY else 0
    refused = Refused(HTTP_OF[answer.code], answers.GRPC_OF[answer.code], answer.message, wait=wait)
    return _failed(refused, encoding)


def _spoken(request: Request) -> Encoding:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Encoding.PROTOBUF if kind in _PROTOBUF else Encoding.JSON


async def _not_found(request: Request, _: Exception) -> Response:
    message = "There is nothing here; send to /v1/traces or /v1/logs."
    return _failed(Refused(404, answers.NOT_FOUND, message), _spoken(request))


async def _not_allowed(request: Request, _: Exception) -> Response:
    return _failed(Refused(405, answers.UNIMPLEMENTED, "Use POST."), _spoken(request))


async def _healthz(_: Request) -> Response:
    return PlainTextResponse("alive\n")


def _readyz(health: Health) -> Callable[[Request], Awaitable[Response]]:
    async def ready(_: Request) -> Response:
        reason = health.reason
        return PlainTextResponse((reason or "ready") + "\n", status_code=503 if reason else 200)

    return ready


def _metrics(receiver: Receiver, rates: Rates | None) -> Callable[[Request], Awaitable[Response]]:
    async def exposition(request: Request) -> Response:
        more = "" if rates is None else await rates.of(request)
        return Response(receiver.metrics.exposition() + more.encode(), media_type=CONTENT_TYPE)

    return exposition
