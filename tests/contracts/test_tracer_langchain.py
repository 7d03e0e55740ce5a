"""What docs say of LangChain is what happens, and the names we wrap are there."""

import importlib
import logging
from types import ModuleType
from typing import Any

import pytest

import tracer
from tests.unit.tracer.harness import Memory
from tests.unit.tracer.table import BEGIN, DOCUMENT, END, table
from tracer.patches import PATCHES, Patch, apply
from tracer.replays import interception


def test_the_table_of_shapes_is_true_and_not_stale(capsys: Any) -> None:
    found = table()
    with capsys.disabled():
        print(f"\n{found}")
    assert "NO" not in found.replace("NOT", "")
    assert "DIFFER" not in found
    text = DOCUMENT.read_text("utf-8")
    assert text.partition(BEGIN)[2].partition(END)[0].strip() == found


@pytest.mark.parametrize("patch", [*PATCHES, *interception.PATCHES], ids=str)
def test_every_private_name_we_wrap_is_there(patch: Patch) -> None:
    module = importlib.import_module(patch.module)
    owner = getattr(module, patch.owner) if patch.owner else module
    assert callable(getattr(owner, patch.name))


def test_a_name_that_is_gone_is_said_and_skipped(caplog: Any) -> None:
    patch = Patch("langchain_core.gone", None, "_gone", PATCHES[0].wrap)
    with caplog.at_level(logging.WARNING):
        assert apply(patch, ModuleType("langchain_core.gone"), None) is None
    assert "langchain_core.gone._gone is gone" in caplog.text


def test_everything_is_put_back(tmp_path: Any) -> None:
    import threading
    from concurrent.futures import ThreadPoolExecutor

    from langchain_core.tracers import context

    def wrapped() -> list[Any]:
        found = []
        for patch in PATCHES:
            module = importlib.import_module(patch.module)
            owner = getattr(module, patch.owner) if patch.owner else module
            found.append(getattr(owner, patch.name))
        return [
            *found,
            threading.Thread.start,
            ThreadPoolExecutor.submit,
            len(context._configure_hooks),
        ]

    tracer.uninstrument()
    before = wrapped()
    tracer.instrument("http://127.0.0.1:1", exporter=Memory(), pauses=tmp_path)
    assert all(a is not b for a, b in zip(before, wrapped(), strict=True))
    tracer.uninstrument()
    assert wrapped() == before
