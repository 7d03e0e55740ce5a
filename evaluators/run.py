"""`waypost work`: one worker process, from its settings to its last finished job."""

import logging
import signal
import threading

from evaluators.config import read_config
from evaluators.desk import Desk
from evaluators.plan import Plan
from evaluators.registry import find_evaluators
from evaluators.worker import Worker
from waypost.settings import Settings
from waypost.store.engine import Engine
from waypost.store.opened import store


def build_plan(settings: Settings) -> Plan:
    """The evaluators there are and what the configuration asks of them."""
    folders = [settings.plugins] if settings.plugins else []
    evaluators = find_evaluators(folders)
    return Plan(evaluators, read_config(settings.config, evaluators))


def build_worker(settings: Settings, engine: Engine) -> Worker:
    return Worker(engine, Desk(build_plan(settings)))


def work(settings: Settings, stop: threading.Event | None = None) -> None:
    """Run one worker until a signal; what it holds when it ends is finished first."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    ended = stop or threading.Event()
    if stop is None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
    with store(settings) as engine:
        build_worker(settings, engine).run(ended)
