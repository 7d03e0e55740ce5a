"""Agent runs as OpenInference's LangChain instrumentation exports them, histories and all."""

import hashlib
import json
from collections.abc import Iterator

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from benchmarks.store import text

SECOND = 10**9
_REQUEST_BYTES = 8 << 20  # long histories make large spans; receivers take 16 MiB at once, or less
Value = str | int | float


def run(name: str, turns: int, *, start: int, payload: int = 1000) -> Iterator[Span]:
    """One run: a chain, then a model and a tool span a turn, as they end."""
    trace = hashlib.sha256(name.encode()).digest()[:16]
    seed = int.from_bytes(trace[:4], "big") % (1 << 31)
    history = [
        {"role": "system", "content": text(1, 600)},
        {"role": "user", "content": text(seed, 300)},
    ]
    root = _id(name, "root")
    for turn in range(turns):
        at = start + turn * SECOND
        answer, query, result = (
            text(seed + turn * 3 + 1, 200), text(turn, 60), text(seed + turn * 3 + 2, payload),
        )  # fmt: skip
        call = f"call_{turn}"
        said = _model(history, answer, call, query)
        yield _span((trace, _id(name, turn, "m"), root), "ChatOpenAI", at, said)
        arguments = json.dumps({"query": query})
        yield _span(
            (trace, _id(name, turn, "t"), root), "search_policy", at + SECOND // 2,
            {
                "openinference.span.kind": "TOOL", "tool.name": "search_policy",
                "input.value": arguments, "input.mime_type": "application/json",
                "output.value": result, **_common(name),
            },
        )  # fmt: skip
        history += [
            {"role": "assistant", "content": answer, "call": call, "arguments": arguments},
            {"role": "tool", "content": result, "call": call},
        ]
    yield _span(
        (trace, root, b""), "agent", start,
        {"openinference.span.kind": "CHAIN", "input.value": history[1]["content"],
         "output.value": history[-1]["content"], **_common(name)},
        seconds=turns,
    )  # fmt: skip


def _model(history: list[dict[str, str]], answer: str, call: str, query: str) -> dict[str, Value]:
    found: dict[str, Value] = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "gpt-4o-mini-2024-07-18",
        "llm.token_count.prompt": 400 + 60 * len(history),
        "llm.token_count.completion": 60,
        "llm.token_count.total": 460 + 60 * len(history),
        "llm.invocation_parameters": '{"model": "gpt-4o-mini", "temperature": 0.2}',
        "input.mime_type": "application/json",
        "input.value": json.dumps({"messages": [history]}),
        "output.value": json.dumps({"generations": [[{"text": answer}]]}),
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": answer,
        "llm.output_messages.0.message.tool_calls.0.tool_call.id": call,
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "search_policy",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": json.dumps(
            {"query": query}
        ),
    }
    for place, message in enumerate(history):
        prefix = f"llm.input_messages.{place}.message."
        found[prefix + "role"] = message["role"]
        found[prefix + "content"] = message["content"]
        if message["role"] == "tool":
            found[prefix + "tool_call_id"] = message["call"]
        elif "arguments" in message:
            called = prefix + "tool_calls.0.tool_call."
            found[called + "id"] = message["call"]
            found[called + "function.name"] = "search_policy"
            found[called + "function.arguments"] = message["arguments"]
    return {**found, **_common(history[1]["content"])}


def _common(name: str) -> dict[str, Value]:
    return {
        "session.id": "s-" + hashlib.sha256(name.encode()).hexdigest()[:8],
        "metadata": '{"region": "eu", "prompt_version": "v14"}',
    }


def _span(
    ids: tuple[bytes, bytes, bytes],
    name: str,
    start: int,
    attributes: dict[str, Value],
    *,
    seconds: float = 0.4,
) -> Span:
    trace, span, parent = ids
    return Span(
        trace_id=trace,
        span_id=span,
        parent_span_id=parent,
        name=name,
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=start,
        end_time_unix_nano=start + int(seconds * SECOND),
        attributes=[KeyValue(key=k, value=_any(v)) for k, v in attributes.items()],
    )


def _any(value: Value) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    return AnyValue(double_value=value)


def _id(*parts: object) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()[:8]


def requests(
    prefix: str, *, runs: int, turns: int, start: int, batch: int = 200
) -> Iterator[tuple[bytes, int]]:
    """Export requests and their spans, many runs at once, as a busy process sends them."""
    made = [list(run(f"{prefix}-{n}", turns, start=start + n * SECOND)) for n in range(runs)]
    longest = max(len(r) for r in made)
    spans = [r[i] for i in range(longest) for r in made if i < len(r)]
    part: list[Span] = []
    size = 0
    for span in spans:
        part.append(span)
        size += span.ByteSize()
        if len(part) == batch or size > _REQUEST_BYTES:
            yield _request(part).SerializeToString(), len(part)
            part, size = [], 0
    if part:
        yield _request(part).SerializeToString(), len(part)


def _request(spans: list[Span]) -> ExportTraceServiceRequest:
    scope = InstrumentationScope(name="openinference.instrumentation.langchain", version="0.1.68")
    resource = Resource(
        attributes=[
            KeyValue(key="service.name", value=AnyValue(string_value="benefits")),
            KeyValue(key="openinference.project.name", value=AnyValue(string_value="default")),
        ]
    )
    return ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(resource=resource, scope_spans=[ScopeSpans(scope=scope, spans=spans)])
        ]
    )
