"""However a line was spoiled, it is stored or refused with a reason; nothing breaks on it."""

import json
import random
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from tests.store.test_import import exported, invoke, run_with

ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 1 << 62, -(1 << 62), 1 << 70, 1e308, "", "x", "\0", "\ud7ff", "0" * 32,
    "f" * 16, [], {}, [[]], {"": 0}, {"type": "tool_call", "id": 7}, ["a", None], "x" * 5000,
)  # fmt: skip
TRACE = json.loads(run_with())["id"]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every object or list with every key in it."""
    found: list[tuple[Any, Any]] = []
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in list(inner):
        found.append((value, key))
        if isinstance(one, dict | list):
            found += places(one)
    return found


def spoiled(chance: random.Random) -> str:
    run = json.loads(run_with())
    for _ in range(chance.choice([1, 1, 2, 5])):
        where, key = chance.choice(places(run))
        if isinstance(where, dict) and chance.random() < 0.2:
            where[chance.choice(["x", "", "\0"])] = chance.choice(ODD)
        elif chance.random() < 0.2:
            del where[key]
        else:
            alike = [one for one in ODD if type(one) is type(where[key])]
            where[key] = chance.choice(alike if alike and chance.random() < 0.8 else ODD)
    text = json.dumps(run).replace(TRACE, f"{chance.getrandbits(128):032x}")
    if chance.random() < 0.05:
        text = text[: chance.randrange(len(text))]
    return text


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("more", [(), ("--to-dataset", "cases")], ids=["runs", "cases"])
def test_a_spoiled_line_is_stored_or_refused(
    engine: Engine, more: tuple[str, ...], seed: int
) -> None:
    chance = random.Random(seed)
    body = "\n".join([*(spoiled(chance) for _ in range(150)), run_with().decode()])
    done = invoke(engine, "import", "-", *more, given=body.encode("utf-8", "surrogatepass"))
    assert done.exception is None, done.exception
    assert int(done.stdout.split()[0 if not more else 2]) > 30
    if not more:
        assert exported(engine)
