"""OTLP over gRPC."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio

from collector import answers
from collector.decode import Encoding
from collector.pipeline import LOGS, METRICS, TRACES, Request
from collector.receiver import Receiver
from collector.tickets import Answer, Busy, Code
from collector.tls import Files
from waypost.errors import NotAllowed, WaypostError

_SERVICES: Final = {
    "opentelemetry.proto.collector.trace.v1.TraceService": TRACES,
    "opentelemetry.proto.collector.logs.v1.LogsService": LOGS,
    "opentelemetry.proto.collector.metrics.v1.MetricsService": METRICS,
}
_CODES: Final = {
    answers.INVALID_ARGUMENT: grpc.StatusCode.INVALID_ARGUMENT,
    answers.RESOURCE_EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    answers.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    answers.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
}
_BUSY: Final = "The collector has no room for this request now; send it again."
Handler = Callable[[bytes, Any], Awaitable[bytes]]


def make_server(receiver: Receiver, address: str, *, limit: int, tls: Files | None) -> Any:
    """A server that listens on `address` once it is started."""
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", limit),
            ("grpc.max_send_message_length", 4 << 20),
            ("grpc.max_concurrent_streams", 256),
            ("grpc.max_connection_age_ms", 300_000),
            ("grpc.max_connection_age_grace_ms", 30_000),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.so_reuseport", 0),
        ],
        maximum_concurrent_rpcs=1_000,
    )
    for service, signal in _SERVICES.items():
        handler = grpc.unary_unary_rpc_method_handler(_export(receiver, signal))
        generic = grpc.method_handlers_generic_handler(service, {"Export": handler})
        server.add_generic_rpc_handlers((generic,))
    try:
        if tls is None:
            server.add_insecure_port(address)
        else:
            server.add_secure_port(address, _credentials(tls))
    except RuntimeError as error:
        raise WaypostError(
            f"{address} cannot be listened on; is another collector running? "
            "Stop it, or choose another --otlp-grpc."
        ) from error
    return server


def _export(receiver: Receiver, signal: str) -> Handler:
    async def export(body: bytes, context: Any) -> bytes:
        try:
            answer = await _answer(receiver, signal, body, context)
        except NotAllowed as error:
            receiver.note("grpc", signal, "unauthenticated")
            await _abort(context, answers.UNAUTHENTICATED, str(error))
            raise
        except (Busy, WaypostError) as error:
            receiver.note("grpc", signal, "unavailable")
            await _abort(context, answers.UNAVAILABLE, str(error) or _BUSY)
            raise
        receiver.note("grpc", signal, answer.code.value)
        if answer.code is not Code.OK:
            await _abort(context, answers.GRPC_OF[answer.code], answer.message)
        return answers.success(signal, answer, Encoding.PROTOBUF)

    return export


async def _answer(receiver: Receiver, signal: str, body: bytes, context: Any) -> Answer:
    if receiver.draining:
        raise Busy
    headers = {str(k).lower(): _text(v) for k, v in context.invocation_metadata()}
    project = await receiver.admit(headers, _address(context))
    receiver.reserve(project, len(body))
    try:
        return await receiver.take(Request(project, signal, body))
    finally:
        receiver.release(project, len(body))


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _address(context: Any) -> str:
    """The sender's address without its port: `ipv4:10.0.0.7:4321`."""
    return str(context.peer()).rpartition(":")[0]


async def _abort(context: Any, code: int, message: str) -> None:
    """End the call; with a wait only where trying again is of use."""
    wait = answers.wait_seconds() if code == answers.UNAVAILABLE else 0
    trailing: tuple[tuple[str, bytes], ...] = ()
    if wait:
        trailing = (
            ("google.rpc.retryinfo-bin", answers.retry_info(wait)),
            ("grpc-status-details-bin", answers.status_message(code, message, wait)),
        )
    await context.abort(_CODES[code], message, trailing)


def _credentials(tls: Files) -> Any:
    """Certificates that are read again when their files change."""

    def configuration() -> Any:
        authority = _read(tls.client_ca) if tls.client_ca else None
        return grpc.ssl_server_certificate_configuration(
            [(_read(tls.key), _read(tls.certificate))], authority
        )

    def changed() -> Any:
        return configuration() if tls.have_changed() else None

    return grpc.dynamic_ssl_server_credentials(
        configuration(), changed, require_client_authentication=tls.client_ca is not None
    )


def _read(path: Path) -> bytes:
    return path.read_bytes()
