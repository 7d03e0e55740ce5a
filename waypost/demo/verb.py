"""`waypost demo`: sends the demo's runs, with a progress bar on a terminal and lines elsewhere."""

import datetime as dt
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable

import click

from waypost.demo.send import send
from waypost.demo.situations import HOURS, Situation
from waypost.errors import WaypostError
from waypost.rates import plural
from waypost.settings import Settings
from waypost.store import projects, traces
from waypost.store.opened import store

AGENT = "benefits_assistant"
_WAIT_SECONDS = 60
_REFUSED_SECONDS = 10
_SILENT_SECONDS = 1


def demo(
    settings: Settings, endpoint: str | None, *, key: str | None, count: int, seed: int, once: bool
) -> None:
    """Send them to the collector, once it answers; a sentence says what to look at."""
    if once and _is_there(settings):
        click.echo("The demo's runs are there already.")
        return
    target = endpoint or settings.receiver
    # Once is how `up` starts it, beside a collector that may take long to start on a busy machine.
    wait_for(target, refused_seconds=_WAIT_SECONDS if once else _REFUSED_SECONDS)
    click.echo(f"Sending {plural(count, 'run')} of a benefits assistant, spread over two days …")
    sent = _send(target, key=key, count=count, seed=seed)
    click.echo(
        f"Sent {plural(sent, 'run')}. Look for prompt v15 on claude-haiku-4-5 in eu, and for "
        f"tenant north in us: http://{settings.host}:{settings.ui}"
    )


def _send(target: str, *, key: str | None, count: int, seed: int) -> int:
    now = time.time_ns()
    if not sys.stdout.isatty():
        return send(target, now=now, count=count, seed=seed, project_key=key, step=_line(count))
    with click.progressbar(length=count, label="runs") as bar:

        def step(_: Situation) -> None:
            bar.update(1)

        return send(target, now=now, count=count, seed=seed, project_key=key, step=step)


def _line(count: int) -> Callable[[Situation], None]:
    def step(situation: Situation) -> None:
        done = situation.number + 1
        if done % 100 == 0:
            click.echo(f"{done} of {count} runs sent")

    return step


def _is_there(settings: Settings) -> bool:
    now = dt.datetime.now(dt.UTC)
    wanted = traces.Filter(since=now - dt.timedelta(hours=HOURS), until=now, agent=AGENT)
    with store(settings) as engine, engine.connect() as connection:
        project = projects.named(connection, projects.DEFAULT)
        return bool(traces.page(connection, project.id, wanted, most=1))


def wait_for(target: str, *, refused_seconds: float = _REFUSED_SECONDS) -> None:
    """Return once a collector answers there; WaypostError when none does or none may be trusted.

    Where nobody listens it gives up sooner than where an answer takes long.
    """
    began = time.monotonic()
    is_said = False
    while True:
        try:
            with urllib.request.urlopen(f"{target}/healthz", timeout=2):  # noqa: S310 - our collector's address
                return
        except urllib.error.HTTPError:
            return
        except OSError as error:
            _refuse_unchecked(target, error)
            refused = isinstance(getattr(error, "reason", error), ConnectionRefusedError)
            waited = time.monotonic() - began
            if waited > (refused_seconds if refused else _WAIT_SECONDS):
                raise WaypostError(
                    f"No collector answers at {target}; start one with `waypost up`."
                ) from error
            if waited > _SILENT_SECONDS and not is_said:
                click.echo(f"Waiting for a collector at {target} …", err=True)
                is_said = True
            time.sleep(0.5)


def _refuse_unchecked(target: str, error: OSError) -> None:
    if isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError):
        raise WaypostError(
            f"The certificate of {target} cannot be checked. Name what signed it in SSL_CERT_FILE "
            "and OTEL_EXPORTER_OTLP_CERTIFICATE, and its host in --endpoint."
        ) from error
