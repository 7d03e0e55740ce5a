"""Waypost on its embedded Postgres, as `waypost up` starts it."""

import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence

import psutil
import psycopg

import waypost
from benchmarks.peers.peer import Peer, free_port
from waypost.store.embedded import EmbeddedPostgres


class Waypost(Peer):
    """This checkout: collector, worker and Postgres."""

    name = "Waypost"
    package = "waypost"

    def install(self) -> str:
        return waypost.__version__

    def command(self) -> Sequence[str]:
        return [
            sys.executable, "-m", "waypost", "up", "--no-ui", "--data", str(self.folder / "data"),
            "--otlp-http", str(self.port), "--otlp-grpc", str(free_port()),
            "--workers", "0",
        ]  # fmt: skip

    def processes(self) -> list[psutil.Process]:
        postmaster = EmbeddedPostgres(self.folder / "data").postmaster()
        found = super().processes()
        if postmaster is not None:
            found += [postmaster, *postmaster.children(recursive=True)]
        return found

    def count(self) -> int:
        urllib.request.urlopen(f"{self.url}/readyz", timeout=5).close()
        url = EmbeddedPostgres(self.folder / "data").url
        with psycopg.connect(url) as connection:
            found = connection.execute("select count(*) from step").fetchone()
        return int(found[0]) if found else 0

    def asks(self, trace_id: str) -> Mapping[str, urllib.request.Request]:
        verb = [sys.executable, "-m", "waypost", "key", "create", "--scope", "read"]
        key = subprocess.check_output(
            [*verb, "--data", str(self.folder / "data")], stderr=subprocess.DEVNULL, text=True
        ).strip()
        paths = {
            "list": "?most=100", "filter": "?most=100&tool=search_policy",
            "open": f"/{trace_id}/steps?most=200",
        }  # fmt: skip
        return {
            what: urllib.request.Request(
                f"{self.url}/api/v1/trajectories{path}", headers={"x-api-key": key}
            )
            for what, path in paths.items()
        }
