"""How streams, calls and runs end in ways that no recorded sample shows."""

from dataclasses import replace

import pytest

from collector.convention import Reader, read_log
from collector.reading.messages import answers_of
from tests.unit.collector.spans import assembled, span, text_of
from waypost.assembly.calls import says_error
from waypost.records import (
    Event,
    Fault,
    Json,
    LogRecord,
    Status,
    Tokens,
)


def test_a_call_that_is_the_structured_answer_is_not_waited_for() -> None:
    call: Json = {"type": "tool_call", "id": "c1", "name": "final_result",
                  "arguments": {"city": "Ulm", "degrees": 3}}  # fmt: skip
    ask: Json = {"role": "user", "parts": [{"type": "text", "content": "how warm?"}]}
    run = span(
        1, None, scope="pydantic-ai",
        attributes={
            "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "a",
            "final_result": '{"city": "Ulm", "degrees": 3}',
            "pydantic_ai.all_messages": text_of([
                ask, {"role": "assistant", "parts": [call]},
                {"role": "user", "parts": [
                    {"type": "tool_call_response", "id": "c1", "response": "Done."}]},
            ]),
        },
    )  # fmt: skip
    model = span(
        2, 1, scope="pydantic-ai",
        attributes={
            "gen_ai.operation.name": "chat", "gen_ai.input.messages": text_of([ask]),
            "gen_ai.output.messages": text_of([{"role": "assistant", "parts": [call]}]),
        },
    )  # fmt: skip
    found = assembled(run, model)
    assert (found.status, found.steps[1].status) == (Status.OK, Status.OK)
    assert found.output[0].text == '{"city": "Ulm", "degrees": 3}'


def test_a_call_the_run_did_not_answer_is_still_waited_for() -> None:
    call: Json = {"type": "tool_call", "id": "c1", "name": "refund", "arguments": {"order": "A"}}
    said: Json = [{"role": "assistant", "parts": [call]}]
    run = span(
        1, None,
        attributes={"gen_ai.operation.name": "invoke_agent",
                    "gen_ai.output.messages": text_of(
                        [{"role": "assistant", "parts": [{"type": "text", "content": "Wait."}]}])},
    )  # fmt: skip
    attributes: dict[str, Json] = {
        "gen_ai.operation.name": "chat", "gen_ai.output.messages": text_of(said),
    }  # fmt: skip
    found = assembled(run, span(2, 1, attributes=attributes))
    assert (found.status, found.steps[1].status) == (Status.INTERRUPTED, Status.INTERRUPTED)


def test_a_streams_pieces_are_not_told_beside_the_whole() -> None:
    def say(reason: str, *parts: Json) -> Json:
        return {"role": "assistant", "finish_reason": reason, "parts": list(parts)}

    call: dict[str, Json] = {"type": "tool_call", "id": "c1", "name": "f"}
    look: Json = {"type": "text", "content": "look"}
    output = text_of([
        say("", look), say("", {**call, "arguments": None}),
        say("stop", look, {**call, "arguments": {"city": "Ulm"}}),
    ])  # fmt: skip
    attributes: dict[str, Json] = {
        "gen_ai.operation.name": "generate_content", "gen_ai.output.messages": output,
    }  # fmt: skip
    step = Reader().read(span(1, None, scope="gcp.vertex.agent", attributes=attributes)).step
    record = LogRecord(
        "gen_ai.client.inference.operation.details", "1" * 32, "2" * 16, 5,
        attributes={"gen_ai.output.messages": output},
    )  # fmt: skip
    for found in (step.output, [c.message for c in read_log(record).contents]):
        (message,) = found
        assert (message.text, message.tool_calls[0]["arguments"]) == ("look", {"city": "Ulm"})


def test_a_stream_that_begins_as_the_one_before_it_is_read_as_if_alone() -> None:
    piece: dict[str, Json] = {"role": "assistant", "finish_reason": "",
                              "parts": [{"type": "text", "content": "so"}]}  # fmt: skip
    whole: Json = piece | {"finish_reason": "stop"}
    reader = Reader()
    outputs: list[Json] = [[piece], [piece, whole]]
    for output in outputs:
        attributes: dict[str, Json] = {
            "gen_ai.operation.name": "generate_content", "gen_ai.output.messages": text_of(output),
        }  # fmt: skip
        call = span(1, None, scope="gcp.vertex.agent", attributes=attributes)
        assert [m.text for m in reader.read(call).step.output] == ["so"]


def test_a_message_without_a_reason_that_no_other_repeats_is_told() -> None:
    def say(reason: str, text: str) -> Json:
        return {"role": "assistant", "finish_reason": reason,
                "parts": [{"type": "text", "content": text}]}  # fmt: skip

    assert [m.text for m in answers_of([say("", "look"), say("stop", "so")])] == ["look", "so"]
    assert [m.text for m in answers_of([say("", "so "), say("", "it"), say("stop", "so it")])] == [
        "so it"
    ]


@pytest.mark.parametrize(
    ("message", "wanted"),
    [("ValueError('crashed')", "ValueError"), ("crashed", "Exception"), ("Oops (2)", "Exception")],
)
def test_an_exception_of_any_class_is_called_by_its_own(message: str, wanted: str) -> None:
    told = {"exception.type": "Exception", "exception.message": message}
    event = Event("exception", 5, told)
    attributes: dict[str, Json] = {"langsmith.span.kind": "tool"}
    error = Reader().read(span(1, None, attributes=attributes, events=(event,))).step.error
    assert error is not None
    assert error.type == wanted


def test_one_word_is_the_message_and_not_the_class_of_an_error() -> None:
    attributes: dict[str, Json] = {"langfuse.observation.type": "tool"}
    error = (
        Reader()
        .read(span(1, None, attributes=attributes, status_code=2, status_message="crashed"))
        .step.error
    )
    assert error == Fault("error", "crashed")


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [("AI_NoSuchToolError: no tool 'x'", True), ("KeyError: 'a'", True),
     ("No Error: all went well", False), ("Error rates: 2 %", True), ("TypeErrors: 3", False)],
)  # fmt: skip
def test_an_answer_that_begins_with_an_errors_class_tells_of_it(answer: str, wanted: bool) -> None:
    assert says_error(answer) is wanted


@pytest.mark.parametrize(
    ("run", "call", "output"),
    [
        ({"langfuse.observation.type": "chain",
          "langfuse.observation.output": '{"city": "Ulm"}'},
         {"langfuse.observation.type": "generation"}, "langfuse.observation.output"),
        ({"langsmith.span.kind": "chain", "gen_ai.completion": '{"output": {"city": "Ulm"}}'},
         {"langsmith.span.kind": "llm"}, "gen_ai.completion"),
        ({"mlflow.spanType": '"CHAIN"',
          "mlflow.spanOutputs": '{"messages": [], "structured_response": {"city": "Ulm"}}'},
         {"mlflow.spanType": '"CHAT_MODEL"'}, "mlflow.spanOutputs"),
    ],
)  # fmt: skip
def test_a_chain_may_end_with_an_object(
    run: dict[str, Json], call: dict[str, Json], output: str
) -> None:
    said: Json = {"role": "assistant", "content": "",
                  "tool_calls": [{"id": "c1", "name": "Out", "args": {"city": "Ulm"}}]}  # fmt: skip
    model = span(2, 1, attributes={**call, output: text_of(said)})
    found = assembled(span(1, None, attributes=run), model)
    assert (found.status, found.output[0].text) == (Status.OK, '{"city":"Ulm"}')


@pytest.mark.parametrize(
    ("output", "wanted"),
    [({"order": "A-2", "sum": 3}, Status.INTERRUPTED), (["A-1"], Status.INTERRUPTED),
     ({"order": "A-1", "sum": 3, "by": None}, Status.OK), ({"order": "A-1"}, Status.INTERRUPTED)],
)  # fmt: skip
def test_an_object_of_other_values_does_not_close_a_call(output: Json, wanted: Status) -> None:
    call: Json = {"id": "c1", "name": "f", "args": {"order": "A-1", "sum": "3"}}
    said: Json = {"role": "assistant", "content": "", "tool_calls": [call]}
    kind = "langfuse.observation.type"
    run: dict[str, Json] = {kind: "chain", "langfuse.observation.output": text_of(output)}
    model: dict[str, Json] = {kind: "generation", "langfuse.observation.output": text_of(said)}
    found = assembled(span(1, None, attributes=run), span(2, 1, attributes=model))
    assert [s.status for s in found.steps if s.derived] == [wanted]


def test_what_a_chain_was_given_is_not_its_answer() -> None:
    attributes: dict[str, Json] = {
        "langsmith.span.kind": "chain",
        "gen_ai.completion": text_of({"input": "where?", "answer": "in Ulm"}),
    }  # fmt: skip
    found = assembled(span(1, None, attributes=attributes))
    assert found.output[0].text == '{"answer":"in Ulm"}'


def test_a_class_shown_by_its_repr_is_named() -> None:
    attributes: dict[str, Json] = {
        "gen_ai.operation.name": "chat", "error.type": "<class 'shop.errors.Down'>",
    }  # fmt: skip
    error = Reader().read(span(1, None, attributes=attributes)).step.error
    assert error == Fault("shop.errors.Down", "")


@pytest.mark.parametrize(
    ("name", "told"),
    [("gen_ai.choice", {"finish_reason": "tool_use", "message": "a"}),
     ("gen_ai.client.inference.operation.details",
      {"gen_ai.output.messages": '[{"role": "assistant", "parts": [], '
                                 '"finish_reason": "tool_use"}]'})],
)  # fmt: skip
def test_an_event_says_in_our_words_why_a_model_stopped(name: str, told: dict[str, Json]) -> None:
    attributes: dict[str, Json] = {"gen_ai.operation.name": "chat"}
    events = (Event(name, 5, told),)
    step = Reader().read(span(1, None, attributes=attributes, events=events)).step
    assert step.finish_reason == "tool_call"


def test_one_finish_reason_may_stand_by_itself() -> None:
    attributes: dict[str, Json] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.response.finish_reason": "FinishReason.TOOL_CALLS",
    }
    assert Reader().read(span(1, None, attributes=attributes)).step.finish_reason == "tool_call"


def test_a_stream_told_when_it_begins_and_when_it_ends_is_one_call() -> None:
    asked: dict[str, Json] = {
        "gen_ai.operation.name": "chat", "gen_ai.response.model": "m",
        "gen_ai.input.messages": text_of([{"role": "user", "content": "hi"}]),
    }  # fmt: skip
    told: dict[str, Json] = {
        **asked, "gen_ai.response.model": "m-2026", "gen_ai.usage.input_tokens": 5,
        "gen_ai.usage.output_tokens": 1,
        "gen_ai.output.messages": text_of([{"role": "assistant", "content": "ho"}]),
    }  # fmt: skip
    begun = replace(span(2, 1, scope="logfire.openai", attributes=asked), ended_at=9)
    end = replace(span(50, 1, scope="logfire.openai", attributes=told), ended_at=50)
    other = replace(span(60, 1, scope="other", attributes=told), ended_at=60)
    steps = assembled(begun, end, other).steps
    assert [(s.output[0].text, s.model) for s in steps] == [("ho", "m-2026")] * 2
    assert (steps[0].name, steps[0].tokens) == ("m-2026", Tokens(5, 1))
    assert len(assembled(begun, replace(end, ended_at=51)).steps) == 2
    assert len(assembled(replace(begun, ended_at=51), end).steps) == 2
    counted = replace(begun, attributes={**asked, "gen_ai.usage.output_tokens": 7})
    assert len(assembled(counted, end).steps) == 2
