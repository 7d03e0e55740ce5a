"""What clients were seen to send that no recorded sample holds."""

import json
from collections.abc import Callable

import pytest

from collector.convention import Reader, read_log
from collector.reading import values
from collector.reading.messages import messages_of
from tests.unit.collector.spans import assembled, span, text_of
from waypost.assembly import assemble
from waypost.records import (
    Event,
    Guard,
    Json,
    Kind,
    LogRecord,
)


def test_a_responses_call_is_known_by_its_call_id_and_thoughts_survive_an_empty_content() -> None:
    items: Json = [
        {"type": "reasoning", "id": "rs_1", "content": None,
         "summary": [{"type": "summary_text", "text": "look first"}]},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "id": "fo_1", "call_id": "c1", "output": "ok"},
    ]  # fmt: skip
    thought, call, answer = messages_of(items)
    assert thought.parts[0]["type"] == "reasoning"
    assert thought.parts[0]["content"] == "look first"
    assert (call.tool_calls[0]["id"], answer.tool_responses[0]["id"]) == ("c1", "c1")


def test_a_call_in_responses_content_is_not_read_twice() -> None:
    call: Json = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f",
                  "arguments": "{}"}  # fmt: skip
    message: Json = {
        "type": "ai", "content": [{"type": "text", "text": "hm"}, call],
        "tool_calls": [{"type": "tool_call", "id": "c1", "name": "f", "args": {}}],
    }  # fmt: skip
    (found,) = messages_of([message])
    assert [p.get("id") for p in found.tool_calls] == ["c1"]


@pytest.mark.parametrize("hold", [lambda m: m, lambda m: {"messages": m}])
@pytest.mark.parametrize("write", [lambda c: c, text_of])
def test_definitions_among_langfuses_messages_are_the_tools(
    hold: Callable[[Json], Json], write: Callable[[Json], Json]
) -> None:
    tool: Json = {"type": "function", "function": {"name": "look"}}
    told: Json = [{"role": "user", "content": "hi"}, {"role": "tool", "content": write(tool)}]
    attributes: dict[str, Json] = {
        "langfuse.observation.type": "generation", "langfuse.observation.input": hold(told),
    }  # fmt: skip
    step = Reader().read(span(1, None, attributes=attributes)).step
    assert ([m.role for m in step.input], step.tools) == (["user"], (tool,))


def test_what_a_decorated_function_was_given_is_read_out_of_its_call() -> None:
    given = text_of({"args": ["Where is A-1?"], "kwargs": {}})
    attributes: dict[str, Json] = {
        "langfuse.observation.type": "agent", "langfuse.observation.input": given,
    }  # fmt: skip
    assert Reader().read(span(1, None, attributes=attributes)).step.input[0].text == "Where is A-1?"
    attributes["langfuse.observation.type"] = "retriever"
    assert Reader().read(span(1, None, attributes=attributes)).step.query == "Where is A-1?"
    attributes["langfuse.observation.type"] = "agent"
    attributes["langfuse.observation.input"] = text_of({"args": [], "kwargs": {}})
    assert Reader().read(span(1, None, attributes=attributes)).step.input == ()


def test_positional_arguments_get_their_names_from_the_models_message() -> None:
    call: Json = {"id": "c1", "type": "function",
                  "function": {"name": "look", "arguments": '{"order": "A"}'}}  # fmt: skip
    model: dict[str, Json] = {
        "langfuse.observation.type": "generation",
        "langfuse.observation.output": text_of({"role": "assistant", "tool_calls": [call]}),
    }
    tool: dict[str, Json] = {
        "langfuse.observation.type": "tool",
        "langfuse.observation.input": text_of({"args": ["A"], "kwargs": {}}),
    }
    steps = assembled(span(1, None, attributes=model), span(2, None, "look", attributes=tool)).steps
    assert (steps[1].arguments, steps[1].arguments_from) == ({"order": "A"}, "model_message")


@pytest.mark.parametrize(
    ("marker", "metadata"),
    [("langfuse.observation.type", "langfuse.observation.metadata."),
     ("langsmith.span.kind", "langsmith.metadata.")],
)  # fmt: skip
def test_the_span_that_bears_its_agents_name_is_the_agents_run(marker: str, metadata: str) -> None:
    inside: dict[str, Json] = {marker: "chain", metadata + "lc_agent_name": "billing"}
    run = Reader().read(span(1, None, "billing", attributes=inside)).step
    node = Reader().read(span(2, 1, "tools", attributes=inside)).step
    assert (run.kind, run.agent, node.kind) == (Kind.AGENT, "billing", Kind.SCOPE)


@pytest.mark.parametrize("marker", ["langfuse.observation.type", "mlflow.spanType"])
def test_observations_that_only_have_a_kind_are_called_by_their_spans(marker: str) -> None:
    guard = Reader().read(span(1, None, "moderate", attributes={marker: "guardrail"})).step
    agent = Reader().read(span(1, None, "supporter", attributes={marker: "agent"})).step
    assert guard.guard == Guard("moderate")
    assert agent.agent == "supporter"


def test_mlflow_says_what_was_asked_for_in_the_request() -> None:
    attributes: dict[str, Json] = {
        "mlflow.spanType": '"CHAT_MODEL"', "mlflow.llm.model": '"gpt-4o-mini-2024-07-18"',
        "mlflow.spanInputs": text_of({"model": "gpt-4o-mini", "temperature": 0.3, "messages": []}),
    }  # fmt: skip
    step = Reader().read(span(1, None, attributes=attributes)).step
    assert (step.model_requested, step.params) == ("gpt-4o-mini", {"temperature": 0.3})


def test_strands_thoughts_and_vercels_files_get_the_shape_of_their_parts() -> None:
    thought: Json = {"type": "reasoningContent",
                     "content": {"reasoningText": {"text": "hm", "signature": "s"}}}  # fmt: skip
    picture: Json = {"type": "file", "mediaType": "image/png", "data": "iVBO"}
    linked: Json = {"type": "file", "mediaType": "image/png", "data": "https://x.test/a.png"}
    (message,) = messages_of([{"role": "user", "parts": [thought, picture, linked]}])
    assert message.parts == (
        {"type": "reasoning", "content": "hm"},
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "iVBO"},
        {"type": "uri", "modality": "image", "mime_type": "image/png",
         "uri": "https://x.test/a.png"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "asked", "answered"),
    [({"langsmith.span.kind": "llm"}, "gen_ai.prompt", "gen_ai.completion"),
     ({"mlflow.spanType": "CHAT_MODEL"}, "mlflow.spanInputs", "mlflow.spanOutputs")],
)  # fmt: skip
def test_a_long_history_is_parsed_once(
    kind: dict[str, Json], asked: str, answered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: Json = {"messages": [{"role": "user", "content": "hi"}]}
    read: list[str] = []

    def counting(text: str) -> Json:
        read.append(text)
        found: Json = json.loads(text)
        return found

    monkeypatch.setattr(values, "loads", counting)
    attributes: dict[str, Json] = {**kind, asked: text_of(said), answered: text_of(said)}
    step = Reader().read(span(1, None, attributes=attributes)).step
    assert (step.input[0].text, step.output[0].text) == ("hi", "hi")
    assert read == [text_of(said)] * 2


def test_langsmith_says_in_its_output_which_model_answered_and_why_it_stopped() -> None:
    said: Json = {"generations": [[{"generation_info": {"finish_reason": "tool_calls"},
                                    "message": {"kwargs": {"content": "a"}}}]],
                  "llm_output": {"model_name": "gpt-4o-mini-2024-07-18", "id": "r1"}}  # fmt: skip
    asked: Json = {"messages": [], "tools": [{"type": "function"}], "temperature": 0.3,
                   "instructions": "be kind"}  # fmt: skip
    attributes: dict[str, Json] = {
        "langsmith.span.kind": "llm", "gen_ai.prompt": text_of(asked),
        "gen_ai.completion": text_of(said),
    }  # fmt: skip
    step = Reader().read(span(1, None, attributes=attributes)).step
    assert (step.model, step.response_id) == ("gpt-4o-mini-2024-07-18", "r1")
    assert (step.finish_reason, step.params) == ("tool_call", {"temperature": 0.3})
    assert step.tools == ({"type": "function"},)
    assert step.system == ({"type": "text", "content": "be kind"},)


def test_who_speaks_and_what_make_a_message_of_langchain() -> None:
    found = messages_of({"messages": [["system", "be kind"], ["user", "go"]]})
    assert [(m.role, m.text) for m in found] == [("system", "be kind"), ("user", "go")]
    assert [m.text for m in messages_of(["user", "go"])] == ["user\ngo"]


def test_a_log_records_body_may_be_json_text() -> None:
    call: Json = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    body: Json = {"message": {"role": "assistant", "tool_calls": [call]}, "finish_reason": "x"}
    record = LogRecord("gen_ai.choice", "1" * 32, "2" * 16, 5, body=text_of(body))
    (content,) = read_log(record).contents
    assert (content.direction, content.message.tool_calls[0]["id"]) == ("output", "c1")
    record = LogRecord("gen_ai.choice", "1" * 32, "2" * 16, 5, body="not JSON")
    assert len(read_log(record).contents) == 1


def test_the_messages_of_an_event_tell_what_a_tool_was_given_and_gave_back() -> None:
    call: Json = {"type": "tool_call", "id": "c1", "name": "look", "arguments": {"order": "A"}}
    answer: Json = {"type": "tool_call_response", "id": "c1", "response": [{"text": '{"late": 4}'}]}
    told: list[tuple[str, Json]] = [("gen_ai.input.messages", call),
                                    ("gen_ai.output.messages", answer)]  # fmt: skip
    events = tuple(
        Event(
            "gen_ai.client.inference.operation.details", 5,
            {name: text_of([{"role": "tool", "parts": [part]}])},
        )
        for name, part in told
    )  # fmt: skip
    attributes: dict[str, Json] = {
        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look",
        "gen_ai.provider.name": "strands-agents",
    }  # fmt: skip
    step = Reader().read(span(1, None, attributes=attributes, events=events)).step
    assert (step.call_id, step.arguments, step.result) == ("c1", {"order": "A"}, {"late": 4})
    assert step.arguments_from == "span"
    failed = span(1, None, attributes=attributes, events=events, status_code=2)
    assert Reader().read(failed).step.result is None


def test_a_choice_whose_message_is_json_text_is_that_message() -> None:
    call: Json = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    said = text_of({"role": "assistant", "tool_calls": [call]})
    attributes: dict[str, Json] = {"gen_ai.operation.name": "chat"}
    found = [
        Reader()
        .read(span(1, None, attributes=attributes, events=(Event("gen_ai.choice", 5, told),)))
        .step.output[0]
        for told in ({"message": said}, {"message": '{"answer": 1}'})
    ]
    assert [len(m.tool_calls) for m in found] == [1, 0]
    assert found[1].text == '{"answer": 1}'


def test_records_tell_of_an_agents_run_as_well() -> None:
    run = span(1, None, attributes={"gen_ai.operation.name": "invoke_agent"})
    record = LogRecord("gen_ai.user.message", run.trace_id, run.span_id, 5, body={"content": "hi"})
    found = assemble([Reader().read(run).step], read_log(record).contents)
    assert [m.text for m in found.input] == ["hi"]


@pytest.mark.parametrize("write", [lambda v: v, text_of, lambda v: " " + text_of(v),
                                   lambda v: text_of(text_of(v))])  # fmt: skip
def test_metadata_is_an_object_or_its_json_text(write: Callable[[Json], Json]) -> None:
    told = write({"session_id": "s", "user_id": "u"})
    attributes: dict[str, Json] = {"openinference.span.kind": "LLM", "metadata": told}
    step = Reader().read(span(1, None, attributes=attributes)).step
    assert (step.session, step.user) == ("s", "u")


@pytest.mark.parametrize(
    ("marker", "metadata"),
    [({"langfuse.observation.type": "generation"}, "langfuse.observation.metadata."),
     ({"langsmith.span.kind": "llm"}, "langsmith.metadata.")],
)  # fmt: skip
def test_the_model_may_stand_in_the_metadata_only(marker: dict[str, Json], metadata: str) -> None:
    told: dict[str, Json] = {**marker, metadata + "ls_model_name": "m"}
    step = Reader().read(span(1, None, attributes=told)).step
    assert step.model_requested == "m"


def test_an_object_that_vercel_generated_is_the_answer() -> None:
    attributes: dict[str, Json] = {
        "ai.operationId": "ai.generateObject.doGenerate", "ai.response.object": {"a": 1},
    }  # fmt: skip
    step = Reader().read(span(1, None, attributes=attributes)).step
    assert step.output[0].text == '{"a":1}'


def test_a_tool_that_only_its_span_names_is_named() -> None:
    attributes: dict[str, Json] = {"gen_ai.operation.name": "execute_tool"}
    step = Reader().read(span(1, None, "execute_tool look", attributes=attributes)).step
    assert (step.tool, step.name) == ("look", "look")


@pytest.mark.parametrize(
    ("value", "wanted"), [("null", None), ("42", 42), ("true", True), ('"42"', "42"), ("so", "so")]
)
def test_every_value_of_mlflow_is_json(value: str, wanted: Json) -> None:
    tool: dict[str, Json] = {"mlflow.spanType": '"TOOL"', "mlflow.spanOutputs": value}
    assert Reader().read(span(1, None, attributes=tool)).step.result == wanted
    model: dict[str, Json] = {"mlflow.spanType": '"LLM"', "mlflow.spanInputs": "null",
                              "mlflow.spanOutputs": "null"}  # fmt: skip
    step = Reader().read(span(1, None, attributes=model)).step
    assert (step.input, step.output) == ((), ())
    said = {**model, "mlflow.spanOutputs": text_of('{"a": 1}')}
    assert Reader().read(span(1, None, attributes=said)).step.output[0].text == '{"a": 1}'


@pytest.mark.parametrize(
    ("marker", "name"),
    [({"mlflow.spanType": '"LLM"'}, "mlflow.spanInputs"),
     ({"langsmith.span.kind": "llm"}, "gen_ai.prompt")],
)  # fmt: skip
def test_instructions_that_stand_beside_the_messages_are_read(
    marker: dict[str, Json], name: str
) -> None:
    asked = text_of({"system": "be kind", "messages": [{"role": "user", "content": "hi"}]})
    step = Reader().read(span(1, None, attributes={**marker, name: asked})).step
    assert step.system == ({"type": "text", "content": "be kind"},)


def test_messages_without_content_are_no_content() -> None:
    attributes: dict[str, Json] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": text_of([{"role": "user", "parts": [{"type": "text"}]}]),
        "gen_ai.output.messages": text_of(
            [{"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "f"}]}]
        ),
    }
    assert "no_content" in assembled(span(1, None, attributes=attributes)).incomplete
    attributes["gen_ai.input.messages"] = text_of([{"role": "user", "content": "hi"}])
    assert "no_content" not in assembled(span(1, None, attributes=attributes)).incomplete


def test_vercels_runtime_context_says_who_and_where() -> None:
    attributes: dict[str, Json] = {
        "gen_ai.operation.name": "invoke_agent", "ai.settings.context.sessionId": "s",
        "ai.settings.context.userId": "u", "ai.settings.context.region": "eu",
    }  # fmt: skip
    reading = Reader().read(span(1, None, attributes=attributes))
    found = assemble([reading.step], cohort_keys=("region",))
    assert (found.session, found.user, found.cohort) == ("s", "u", {"region": "eu"})


def test_a_model_has_the_tools_its_agents_run_says_it_has() -> None:
    look: Json = {"type": "function", "name": "look"}
    run: dict[str, Json] = {
        "gen_ai.operation.name": "invoke_agent", "gen_ai.tool.definitions": text_of([look]),
    }  # fmt: skip
    call: dict[str, Json] = {"gen_ai.operation.name": "chat"}
    none: dict[str, Json] = {**call, "gen_ai.tool.definitions": "[]"}
    steps = assembled(
        span(1, None, attributes=run), span(2, 1, attributes=call), span(3, 1, attributes=none)
    ).steps
    assert [s.tools for s in steps] == [(look,), ()]


def test_a_user_is_not_taken_for_a_session_of_the_same_name_seen_before() -> None:
    reader = Reader()
    kind: dict[str, Json] = {"gen_ai.operation.name": "execute_tool"}
    steps = [
        reader.read(span(n, None, attributes={**kind, name: "7"})).step
        for n, name in enumerate(("session.id", "user.id", "gen_ai.environment"), 1)
    ]
    assert [(s.session, s.user, s.environment) for s in steps] == [
        ("7", None, None), (None, "7", None), (None, None, "7"),
    ]  # fmt: skip
