"""One collector process, from start to a clean end."""

import asyncio
import gc
import logging
import signal
from typing import Any, Final

import uvloop

from collector import grpc, tls
from collector.buffer import Intake
from collector.door import Door
from collector.health import Health
from collector.listener import Listener, bind, make_listener
from collector.metrics import Metrics
from collector.rates import Rates
from collector.receiver import Receiver
from collector.rest import Rest
from collector.server import application
from collector.spool import Spool
from waypost.ports import refuse_taken
from waypost.settings import Settings
from waypost.store.engine import Engine, connect
from waypost.store.opened import database_url

_DRAIN_SECONDS: Final = 8.0
_log = logging.getLogger("waypost.collector")


def serve(settings: Settings) -> None:
    """Receive until SIGTERM or Ctrl-C; everything acknowledged is stored when this returns."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    with database_url(settings) as url:
        engine = connect(url, application="waypost collector")
        # Programs that read many runs at once never hold the connections that spans need.
        rest = connect(url, application="waypost rest")
        try:
            uvloop.run(Collector(settings, engine, rest).run())
        finally:
            rest.dispose()
            engine.dispose()


class Collector:
    """The parts of one collector, wired together."""

    def __init__(self, settings: Settings, engine: Engine, rest: Engine) -> None:
        # gRPC's own refusal comes late, and with lines of its library beside it.
        refuse_taken(settings.host, [("--otlp-grpc", settings.otlp_grpc)])
        self._settings = settings
        self._rest = rest
        metrics = Metrics()
        spool = Spool(settings.data / "spool", settings.spool_limit)
        door = Door(engine, metrics, needs_key=settings.needs_key)
        self._intake = Intake(
            engine,
            door,
            metrics,
            spool,
            in_flight_limit=settings.in_flight_limit,
            inflated_limit=settings.inflated_limit,
        )
        self._health = Health(engine, self._intake)
        self._receiver = Receiver(door, self._intake, metrics, settings.wire_limit)
        self._files = tls.files_of(settings)
        self._socket = bind(settings.host, settings.otlp_http)
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Serve until told to stop, then drain."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stopping.set)
        # Spans are many small objects that live for one request: the collector of garbage
        # looks at them in vain, a fifth of all time with Python's own thresholds.
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        self._intake.start()
        self._health.start()
        listener, server, tasks = await self._listen()
        settings = self._settings
        _log.info(
            "collecting on %s and grpc://%s:%d",
            settings.receiver, settings.host, settings.otlp_grpc,
        )  # fmt: skip
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        await self._drain(listener, server, tasks)

    async def _listen(self) -> tuple[Listener, Any, list["asyncio.Task[None]"]]:
        settings = self._settings
        origins = tuple(o.strip() for o in settings.cors_origins.split(",") if o.strip())
        app = application(
            self._receiver,
            self._health,
            cors=origins,
            rest=Rest(self._rest, self._receiver.door, plugins=settings.plugins),
            rates=Rates(self._rest),
        )
        listener = make_listener(app, settings.host, settings.otlp_http)
        tasks = []
        if self._files is not None:
            listener.config.load()
            listener.config.ssl = tls.context_of(self._files)
            tasks.append(asyncio.create_task(self._renew(listener, self._files)))
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        server = grpc.make_server(
            self._receiver,
            f"{host}:{settings.otlp_grpc}",
            limit=settings.inflated_limit,
            tls=tls.files_of(settings),
        )
        await server.start()
        tasks.append(asyncio.create_task(listener.serve(sockets=[self._socket])))
        return listener, server, tasks

    async def _renew(self, listener: Listener, files: tls.Files) -> None:
        while True:
            await asyncio.sleep(2)
            if files.have_changed() and listener.config.ssl is not None:
                tls.load(listener.config.ssl, files)

    async def _drain(
        self, listener: Listener, server: Any, tasks: list["asyncio.Task[None]"]
    ) -> None:
        """Refuse what is new, finish what is open."""
        self._receiver.draining = True
        self._health.drain()
        clean = await asyncio.to_thread(self._intake.stop, _DRAIN_SECONDS)
        await server.stop(1)
        listener.should_exit = True
        self._health.stop()
        for task in tasks[:-1]:
            task.cancel()
        await asyncio.wait(tasks, timeout=1.5)
        if not clean:
            _log.warning("not everything could be answered before the end")
