"""The examples run without a key and record what they promise."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import tracer
from tests.shared import ROOT
from tests.unit.tracer.harness import Memory, roots, steps, tree, value
from waypost import names

EXAMPLES = ROOT / "examples"


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Memory]:
    monkeypatch.delenv("WAYPOST_EXAMPLE_MODEL", raising=False)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    found = Memory()
    tracer.uninstrument()
    tracer.instrument("http://127.0.0.1:1", exporter=found, pauses=tmp_path)
    yield found
    tracer.uninstrument()


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def run(name: str, *args: Any) -> str:
    answer: str = load(name).main(*args)
    tracer.flush(10)
    return answer


def test_tools(memory: Memory) -> None:
    assert "12.99" in run("tools")
    assert (
        tree(memory.spans)
        == """\
run(support) final=7 steps=7
  1 llm scripted t1
  2 tool look_up_order t1 error=ToolError
  3 llm scripted t2 base=1 keep=1
  4 tool look_up_order t2
  5 llm scripted t3 base=3 keep=3
  6 tool issue_refund t3
  7 llm scripted t4 base=5 keep=5"""
    )
    assert {value(s, f"{names.COHORT}plan") for s in memory.spans} == {"pro"}


def test_retrieval(memory: Memory) -> None:
    assert "10 %" in run("retrieval")
    assert (
        tree(memory.spans)
        == """\
run(policy_desk) final=4 steps=4
  run(policy_bot)
    1 llm scripted t1
    2 tool search_policy t1
      3 retrieval Policies t1 in=2
    4 llm scripted t2 base=1 keep=1"""
    )
    assert [e.name for s in memory.spans for e in s.events] == [names.EVENT_EVALUATION]


def test_subagents(memory: Memory) -> None:
    assert "nine years" in run("subagents")
    assert (
        tree(memory.spans)
        == """\
run(desk) final=4 steps=4
  run(researcher)
    1 llm scripted t1
    2 tool search_web t1
    3 llm scripted t2 base=1 keep=1
  run(writer)
    4 llm scripted t1"""
    )


@pytest.mark.parametrize("decision", ["approve", "edit", "reject"])
def test_review(memory: Memory, decision: str) -> None:
    assert "reviewer allowed" in run("review", decision)
    assert len({value(r, names.TRAJECTORY_ID) for r in roots(memory.spans)}) == 1
    found = steps(memory.spans)
    assert [value(s, names.STEP) for s in found] == [1, 2, 3, 4]
    assert value(found[1], names.HUMAN_DECISION) == decision
    assert value(found[1], names.HUMAN_REVIEWER) == "reviewer-3"


def test_plain(memory: Memory) -> None:
    assert run("plain") == "100 CHF are 107.0 EUR."
    assert (
        tree(memory.spans)
        == """\
run(travel_desk) final=6 steps=8
  1 plan
    2 llm scripted t1 in=1
  3 memory profiles
  4 retrieval rates
  5 tool convert
  6 llm scripted t2
  7 guardrail numbers
  8 handoff mailer"""
    )


def test_every_example_is_tested_here() -> None:
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {p.stem for p in EXAMPLES.glob("*.py")} - {"scripted"} <= tested
