"""Seconds from a clean checkout to the first own trace visible, as a newcomer would go.

python3 benchmarks/first_trace.py [--warm]     (Python's own library is all it needs)

Clones this checkout, runs its `scripts/up`, makes an environment for an agent of one's own, pastes
README's lines in front of it, and looks for the run where the dashboard's list of runs looks.
`--warm` may use pip's and uv's caches; without it everything is downloaded anew.
"""

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
AGENT = """
from langchain_core.language_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate

ask = ChatPromptTemplate.from_template("{question}") | FakeListChatModel(responses=["Shipped."])
ask.invoke({"question": "Where is my order?"})
"""
LIMIT = 900


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(*command: str | Path, **more: str) -> None:
    subprocess.run(
        [str(c) for c in command], check=True, env={**os.environ, **more}, stderr=subprocess.DEVNULL
    )


def get(url: str, key: str) -> bytes | None:
    request = urllib.request.Request(url, headers={"x-api-key": key} if key else {})
    with suppress(OSError), urllib.request.urlopen(request, timeout=5) as answer:
        return bytes(answer.read())
    return None


def wait(up: "subprocess.Popen[bytes]", url: str, wanted: str = "", key: str = "") -> None:
    """Until the address answers with something that holds `wanted`."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end and up.poll() is None:
        said = get(url, key)
        if said is not None and wanted in said.decode():
            return
        time.sleep(0.1)
    sys.exit(f"{url} never answered with {wanted!r}.")


def readme_lines(checkout: Path) -> str:
    """The lines that README tells a newcomer to paste."""
    found = re.search(
        r"```python\n(import tracer.*?)```", (checkout / "README.md").read_text(), re.DOTALL
    )
    if found is None:
        sys.exit("README has no block of Python that begins with `import tracer`.")
    return found[1]


class Clock:
    """Says how long each part took."""

    def __init__(self) -> None:
        self.began = self.last = time.monotonic()

    def say(self, what: str) -> None:
        now = time.monotonic()
        print(f"{now - self.last:7.1f} s  {what}", flush=True)
        self.last = now

    def total(self) -> None:
        print(f"{self.last - self.began:7.1f} s  from the clone to the run on the page")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--warm", action="store_true", help="use pip's and uv's caches")
    caches = {} if parser.parse_args().warm else {"PIP_NO_CACHE_DIR": "1", "UV_NO_CACHE": "1"}
    os.environ.update(caches)
    with tempfile.TemporaryDirectory(prefix="waypost-first-") as folder:
        measure(Path(folder))


def measure(folder: Path) -> None:
    checkout, agent, clock = folder / "waypost", folder / "agent", Clock()
    run("git", "clone", "-q", ROOT, checkout)
    clock.say("git clone")
    ports = [str(free_port()) for _ in range(3)]
    up = subprocess.Popen(
        [checkout / "scripts" / "up", "--data", folder / "data", "--otlp-http", ports[0],
         "--otlp-grpc", ports[1], "--ui", ports[2]],
        stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        wait(up, f"http://127.0.0.1:{ports[0]}/readyz")
        wait(up, f"http://127.0.0.1:{ports[2]}/")
        clock.say("scripts/up: environment, Postgres, schema, everything answers")
        key = subprocess.check_output(
            [checkout / ".venv" / "bin" / "waypost", "key", "create", "--scope", "read",
             "--data", folder / "data"], stderr=subprocess.DEVNULL, text=True,
        ).strip()  # fmt: skip
        run(sys.executable, "-m", "venv", agent)
        run(agent / "bin" / "pip", "install", "-q", "langchain>=1.4,<2")
        clock.say("an environment with LangChain, which an agent has anyway")
        run(agent / "bin" / "pip", "install", "-q", checkout)
        clock.say("pip install of the tracer")
        (folder / "agent.py").write_text(readme_lines(checkout) + AGENT)
        endpoint = f"http://127.0.0.1:{ports[0]}"
        run(agent / "bin" / "python", folder / "agent.py", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
        clock.say("the agent's own run")
        wait(up, f"{endpoint}/api/v1/trajectories", "trace_id", key)
        clock.say("until the run is on the list")
        clock.total()
        print(json.dumps({"python": sys.version.split()[0], "cores": os.cpu_count()}))
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait(60)


if __name__ == "__main__":
    main()
