"""`waypost up`: the embedded Postgres and every part of Waypost as one process group."""

import importlib.util
import ssl
import time
import urllib.request
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from waypost import running
from waypost.errors import BadSetting, WaypostError
from waypost.ports import listens, refuse_taken
from waypost.settings import Settings
from waypost.store import migrate
from waypost.store.embedded import EmbeddedPostgres
from waypost.store.engine import connect, plainly
from waypost.store.opened import embedded
from waypost.supervisor import Part, Supervisor, on_signals

ROOMS = {
    "demo": "waypost.demo.verb",
    "collector": "collector.run",
    "worker": "evaluators.run",
    "dashboard": "ui.run",
}
_DEMO = Path(__file__).parent / "demo" / "waypost.toml"
_READY_SECONDS = 60
Say = Callable[[str], None]


def up(settings: Settings, *, with_ui: bool, demo: bool, say: Say) -> None:
    """Run until a signal; returns once everything is stopped."""
    if demo:
        settings = replace(settings, config=settings.config or _DEMO)
    _refuse_open_doors(settings, with_ui=with_ui)
    server = None if settings.database_url else embedded(settings)
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        supervisor.stop()

    url = settings.database_url or ""
    if server is not None:
        began = time.monotonic()
        url = server.start()
        say(f"Postgres is ready in {server.data} ({time.monotonic() - began:.1f} s).")
    try:
        refuse_taken(settings.host, _ports(settings, with_ui=with_ui))
        _migrate(url, say)
        watch = _Watch(server, say)
        supervisor = Supervisor(
            _parts(settings, with_ui=with_ui, demo=demo),
            environment=_environment(settings, url),
            say=say,
            check=watch,
        )
        with on_signals(stop), nullcontext() if server is None else running.told(settings):
            supervisor.start()
            if wait_ready(settings, with_ui=with_ui, until=lambda: stopped):
                _greet(settings, with_ui=with_ui, say=say)
            elif not stopped:
                say(f"Not everything answers after {_READY_SECONDS} s; see `waypost doctor`.")
            supervisor.run()
            say("Stopping.")
    finally:
        if server is not None:
            server.stop()


def _refuse_open_doors(settings: Settings, *, with_ui: bool) -> None:
    if settings.on_loopback or not with_ui:
        return
    if settings.users is None:
        raise BadSetting(
            f"The dashboard would be open to everyone on {settings.host}. Set WAYPOST_USERS to a "
            "file of users (`python -m ui.users FILE NAME ROLE` writes one), or add --no-ui, or "
            "stay on 127.0.0.1."
        )


def _ports(settings: Settings, *, with_ui: bool) -> list[tuple[str, int]]:
    """The ports that are listened on, each with its option."""
    wanted = [("--otlp-http", settings.otlp_http), ("--otlp-grpc", settings.otlp_grpc)]
    return wanted + ([("--ui", settings.ui)] if with_ui else [])


def _migrate(url: str, say: Say) -> None:
    engine = connect(url)
    try:
        with plainly():
            if migrate.migrate(engine):
                say(f"The schema is at {migrate.head()}.")
    finally:
        engine.dispose()


def _parts(settings: Settings, *, with_ui: bool, demo: bool) -> list[Part]:
    parts = [Part("collector", ["collect"])]
    parts += [Part("worker", ["work"]) for _ in range(settings.workers)]
    if with_ui:
        parts.append(Part("dashboard", ["ui"]))
    if demo:
        parts.append(Part("demo", ["demo", "--once"], once=True))
    return [part for part in parts if has_room(part.name)]


def has_room(name: str) -> bool:
    """Whether this part is installed."""
    try:
        return importlib.util.find_spec(ROOMS[name]) is not None
    except ModuleNotFoundError:
        return False


def _environment(settings: Settings, url: str) -> dict[str, str]:
    config = settings.config
    return {
        **({"WAYPOST_CONFIG": str(config.resolve())} if config else {}),
        "WAYPOST_DATABASE_URL": url,
        "WAYPOST_DATA": str(settings.data.resolve()),
        "WAYPOST_HOST": settings.host,
        "WAYPOST_OTLP_HTTP": str(settings.otlp_http),
        "WAYPOST_OTLP_GRPC": str(settings.otlp_grpc),
        "WAYPOST_UI": str(settings.ui),
    }


class _Watch:
    """Starts the embedded Postgres again when it has died."""

    def __init__(self, server: EmbeddedPostgres | None, say: Say) -> None:
        self._server = server
        self._say = say
        self._due = 0.0

    def __call__(self) -> None:
        if self._server is None or self._server.postmaster() is not None:
            return
        if time.monotonic() < self._due:
            return
        self._say("Postgres stopped; starting it again.")
        try:
            self._server.ensure()
        except WaypostError as error:
            self._due = time.monotonic() + 5
            self._say(str(error))


def wait_ready(
    settings: Settings, *, with_ui: bool, until: Callable[[], bool], seconds: float = _READY_SECONDS
) -> bool:
    """Whether every part answers within some seconds; `until` ends the waiting."""
    deadline = time.monotonic() + seconds
    checks: list[Callable[[], bool]] = []
    if has_room("collector"):
        checks.append(lambda: _receives(settings))
    if with_ui and has_room("dashboard"):
        checks.append(lambda: listens(settings.host, settings.ui))
    while time.monotonic() < deadline and not until():
        if all(check() for check in checks):
            return True
        time.sleep(0.1)
    return False


def _host(settings: Settings) -> str:
    return f"[{settings.host}]" if ":" in settings.host else settings.host


def _receives(settings: Settings) -> bool:
    if settings.tls_client_ca is not None:  # it asks for a certificate, and there is none here
        return listens(settings.host, settings.otlp_http)
    context = ssl.create_default_context()
    context.check_hostname = False  # the certificate is for the name that senders use
    context.verify_mode = ssl.CERT_NONE
    url = f"{settings.receiver}/healthz"
    try:
        with urllib.request.urlopen(url, timeout=1, context=context) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except OSError:
        return False


def _greet(settings: Settings, *, with_ui: bool, say: Say) -> None:
    host = _host(settings)
    say("Waypost is up.")
    if has_room("collector"):
        say(f"  OTLP/HTTP  {settings.receiver}")
        scheme = settings.receiver.partition(":")[0]
        say(f"  OTLP/gRPC  {scheme}://{host}:{settings.otlp_grpc}")
    if with_ui and has_room("dashboard"):
        say(f"  dashboard  http://{host}:{settings.ui}")
    say("Ctrl-C stops all of it.")
