"""What is wrong with an installation, and how to mend it."""

import datetime as dt
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from waypost import running
from waypost.errors import WaypostError
from waypost.ports import listens
from waypost.settings import Settings
from waypost.store import audit, cohort_values, keys, migrate, partitions, projects, reach
from waypost.store.engine import connect, plainly, server_version
from waypost.store.opened import embedded
from waypost.up import has_room

_LOW_BYTES = 1 << 30
_CLOCK_SECONDS = 2.0
_WEEK = dt.timedelta(days=7)
_SILENT = dt.timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: fine or not, and what mends it."""

    check: str
    fine: bool
    said: str
    mend: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Every check in order; those that need Postgres are left out when it does not answer."""
    findings = [*named_files(settings), _disk(settings), *_ports(settings)]
    url = settings.database_url
    if url is None:
        server = embedded(settings)
        if not server.answers():
            said = f"the embedded server in {server.data} is not running"
            return [Finding("postgres", False, said, "Start it with `waypost up`."), *findings]
        url = server.url
    engine = connect(url)
    try:
        return [*_stored(engine), *findings]
    finally:
        engine.dispose()


def _stored(engine: Engine) -> Iterator[Finding]:
    try:
        with plainly(), engine.connect() as connection:
            yield Finding("postgres", True, f"answers, version {server_version(connection)}")
            yield from _inside(connection)
    except WaypostError as error:
        yield Finding("postgres", False, str(error), "Start Postgres, or mend the URL.")


def _inside(connection: Connection) -> Iterator[Finding]:
    version, wanted = migrate.current(connection), migrate.head()
    current = version == wanted
    yield Finding("schema", current, f"at {version}, newest {wanted}", "Run `waypost migrate`.")
    if not current:
        return
    checks: tuple[Callable[[Connection], Finding], ...] = (
        _days, _clock, keys_last, _audit, worker_lives, _jobs, cohort_values_fit, _alerts,
    )  # fmt: skip
    for check in checks:
        yield check(connection)


def _days(connection: Connection) -> Finding:
    today = dt.datetime.now(dt.UTC).date()
    wanted = {today + dt.timedelta(days=n) for n in range(partitions.FUTURE + 1)}
    missing = sorted(wanted - partitions.known_days(connection))
    said = "ready for the coming days" if not missing else f"missing from {missing[0]} on"
    return Finding("partitions", not missing, said, "Start a worker, or run `waypost migrate`.")


def _clock(connection: Connection) -> Finding:
    there = connection.execute(sa.text("select clock_timestamp()")).scalar_one()
    skew = abs((dt.datetime.now(dt.UTC) - there).total_seconds())
    said = f"{skew:.1f} s between this machine and Postgres"
    return Finding("clock", skew < _CLOCK_SECONDS, said, "Let both machines follow NTP.")


def keys_last(connection: Connection, now: dt.datetime | None = None) -> Finding:
    """Whether no key ends this week or ended in the last; one that ended before is history."""
    moment = now or dt.datetime.now(dt.UTC)
    known = [k for p in projects.every(connection) for k in keys.every(connection, p.id)]
    ending = [
        k.name for k in known
        if k.revoked_at is None and k.expires_at is not None and abs(k.expires_at - moment) < _WEEK
    ]  # fmt: skip
    said = f"{len(known)} known"
    if ending:
        said = f"{', '.join(ending)}: expired or about to"
    mend = "Make a new one with `waypost key create`, then `waypost key revoke` the old one."
    return Finding("keys", not ending, said, mend)


def _audit(connection: Connection) -> Finding:
    broken = audit.first_break(connection)
    said = "unbroken" if broken is None else f"changed or cut before entry {broken}"
    return Finding("audit", broken is None, said, "Compare with a backup: somebody wrote to it.")


def worker_lives(connection: Connection, now: dt.datetime | None = None) -> Finding:
    """Whether a worker has looked at any project lately, as each does every minute."""
    before = (now or dt.datetime.now(dt.UTC)) - _SILENT
    known = len(projects.every(connection))
    fine = len(reach.due(connection, before, most=known)) < known
    said = "at work" if fine else f"none was at work in the last {_SILENT.seconds // 60} minutes"
    return Finding("worker", fine, said, "Start one with `waypost work`, or all with `waypost up`.")


def _jobs(connection: Connection) -> Finding:
    oldest, dead = connection.execute(
        sa.text("""
            select extract(epoch from now() - min(created_at)), (select count(*) from job_dead)
            from job where coalesce(leased_until, '-infinity') < now()""")
    ).one()
    late = float(oldest or 0)
    fine = late < 300 and not dead
    said = f"oldest waits {late:.0f} s, {dead} given up"
    return Finding("jobs", fine, said, "Start more workers; see the Evaluators page for errors.")


def cohort_values_fit(connection: Connection) -> Finding:
    """Whether every cohort key has few enough values that each is counted under its own name."""
    midnight = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    said = [
        f"{key} of project {project.name}: {n:,} runs of today counted as {cohort_values.OTHER!r}"
        for project in projects.every(connection)
        for key, n in cohort_values.overflowing(connection, project.id, midnight).items()
    ]
    mend = "Leave a key with a value for every user or request out of the project's cohort keys."
    return Finding("cohorts", not said, "; ".join(said) or "every value has its own name", mend)


def _alerts(connection: Connection) -> Finding:
    """Whether every rule could be judged, and every message went out."""
    broken = connection.execute(
        sa.text("select name, fault from alert_rule where is_enabled and fault is not null")
    ).all()
    stuck = connection.execute(
        sa.text("""
            select count(*) from delivery
            where status = 'failed' and done_at > now() - interval '1 day'
              or status = 'waiting' and created_at < now() - interval '10 minutes'""")
    ).scalar_one()
    said = [f"rule {row.name!r} breaks: {row.fault}" for row in broken]
    said += [f"{stuck} messages did not arrive"] if stuck else []
    mend = "See the Alerts page; `waypost alerts test RULE` tries the channels."
    return Finding("alerts", not said, "; ".join(said) or "rules and channels work", mend)


def named_files(settings: Settings) -> Iterator[Finding]:
    """Whether each file that the settings name can be used, read as the part that uses it would."""
    checks: dict[str, tuple[object, str, Callable[[], object]]] = {
        "waypost.toml": (settings.config, "worker", lambda: _read_config(settings)),
        "users": (settings.users, "dashboard", lambda: _read_users(settings)),
        "tls": (settings.tls_cert or settings.tls_key, "collector", lambda: _read_tls(settings)),
    }
    for name, (path, room, read) in checks.items():
        if path is None or not has_room(room):
            continue
        try:
            read()
        except (WaypostError, OSError) as error:
            yield Finding(name, False, str(error), "Mend the file, or the variable that names it.")
        else:
            yield Finding(name, True, f"{path} can be used")


def _read_config(settings: Settings) -> None:
    from evaluators.alerts.channel import targets
    from evaluators.alerts.rules import parse_all
    from evaluators.alerts.watch import read
    from evaluators.conditions import parse_gates
    from evaluators.run import build_plans

    build_plans(settings)
    document = read(settings.config)
    parse_all(document)
    if not _is_of_up(settings):
        targets(document)
    parse_gates(document)


def _is_of_up(settings: Settings) -> bool:
    """Whether the file is known from an `up` that runs: channels take secrets from the environment
    of its shell, which may lack here."""
    there = running.found(settings.data).get("WAYPOST_CONFIG")
    return there == str(settings.config) and "WAYPOST_CONFIG" not in os.environ


def _read_users(settings: Settings) -> None:
    from ui.users import read_users

    if settings.users is not None:
        read_users(settings.users)


def _read_tls(settings: Settings) -> None:
    from collector.tls import files_of

    files_of(settings)


def _disk(settings: Settings) -> Finding:
    folder = settings.data.resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    said = f"{free / (1 << 30):.1f} GiB free at {folder}"
    return Finding("disk", free > _LOW_BYTES, said, "Free some space or shorten the keep-time.")


def _ports(settings: Settings) -> Iterator[Finding]:
    for name, port in (
        ("otlp-http", settings.otlp_http), ("otlp-grpc", settings.otlp_grpc), ("ui", settings.ui)
    ):  # fmt: skip
        open_ = listens(settings.host, port)
        said = f"{settings.host}:{port} " + ("answers" if open_ else "does not answer")
        yield Finding(f"port {name}", open_, said, "Start Waypost with `waypost up`.")
