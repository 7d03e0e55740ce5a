"""A span written by hand, read by whichever convention knows it."""

from typing import Any

from collector.convention import Reader
from waypost.records import Json, RawSpan, Step


def step_of(name: str, attributes: dict[str, Json], **more: Any) -> Step:
    span = RawSpan("1" * 32, "2" * 16, "3" * 16, name, 10, 20, attributes=attributes, **more)
    return Reader().read(span).step


def openinference(kind: str, attributes: dict[str, Json], name: str = "span", **more: Any) -> Step:
    return step_of(name, {"openinference.span.kind": kind, **attributes}, **more)
