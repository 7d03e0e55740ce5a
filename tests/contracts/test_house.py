"""The rules of the house that a machine can check: sizes, imports, names, the store's doors."""

import ast
import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import waypost.store
from tests.shared import ROOT

ROOMS = ("waypost", "tracer", "collector", "evaluators", "ui")
LONGEST_FUNCTION, LONGEST_FILE = 60, 600
CATCHERS = {
    "tracer/shield.py",
    "evaluators/worker.py",
    "evaluators/chat.py",
    "evaluators/chores.py",
    "evaluators/alerts/apart.py",
    "collector/buffer.py",
    "collector/convention.py",
    "collector/pipeline.py",
    "waypost/cli/__init__.py",
    "waypost/cli/candidates.py",
    "ui/early.py",
}
WITHOUT_PROJECT = {
    "a worker serves all projects, and shares fairly between them": (
        "jobs.claim", "deliveries.claim", "feed.is_ours", "feed.take", "alerts.enabled",
        "incidents.next_due", "jobs.hold", "reach.due",
    ),
    "what it is given knows its project": (
        "jobs.finish", "jobs.retry", "jobs.postpone", "jobs.bury", "jobs.extend",
        "deliveries.sent", "deliveries.later", "deliveries.failed", "deliveries.give_back",
        "alerts.set_fault",
    ),
    "the engine's own step on a rule or incident it has just read": (
        "alerts.by_id", "alerts.states", "alerts.save_states", "alerts.forget_states",
        "alerts.forget_unseen", "incidents.postpone", "incidents.join", "incidents.leave",
        "incidents.resolve", "incidents.plan_message",
        "incidents.told", "incidents.open_of_rule", "incidents.add_event",
    ),
    "it is about projects, or finds the one a secret belongs to": (
        "projects.every", "projects.named", "projects.create", "keys.find", "keys.touch",
    ),
    "one for the whole installation": (
        "audit.first_break", "sessions.secret", "exposition.text", "judges.spent_by_all",
    ),
}  # fmt: skip
PLUMBING = {
    "codec", "embedded", "engine", "history", "migrate", "opened", "partitions", "queues", "rows",
    "sql", "tables",
}  # fmt: skip


def sources() -> Iterator[Path]:
    for room in ROOMS:
        yield from sorted((ROOT / room).rglob("*.py"))


def functions() -> Iterator[tuple[str, int]]:
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                where = f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
                yield where, node.end_lineno - node.lineno + 1


def test_no_function_is_over_sixty_lines() -> None:
    assert [(where, size) for where, size in functions() if size > LONGEST_FUNCTION] == []


def test_half_the_functions_are_short_and_nine_in_ten_moderate() -> None:
    sizes = sorted(size for _, size in functions())
    print(f"functions: {len(sizes)}, median {sizes[len(sizes) // 2]}")
    assert sizes[len(sizes) // 2] <= 12
    assert sizes[len(sizes) * 9 // 10] < 32


def test_no_file_is_over_six_hundred_lines() -> None:
    sizes = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in sources()}
    assert {name: n for name, n in sizes.items() if n > LONGEST_FILE} == {}


def test_every_module_says_what_lives_there() -> None:
    silent = [str(p) for p in sources() if not ast.get_docstring(ast.parse(p.read_text()))]
    assert silent == []


def test_everything_is_caught_in_the_named_places_only() -> None:
    broad = {
        str(path.relative_to(ROOT))
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and isinstance(node.type, ast.Name)
        and node.type.id == "Exception"
    }
    assert broad - CATCHERS == set()


def store_functions() -> Iterator[tuple[str, inspect.Signature]]:
    for module in pkgutil.iter_modules(waypost.store.__path__):
        if module.name in PLUMBING:
            continue
        loaded = importlib.import_module(f"waypost.store.{module.name}")
        for name, value in vars(loaded).items():
            if inspect.isfunction(value) and value.__module__ == loaded.__name__:
                signature = inspect.signature(value)
                if not name.startswith("_") and "connection" in signature.parameters:
                    yield f"{module.name}.{name}", signature


@pytest.mark.parametrize(("name", "signature"), list(store_functions()))
def test_every_store_function_takes_a_project(name: str, signature: inspect.Signature) -> None:
    excused = {one for names in WITHOUT_PROJECT.values() for one in names}
    assert "project_id" in signature.parameters or name in excused


def imported_by(statement: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}\n{REPORT}"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


REPORT = "import sys, json; print(json.dumps(list(sys.modules)))"


def test_importing_waypost_costs_the_standard_library_only() -> None:
    extra = imported_by("import waypost") - imported_by("pass") - set(sys.stdlib_module_names)
    assert extra == {"waypost"}


def test_importing_the_tracer_loads_no_server_and_no_langchain() -> None:
    heavy = {"sqlalchemy", "psycopg", "streamlit", "langchain", "langgraph", "orjson", "grpc"}
    assert imported_by("import tracer") & heavy == set()
