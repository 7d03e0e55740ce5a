"""What `pip install waypost` brings, and what it does not."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.shared import ROOT

pytestmark = pytest.mark.slow

HEAVY = {
    "sqlalchemy",
    "psycopg",
    "streamlit",
    "langchain",
    "langgraph",
    "fastapi",
    "grpc",
    "alembic",
}
REPORT = """
import tracer, sys, json
print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))
"""
SMALL = {
    "certifi", "charset-normalizer", "googleapis-common-protos", "idna", "importlib-metadata",
    "opentelemetry-api", "opentelemetry-exporter-http-transport",
    "opentelemetry-exporter-otlp-common", "opentelemetry-exporter-otlp-proto-common",
    "opentelemetry-exporter-otlp-proto-http", "opentelemetry-proto", "opentelemetry-sdk",
    "opentelemetry-semantic-conventions", "protobuf", "requests", "typing-extensions", "urllib3",
    "waypost", "zipp",
}  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--wheel", "-q", "--out-dir", str(folder), str(ROOT))
    (built,) = folder.glob("*.whl")
    return built


def uv(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "uv", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_the_rooms_and_neither_tests_nor_top_level_migrations(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {n.split("/")[0] for n in names if "dist-info" not in n}
    assert tops == {"waypost", "tracer", "collector", "evaluators", "ui"}
    assert "waypost/migrations/env.py" in names
    assert "waypost/store/statements/write_steps.sql" in names


def test_the_small_size_brings_the_tracer_and_nothing_heavy(wheel: Path, tmp_path: Path) -> None:
    python = tmp_path / "small" / "bin" / "python"
    uv("venv", "-q", "--python", sys.executable, str(tmp_path / "small"))
    uv("pip", "install", "-q", "--python", str(python), str(wheel))
    listed = json.loads(uv("pip", "list", "--python", str(python), "--format", "json"))
    assert {one["name"] for one in listed} <= SMALL
    done = subprocess.run(
        [str(python), "-I", "-c", REPORT], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert set(json.loads(done.stdout)) & HEAVY == set()
