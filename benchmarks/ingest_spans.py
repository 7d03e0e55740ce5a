"""Realistic agent spans whose messages grow with the conversation, for the ingest benchmarks."""

import json
import random
import time
from collections.abc import Callable, Iterator

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from waypost.names import SCOPE

TURNS = 40
BATCH = 50
_WORDS = [f"word{i}" for i in range(3_000)]


def put(span: Span, key: str, value: str | int | float) -> None:
    pair = span.attributes.add()
    pair.key = key
    if isinstance(value, int):
        pair.value.int_value = value
    elif isinstance(value, float):
        pair.value.double_value = value
    else:
        pair.value.string_value = value


class Conversation:
    """A run whose history grows by a call and a result each turn."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.trace = chance.randbytes(16)
        self.root = chance.randbytes(8)
        self.session = f"session-{chance.randrange(10**6)}"
        self.messages: list[tuple[str, str, str]] = [
            ("system", self.text(700), ""), ("user", self.text(200), ""),
        ]  # fmt: skip

    def text(self, size: int) -> str:
        return " ".join(self.chance.choices(_WORDS, k=size // 8))

    def span(self, start: int, name: str) -> Span:
        return Span(
            trace_id=self.trace, span_id=self.chance.randbytes(8), parent_span_id=self.root,
            name=name, start_time_unix_nano=start, end_time_unix_nano=start + 800_000_000,
        )  # fmt: skip

    def grow(self, turn: int) -> None:
        call = f"call_{turn}"
        self.messages += [("assistant", "", call), ("tool", self.text(620), call)]


def openinference(talk: Conversation, turn: int, start: int) -> Iterator[Span]:
    """One model span with the whole history, as OpenInference sends it."""
    span = talk.span(start, "ChatOpenAI")
    for key, value in (
        ("openinference.span.kind", "LLM"), ("session.id", talk.session), ("user.id", "user-77"),
        ("llm.model_name", "gpt-4o-mini-2024-07-18"), ("llm.provider", "openai"),
        ("llm.token_count.prompt", 200 + turn * 90), ("llm.token_count.completion", 20),
        ("llm.token_count.prompt_details.cache_read", 128), ("input.mime_type", "application/json"),
        ("metadata", json.dumps({"region": "eu", "plan": "pro", "prompt_version": "support-v3"})),
        ("llm.invocation_parameters", json.dumps({"model": "gpt-4o-mini", "temperature": 0.2})),
    ):  # fmt: skip
        put(span, key, value)
    for index, (role, content, call) in enumerate(talk.messages):
        head = f"llm.input_messages.{index}.message."
        put(span, head + "role", role)
        if content:
            put(span, head + "content", content)
        if role == "tool":
            put(span, head + "tool_call_id", call)
        elif call:
            called = head + "tool_calls.0.tool_call."
            put(span, called + "id", call)
            put(span, called + "function.name", "search_policy")
            put(span, called + "function.arguments", json.dumps({"query": call, "limit": 2}))
    head = "llm.output_messages.0.message."
    put(span, head + "role", "assistant")
    called = head + "tool_calls.0.tool_call."
    put(span, called + "id", f"call_{turn}")
    put(span, called + "function.name", "search_policy")
    put(span, called + "function.arguments", json.dumps({"query": f"call_{turn}", "limit": 2}))
    talk.grow(turn)
    yield span


def ours(talk: Conversation, turn: int, start: int) -> Iterator[Span]:
    """The same model span in our contract: only what is new."""
    span = talk.span(start, "agent.trajectory.step")
    new = talk.messages if turn == 0 else talk.messages[-2:]
    for key, value in (
        ("agent.trajectory.schema", 1), ("agent.trajectory.step", turn + 1),
        ("agent.trajectory.kind", "llm"), ("agent.trajectory.id", talk.trace.hex()),
        ("session.id", talk.session), ("gen_ai.conversation.id", talk.session),
        ("user.id", "user-77"), ("agent.trajectory.cohort.region", "eu"),
        ("gen_ai.agent.name", "support"), ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai"), ("gen_ai.request.model", "gpt-4o-mini"),
        ("gen_ai.response.model", "gpt-4o-mini-2024-07-18"), ("gen_ai.prompt.version", "v3"),
        ("gen_ai.usage.input_tokens", 200 + turn * 90), ("gen_ai.usage.output_tokens", 20),
        ("gen_ai.usage.cache_read.input_tokens", 128),
        ("gen_ai.input.messages", json.dumps([_message(m) for m in new])),
        ("gen_ai.output.messages", json.dumps([_message(("assistant", "", f"call_{turn}"))])),
    ):  # fmt: skip
        put(span, key, value)
    if turn:
        put(span, "agent.trajectory.input.base_step", turn)
        put(span, "agent.trajectory.input.keep", len(talk.messages) - 2)
    talk.grow(turn)
    yield span


def _message(message: tuple[str, str, str]) -> dict[str, object]:
    role, content, call = message
    if role == "tool":
        part: dict[str, object] = {"type": "tool_call_response", "id": call, "response": content}
    elif call:
        part = {"type": "tool_call", "id": call, "name": "search_policy",
                "arguments": {"query": call, "limit": 2}}  # fmt: skip
    else:
        part = {"type": "text", "content": content}
    return {"role": role, "parts": [part]}


DIALECTS: dict[str, tuple[str, Callable[[Conversation, int, int], Iterator[Span]]]] = {
    "openinference": ("openinference.instrumentation.langchain", openinference),
    "ours": (SCOPE, ours),
}


def requests_of(
    dialect: str, spans: int, seed: int = 1, chance: random.Random | None = None
) -> list[bytes]:
    """Requests of `BATCH` spans; conversations run side by side, as from several agents."""
    scope, make = DIALECTS[dialect]
    chance = chance or random.Random(seed)
    talks = [Conversation(chance) for _ in range(max(1, spans // TURNS))]
    start = time.time_ns() - 3_600 * 10**9
    made = [
        span
        for turn in range(TURNS)
        for talk in talks
        for span in make(talk, turn, start + turn * 10**9)
    ]
    return [_request(scope, made[i : i + BATCH]) for i in range(0, len(made), BATCH)]


def _request(scope: str, spans: list[Span]) -> bytes:
    request = ExportTraceServiceRequest()
    block = request.resource_spans.add()
    pair = block.resource.attributes.add()
    pair.key, pair.value.string_value = "service.name", "shop"
    group = block.scope_spans.add()
    group.scope.name = scope
    group.spans.extend(spans)
    return bytes(request.SerializeToString())
