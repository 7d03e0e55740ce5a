"""Spans written by hand, read by whichever convention knows them."""

import json
from typing import Any

from collector.convention import Reader
from waypost.assembly import assemble
from waypost.records import Json, RawSpan, Step, Trajectory


def step_of(name: str, attributes: dict[str, Json], **more: Any) -> Step:
    span = RawSpan("1" * 32, "2" * 16, "3" * 16, name, 10, 20, attributes=attributes, **more)
    return Reader().read(span).step


def openinference(kind: str, attributes: dict[str, Json], name: str = "span", **more: Any) -> Step:
    return step_of(name, {"openinference.span.kind": kind, **attributes}, **more)


def span(
    number: int, parent: int | None, name: str = "span", scope: str = "", **more: Any
) -> RawSpan:
    """A span that starts when its number comes up; the lowest lasts longest."""
    return RawSpan(
        "1" * 32, f"{number:016x}", None if parent is None else f"{parent:016x}", name,
        number, 100 - number, scope_name=scope, **more,
    )  # fmt: skip


def assembled(*spans: RawSpan) -> Trajectory:
    return assemble([Reader().read(s).step for s in spans])


def text_of(value: Json) -> str:
    return json.dumps(value)
