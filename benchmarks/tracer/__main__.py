"""Added CPU a step and bytes exported, of this tracer and of those it is compared with.

    python -m benchmarks.tracer [--only "NAME;…"] [--steps 5,20,50,100,200] [--runs 5] [--keep DIR]

Each contender gets an environment of its own in a cache folder and is measured in a process of its
own, bare LangChain first. What a contender adds is its cheapest run less the cheapest bare run of
all processes. Nothing is written anywhere else; the tables are printed.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import zstandard

from benchmarks.tracer.contenders import COMMON, PACKAGES

CACHE = Path(tempfile.gettempdir()) / "waypost-tracer-bench"
HERE = Path(__file__).resolve().parent
Rows = list[dict[str, Any]]


class Taken:
    """Counts the bytes of every request body, as sent and uncompressed."""

    def __init__(self) -> None:
        self._wire = self._plain = 0
        self._lock = threading.Lock()

    def add(self, body: bytes, encoding: str) -> None:
        plain = len(inflated(body, encoding))
        with self._lock:
            self._wire += len(body)
            self._plain += plain

    def since_last(self) -> tuple[int, int]:
        with self._lock:
            taken = self._wire, self._plain
            self._wire = self._plain = 0
        return taken


def inflated(body: bytes, encoding: str) -> bytes:
    """A request body without its compression."""
    match encoding.strip().lower():
        case "gzip":
            return gzip.decompress(body)
        case "deflate":
            return zlib.decompress(body)
        case "zstd":
            return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    return body


@contextmanager
def sink() -> Iterator[str]:
    """A server on loopback that takes everything and says how much it was."""
    taken = Taken()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            taken.add(self._body(), self.headers.get("content-encoding", ""))
            self._answer(b"")

        def do_PATCH(self) -> None:
            self.do_POST()

        def do_GET(self) -> None:
            found = json.dumps(taken.since_last()) if self.path == "/taken" else "{}"
            self._answer(found.encode())

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("content-length", 0)))
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def environment(folder: Path, name: str, packages: Sequence[str]) -> Path:
    """A contender's own Python; made once and kept in the cache folder."""
    place = folder / "".join(c if c.isalnum() else "-" for c in name.lower())
    python = place / "bin" / "python"
    if not (place / "ready").exists():
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "-q", "--clear", str(place)], check=True)
        install = [*uv, "pip", "install", "-q", "--python", str(python), *COMMON, *packages]
        subprocess.run(install, check=True)
        (place / "ready").touch()
    return python


def measure(python: Path, name: str, endpoint: str, options: argparse.Namespace) -> Rows:
    """One contender's numbers from its own process."""
    command = [
        str(python),
        str(HERE / "workload.py"),
        name,
        endpoint,
        str(options.runs),
        options.steps,
    ]
    quiet = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "LANG", "MLFLOW"))}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            command,
            cwd=folder,
            env=quiet,
            capture_output=True,
            text=True,
            timeout=3600,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr else "no output")
    rows: Rows = json.loads(done.stdout.splitlines()[-1])
    return rows


def version_of(python: Path, packages: Sequence[str]) -> str:
    """The version that was measured."""
    if not packages:
        return ""
    site = next((python.parent.parent / "lib").glob("python*/site-packages"))
    for found in distributions(path=[str(site)]):
        if found.metadata["Name"].lower().replace("_", "-") == packages[-1]:
            return f" {found.version}"
    return ""


def table(title: str, found: dict[str, Rows], column: str, form: str) -> None:
    """One table, contenders down, lengths across."""
    lengths = [row["steps"] for row in next(iter(found.values()))]
    print(f"\n{title}\n\n| | " + " | ".join(f"{n} steps" for n in lengths) + " |")
    print("|---|" + "---:|" * len(lengths))
    for name, rows in found.items():
        cells = [form.format(row[column]) for row in rows]
        print(f"| {name} | " + " | ".join(cells) + " |")


def subtract_bare(runs: list[Rows]) -> None:
    """What each contender adds at each length."""
    for same_length in zip(*runs, strict=True):
        bare = min(row["bare"] for row in same_length)
        for row in same_length:
            row["added"] = row["cpu"] - bare


def main() -> None:
    form = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--only", default="", help="names of contenders, separated by semicolons")
    parser.add_argument("--steps", default="5,20,50,100,200")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--keep", type=Path, default=CACHE)
    options = parser.parse_args()
    only = {n.strip().lower() for n in options.only.split(";") if n.strip()}
    found: dict[str, Rows] = {}
    with sink() as endpoint:
        for name, packages in PACKAGES.items():
            if only and name.lower() not in only:
                continue
            print(f"… {name}", file=sys.stderr, flush=True)
            try:
                python = environment(options.keep, name, packages)
                rows = measure(python, name, endpoint, options)
            except (
                subprocess.CalledProcessError,
                subprocess.TimeoutExpired,
                RuntimeError,
            ) as error:
                print(f"{name} could not be measured: {error}", file=sys.stderr)
                continue
            found[name + version_of(python, packages)] = rows
    if not found:
        sys.exit("nothing could be measured")
    subtract_bare(list(found.values()))
    table("Added CPU a step, ms (all threads, export included)", found, "added", "{:.2f}")
    table("KiB sent a run", found, "wire", "{:,.0f}")
    table("KiB sent a run, uncompressed", found, "plain", "{:,.0f}")
    table("Bare LangChain in the same process, CPU ms a step", found, "bare", "{:.2f}")


if __name__ == "__main__":
    main()
