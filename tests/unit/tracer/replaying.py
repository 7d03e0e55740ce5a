"""Runs as they are exported once they are stored, and agents for executing them again."""

import json
from collections.abc import Callable
from typing import Any

import orjson
from langchain.agents import create_agent
from langchain_core.tools import BaseTool, tool
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

import tracer
from collector.convention import Reader
from collector.decode import Encoding, decode_traces
from tests.unit.tracer.harness import Memory
from tests.unit.tracer.scripted import Scripted
from waypost.assembly import assemble
from waypost.records import Trajectory

Make = Callable[..., Any]


class Forbidden(Scripted):
    """A model that nobody may reach."""

    def _next(self, messages: Any) -> Any:
        raise AssertionError("a model was really called")


def recorded(run: Callable[[], object], **options: Any) -> Trajectory:
    """What is stored of a run: over the wire, decoded, read and put together."""
    tracer.uninstrument()
    memory = Memory()
    tracer.instrument("http://127.0.0.1:1", exporter=memory, **options)
    try:
        run()
    finally:
        tracer.uninstrument()
    body = encode_spans(memory.spans).SerializeToString()
    reader = Reader()
    spans = decode_traces(body, Encoding.PROTOBUF).spans
    return assemble([reader.read(span).step for span in spans])


def exported(run: Trajectory) -> dict[str, Any]:
    """The run as `waypost export` prints it."""
    body = orjson.dumps(run, option=orjson.OPT_NON_STR_KEYS, default=sorted)
    found: dict[str, Any] = json.loads(body)
    return found


class Office:
    """A tool that changes the world, and counts how often it did."""

    def __init__(self) -> None:
        self.sent: list[str] = []

        @tool
        def send(to: str) -> str:
            """Send a letter."""
            self.sent.append(to)
            return f"sent to {to}"

        self.send: BaseTool = send

    def agent(self, *script: Any, model: type[Scripted] = Scripted, **more: Any) -> Any:
        """An agent that may send letters."""
        tools = [self.send, *more.pop("tools", ())]
        streams = more.pop("streams", False)
        made = model(script=list(script), streams=streams)
        return create_agent(made, tools, name=more.pop("name", "office"), **more)
