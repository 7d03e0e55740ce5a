"""The tracer's tests against LangChain's floor, the newest that resolves, and deepagents.

    python benchmarks/tracer_matrix.py [--keep DIR]

Each set gets an environment of its own in a cache folder; nothing is written anywhere else.
"""

import argparse
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = "tests/unit/tracer"
COMMON = (
    *("langchain-classic>=1,<2", "opentelemetry-exporter-otlp-proto-http"),
    *("hypothesis", "pytest", "pytest-timeout", "pytest-randomly"),
)
SETS = {
    "floor": (
        *("langchain==1.4.0", "langchain-core==1.6.0", "langgraph==1.2.11"),
        "opentelemetry-sdk==1.40.0",
    ),
    "newest": ("langchain>=1.4,<2", "langgraph", "opentelemetry-sdk"),
    "deepagents": ("langchain>=1.4,<2", "deepagents", "opentelemetry-sdk"),
}
SHOWN = ("langchain", "langchain-core", "langgraph", "deepagents", "opentelemetry-sdk")


def environment(folder: Path, name: str) -> Path:
    """The Python of one set, made once."""
    place = folder / name
    python = place / "bin" / "python"
    if not (place / "ready").exists():
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "-q", "--clear", str(place)], check=True)
        subprocess.run(
            [*uv, "pip", "install", "-q", "--python", str(python), *COMMON, *SETS[name]], check=True
        )
        (place / "ready").touch()
    return python


def versions(python: Path) -> str:
    """What was installed."""
    site = next((python.parent.parent / "lib").glob("python*/site-packages"))
    found = {
        d.metadata["Name"].lower().replace("_", "-"): d.version
        for d in distributions(path=[str(site)])
    }
    return ", ".join(f"{name} {found[name]}" for name in SHOWN if name in found)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    default = Path(tempfile.gettempdir()) / "waypost-tracer-matrix"
    parser.add_argument("--keep", type=Path, default=default)
    options = parser.parse_args()
    failed = False
    rows = ["| set | versions | result |", "|---|---|---|"]
    for name in SETS:
        python = environment(options.keep, name)
        command = [str(python), "-m", "pytest", TESTS, f"--confcutdir={TESTS}", "-q"]
        done = subprocess.run(
            [*command, "-p", "no:cacheprovider"],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        failed = failed or done.returncode != 0
        said = done.stdout.splitlines() or done.stderr.splitlines() or ["nothing"]
        result = said[-1].strip("= ")
        rows.append(f"| {name} | {versions(python)} | {result} |")
    print("\n".join(rows))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
