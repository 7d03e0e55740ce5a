"""Debian's Postgres 15, where it is installed: the oldest server Waypost supports."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

BIN = Path("/usr/lib/postgresql/15/bin")


@dataclass(frozen=True)
class Debian15:
    """A running cluster below a test's folder."""

    folder: Path
    url: str

    @classmethod
    def start(cls, folder: Path) -> "Debian15 | None":
        """A cluster of its own, or None where Postgres 15 is not installed."""
        if not (BIN / "initdb").exists():
            return None
        socket = Path("/tmp") / f"waypost-pg15-{os.getpid()}"
        for path in (folder, socket):
            path.mkdir(exist_ok=True, mode=0o700)
            _give(path)
        _open_parents(folder)
        data = folder / "data"
        _run("initdb", "-D", str(data), "-U", "waypost", "--auth=trust", "-E", "UTF8", "--locale=C")
        options = f"-k {socket} -c listen_addresses='' -c fsync=off -c timezone=UTC"
        _run(
            "pg_ctl", "start", "-D", str(data), "-w", "-s", "-l", str(folder / "log"), "-o", options
        )
        return cls(folder, f"postgresql:///postgres?host={socket}&user=waypost")

    def stop(self) -> None:
        _run("pg_ctl", "stop", "-D", str(self.folder / "data"), "-m", "immediate", "-s")


def _give(path: Path) -> None:
    if os.geteuid() == 0:
        entry = pwd.getpwnam("postgres")
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _open_parents(folder: Path) -> None:
    """pytest's own folders are closed to others; the server's user must pass through them."""
    for parent in list(folder.parents)[:3]:
        if parent.owner() == pwd.getpwuid(os.geteuid()).pw_name and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)


def _run(program: str, *arguments: str) -> None:
    user = "postgres" if os.geteuid() == 0 else None
    group = pwd.getpwnam("postgres").pw_gid if user else None
    subprocess.run(
        [str(BIN / program), *arguments], check=True, user=user, group=group, cwd="/",
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
