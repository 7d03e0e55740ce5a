"""`waypost work`: one worker process, from its settings to its last finished job."""

import contextlib
import gc
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from evaluators.alerts.watch import alert_chores, read
from evaluators.chores import Chore, run_chores, store_chores
from evaluators.clerk import Budget, Clerk
from evaluators.desk import Desk
from evaluators.health import LOOK_SECONDS, look_at_all
from evaluators.project_plan import Plans
from evaluators.registry import find_evaluators
from evaluators.worker import Worker
from waypost.errors import BadSetting
from waypost.settings import Settings
from waypost.store import evaluator_settings, projects
from waypost.store.engine import Engine, plainly
from waypost.store.opened import store

if TYPE_CHECKING:
    from evaluators.outbox import Outbox

Loop = Callable[[threading.Event], None]
STOP_SECONDS = 10.0
SHOW_SECONDS = 10.0
NO_JUDGE = "no judge model is set: WAYPOST_JUDGE_MODEL names one"
log = logging.getLogger("waypost.worker")


def build_plans(settings: Settings) -> Plans:
    """The evaluators there are and what the file asks of them; BadSetting if the file is off."""
    folders = [settings.plugins] if settings.plugins else []
    body = read(settings.config)
    file = {part: body[part] for part in evaluator_settings.PARTS if part in body}
    return Plans(find_evaluators(folders), file)


def show_file(engine: Engine, plans: Plans, shown: set[int]) -> None:
    """Put the file's tables beside the projects' own, where pages and programs can read them.

    Only those of projects that are not `shown` yet: one that is made later is shown then.
    """
    with plainly(), engine.begin() as connection:
        new = {project.id for project in projects.every(connection)} - shown
        for project_id in sorted(new):
            evaluator_settings.sync_file(connection, project_id, plans.file)
    shown |= new


def build_clerk(settings: Settings, engine: Engine, desk: Desk) -> Clerk | None:
    """Whoever asks model judges; None without a judge model, BadSetting for one of no use."""
    if not settings.judge_model:
        return None
    # LangChain takes longer to import than the rest of a worker, and most workers need none.
    from evaluators.chat import ChatModel

    return Clerk(engine, desk, ChatModel(settings), Budget(settings.judge_budget_usd))


def find_clerk(settings: Settings, engine: Engine, desk: Desk) -> tuple[Clerk | None, str]:
    """Whoever asks model judges, or why nobody does: local evaluators go on without."""
    try:
        clerk = build_clerk(settings, engine, desk)
    except BadSetting as error:
        log.warning("%s", error)
        return None, str(error)
    return clerk, "" if clerk else NO_JUDGE


def find_outbox(settings: Settings) -> "Outbox | None":
    """Whoever tells others of scores; None where nobody asks for them."""
    if not settings.scores_endpoint:
        return None
    # OTLP and its client take as long to import as SQLAlchemy, and most workers need neither.
    from evaluators.outbox import Outbox

    return Outbox(settings.scores_endpoint)


def spare_garbage() -> None:
    """Runs are many small objects that live for one batch: Python's collector of garbage looks at
    them in vain, a tenth of all time with its own thresholds."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def work(settings: Settings, stop: threading.Event | None = None) -> None:
    """Run one worker until a signal; what it holds when it ends is finished first."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    ended = stop or threading.Event()
    spare_garbage()
    if stop is None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
    with store(settings) as engine:
        plans = build_plans(settings)
        shown: set[int] = set()
        show_file(engine, plans, shown)
        desk = Desk(plans)
        clerk, vacant = find_clerk(settings, engine, desk)
        outbox = find_outbox(settings)
        worker = Worker(
            engine,
            desk,
            tell=outbox.tell if outbox else None,
            ask=clerk.ask if clerk else None,
        )
        paused = clerk.paused if clerk else lambda: vacant
        health = Chore("health", LOOK_SECONDS, lambda: look_at_all(engine, plans, paused=paused()))
        file = Chore("file", SHOW_SECONDS, lambda: show_file(engine, plans, shown))
        # A slow receiver holds up no alarm, and the night's cleaning neither.
        alarms = alert_chores(engine, settings, plans.evaluators)
        groups = [[*store_chores(engine), health, file], *([chore] for chore in alarms)]
        loops: list[Loop] = [partial(run_chores, chores) for chores in groups]
        loops += [part.run for part in (clerk, outbox) if part is not None]
        with _beside(loops, ended):
            worker.run(ended)


@contextlib.contextmanager
def _beside(loops: list[Loop], stop: threading.Event) -> Iterator[None]:
    """Run loops in threads of their own while the block runs, and wait for them to end."""
    threads = [threading.Thread(target=loop, args=(stop,), daemon=True) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(STOP_SECONDS)
