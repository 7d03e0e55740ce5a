"""Debian's Postgres 15, where it is installed: the oldest server Waypost supports."""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.shared import quick_folder

BIN = Path("/usr/lib/postgresql/15/bin")


@dataclass(frozen=True)
class Debian15:
    """A running cluster in a folder of its own."""

    folder: Path
    url: str

    @classmethod
    def start(cls) -> "Debian15 | None":
        """A cluster of its own, or None where Postgres 15 is not installed."""
        if not (BIN / "initdb").exists():
            return None
        # Not below pytest's own folder, which it keeps closed to the server's user; and short,
        # because the path of a socket must be.
        folder = quick_folder("waypost-pg15-")
        _give(folder)
        data = folder / "data"
        _run("initdb", "-D", str(data), "-U", "waypost", "--auth=trust", "-E", "UTF8", "--locale=C")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c timezone=UTC"
        _run(
            "pg_ctl", "start", "-D", str(data), "-w", "-s", "-l", str(folder / "log"), "-o", options
        )
        return cls(folder, f"postgresql:///postgres?host={folder}&user=waypost")

    def stop(self) -> None:
        _run("pg_ctl", "stop", "-D", str(self.folder / "data"), "-m", "immediate", "-s")
        shutil.rmtree(self.folder, ignore_errors=True)


def _give(path: Path) -> None:
    if os.geteuid() == 0:
        entry = pwd.getpwnam("postgres")
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _run(program: str, *arguments: str) -> None:
    user = "postgres" if os.geteuid() == 0 else None
    group = pwd.getpwnam("postgres").pw_gid if user else None
    subprocess.run(
        [str(BIN / program), *arguments], check=True, user=user, group=group, cwd="/",
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
