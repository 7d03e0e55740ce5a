"""What agent frameworks send in reprs and objects of their own, and what only a neighbour tells."""

import time
from dataclasses import replace

import pytest

from collector.reading.messages import messages_of
from collector.reading.parts import parts_of
from collector.reading.results import unwrap
from tests.unit.collector.spans import assembled, openinference, span, step_of, text_of
from waypost.assembly.fold import _tells_fault
from waypost.records import Fault, Json, Kind, Message, RawSpan, Status, Step, Tokens

CALL: dict[str, Json] = {"type": "tool_call", "name": "f", "id": "c1", "arguments": {"a": 1}}
ANSWER: dict[str, Json] = {"type": "tool_call_response", "id": "c1", "response": "no"}
SAID = (
    "ChatMessage(_role=<ChatRole.ASSISTANT: 'assistant'>, _content=[TextContent(text='hm'), "
    "ToolCall(tool_name='f', arguments={'a': 1}, id='c1')], _name=None, _meta={'n': 1})"
)
TOLD = (
    "ChatMessage(_role=<ChatRole.TOOL: 'tool'>, _content=[ToolCallResult(result='no', "
    "origin=ToolCall(tool_name='f', arguments={'a': 1}, id='c1'), error=True)], _name=None)"
)


def test_haystack_s_messages_are_read_from_their_reprs() -> None:
    said, told = messages_of({"messages": [SAID, TOLD]})
    assert (said.role, told.role) == ("assistant", "tool")
    assert said.parts == ({"type": "text", "content": "hm"}, CALL)
    assert told.parts == ({**ANSWER, "status": "error"},)


def test_haystack_s_messages_are_read_from_their_objects() -> None:
    call: Json = {"tool_name": "f", "arguments": {"a": 1}, "id": "c1"}
    result: Json = {"result": "no", "origin": call, "error": False}
    found = messages_of(
        {
            "replies": [
                {"role": "assistant", "content": [{"text": "hm"}, {"tool_call": call}]},
                {"role": "tool", "content": [{"tool_call_result": result}]},
            ]
        }
    )
    assert [m.parts for m in found] == [({"type": "text", "content": "hm"}, CALL), (ANSWER,)]


@pytest.mark.parametrize("text", ["ChatMessage(", "ChatMessage(a=1)", "id= source='a' content='"])
def test_a_text_that_only_begins_like_a_message_s_repr_stays_text(text: str) -> None:
    assert [m.text for m in messages_of(text)] == [text]


def test_blocks_of_haystack_without_what_they_hold_are_kept() -> None:
    assert parts_of([{"origin": 1, "result": 2}])[0]["type"] == "unknown"
    assert parts_of([{"tool_call": 1}, {"tool_call_result": {"origin": 1}}]) == [
        {"type": "unknown", "tool_call": 1},
        {"type": "unknown", "tool_call_result": {"origin": 1}},
    ]


def test_autogen_s_message_says_its_content() -> None:
    text = (
        "id='7' source='user' models_usage=None metadata={} "
        "created_at=datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc) "
        "content='where is it?' type='TextMessage'"
    )
    assert [(m.role, m.text) for m in messages_of([text])] == [("user", "where is it?")]


def test_an_object_that_python_cannot_show_says_nothing() -> None:
    step = openinference("LLM", {"output.value": "<groq.Stream object at 0x7ff35c546450>"})
    assert step.output == ()


def test_answers_that_autogen_gives_to_all_calls_in_one_message_are_read() -> None:
    at = "llm.input_messages.0."
    given: dict[str, Json] = {"name": "f", "content": "no", "call_id": "c1", "is_error": True}
    step = openinference(
        "LLM",
        {at + "message.role": "function", at + "function.0": text_of(given),
         at + "function.1": text_of({**given, "call_id": "c2", "is_error": False}),
         at + "function.2": "odd"},
    )  # fmt: skip
    assert step.input[0].parts[:2] == (
        {**ANSWER, "status": "error"}, {**ANSWER, "id": "c2"},
    )  # fmt: skip


def test_smolagents_says_in_words_of_its_own_who_speaks() -> None:
    found = messages_of([{"role": "tool-call", "content": "f"}, {"role": "tool-response"}])
    assert [m.role for m in found] == ["assistant", "tool"]


def test_answers_the_flattened_copy_left_empty_are_those_of_the_whole_request() -> None:
    at = "llm.input_messages."
    step = openinference(
        "LLM",
        {at + "0.message.role": "assistant", at + "0.message.content": "hm",
         at + "1.message.role": "tool", "input.value": text_of({"messages": [SAID, TOLD]})},
    )  # fmt: skip
    assert step.input[1].tool_responses == ({**ANSWER, "status": "error"},)


def test_answers_made_a_text_and_a_message_each_are_those_of_the_whole_request() -> None:
    at = "llm.input_messages."
    use: Json = {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}
    result: dict[str, Json] = {"type": "tool_result", "tool_use_id": "c1", "content": "no"}
    messages: Json = [
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result, {**result, "tool_use_id": "c2"}]},
    ]
    step = openinference(
        "LLM",
        {at + "0.message.role": "system", at + "0.message.content": "be kind",
         at + "1.message.role": "assistant", at + "1.message.content": "",
         at + "2.message.role": "user", at + "2.message.content": "no",
         at + "3.message.role": "user", at + "3.message.content": "no",
         "input.value": text_of({"messages": messages})},
    )  # fmt: skip
    assert [m.role for m in step.input] == ["system", "assistant", "user"]
    assert [p["id"] for p in step.input[2].tool_responses] == ["c1", "c2"]


@pytest.mark.parametrize(
    ("text", "value", "failed"),
    [
        ("status='success' result={'a': 1} error=None images=None", {"a": 1}, False),
        ("status='failure' result=None error='no' images=None", "no", True),
        ("status='open' result=1", "status='open' result=1", False),
    ],
)
def test_a_call_s_outcome_in_agno_s_repr_is_read(text: str, value: Json, failed: bool) -> None:
    found = unwrap(text)
    assert (found.value, found.failed) == (value, failed)


def test_llamaindex_s_task_that_calls_a_tool_is_that_call() -> None:
    output: dict[str, Json] = {
        "tool_name": "f", "tool_kwargs": {"a": 1}, "tool_id": "c1",
        "tool_output": {"blocks": [{"block_type": "text", "text": "no"}], "tool_name": "f",
                        "is_error": True},
    }  # fmt: skip
    step = step_of(
        "BaseWorkflowAgent.task",
        {"traceloop.span.kind": "task", "traceloop.entity.name": "BaseWorkflowAgent.task",
         "tool.name": "f", "tool.arguments": '{"a": 1}',
         "traceloop.entity.output": text_of(output)},
    )  # fmt: skip
    assert (step.kind, step.tool, step.call_id, step.status) == (
        Kind.TOOL, "f", "c1", Status.ERROR,
    )  # fmt: skip
    assert (step.arguments, step.result) == ({"a": 1}, "no")


@pytest.mark.parametrize(
    ("name", "failed", "given", "result", "status"),
    [
        ("f", False, {"a": 1}, "5", Status.OK),
        ("f", True, {"a": 1}, "5", Status.ERROR),
        ("g", True, {"tool_name": "f", "arguments": {"a": 1}}, {"result": "5"}, Status.OK),
    ],
)
def test_a_tool_of_an_mcp_server_is_called_without_its_name(
    name: str, failed: bool, given: Json, result: Json, status: Status
) -> None:
    output: dict[str, Json] = {"result": "5"}
    step = step_of(
        "f.tool",
        {"traceloop.span.kind": "tool", "traceloop.entity.name": name,
         "traceloop.entity.input": text_of({"tool_name": "f", "arguments": {"a": 1}}),
         "traceloop.entity.output": text_of({**output, "is_error": True} if name == "f" and failed
                                            else output)},
    )  # fmt: skip
    assert (step.arguments, step.result, step.status) == (given, result, status)


def test_a_tool_s_own_status_may_be_an_error() -> None:
    step = openinference("TOOL", {"tool.name": "f", "tool.status": "error"})
    assert step.status is Status.ERROR


def test_an_agent_is_not_called_by_its_method() -> None:
    assert openinference("AGENT", {}, "support_agent.run").agent == "support_agent"


def model(number: int, attributes: dict[str, Json], scope: str = "", parent: int = 1) -> RawSpan:
    chat: dict[str, Json] = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
    return span(number, parent, "chat m", scope, attributes={**chat, **attributes})


def steps_of(*spans: RawSpan) -> tuple[Step, ...]:
    return assembled(span(1, None, "run"), *spans).steps


def history(*messages: Message) -> Json:
    return text_of([m.as_json() for m in messages])


ASKED = Message("user", ({"type": "text", "content": "where?"},))
CALLED = Message("assistant", ({"type": "text", "content": "hm"}, CALL))
RESPONSE = Message("tool", (ANSWER,))
THOUGHT: dict[str, Json] = {"type": "reasoning", "content": "so"}


def pair(output: Message | None, after: tuple[Message, ...], code: int = 0) -> tuple[Step, ...]:
    said: dict[str, Json] = {"gen_ai.output.messages": history(output)} if output else {}
    first = model(2, {"gen_ai.input.messages": history(ASKED), **said})
    ended = replace(first, ended_at=3, status_code=code)
    return steps_of(ended, model(5, {"gen_ai.input.messages": history(*after)}))


@pytest.mark.parametrize(
    ("output", "kinds"),
    [
        (None, ["text", "tool_call"]),
        (Message("assistant", ({"type": "text", "content": "hm"},)), ["text", "tool_call"]),
        (Message("assistant", (THOUGHT,)), ["reasoning", "text", "tool_call"]),
    ],
)
def test_calls_that_only_the_next_history_tells_are_the_model_s(
    output: Message | None, kinds: list[str]
) -> None:
    first, tool, _ = pair(output, (ASKED, CALLED, RESPONSE))
    assert [p["type"] for p in first.output[0].parts] == kinds
    assert (tool.tool, tool.arguments, tool.result) == ("f", {"a": 1}, "no")


def test_what_the_next_history_does_not_surely_tell_is_not_the_model_s() -> None:
    other = Message("assistant", ({"type": "text", "content": "bye"},))
    later = Message("user", ({"type": "text", "content": "why?"},))
    assert len(pair(other, (ASKED, CALLED, RESPONSE))) == 2
    assert len(pair(None, (later, CALLED, RESPONSE))) == 2
    assert len(pair(None, (ASKED, other))) == 2
    assert len(pair(None, (ASKED, CALLED, RESPONSE), code=2)) == 2
    once = Message("assistant", (CALL,))
    assert pair(once, (ASKED, CALLED, RESPONSE))[0].output == (once,)


def test_of_two_spans_of_a_call_the_one_that_knows_what_was_asked_knows_the_answer() -> None:
    outer: dict[str, Json] = {"gen_ai.output.messages": text_of([{"content": "replies"}])}
    inner: dict[str, Json] = {
        "gen_ai.input.messages": history(ASKED), "gen_ai.output.messages": history(CALLED),
    }  # fmt: skip
    found, *_ = steps_of(model(2, outer, "a"), model(3, inner, "b", parent=2))
    assert found.output == (CALLED,)


@pytest.mark.parametrize(
    ("result", "status"), [("gone wrong: no", Status.ERROR), ("fine", Status.OK)]
)
def test_a_tool_that_gave_back_its_fault_has_failed(result: str, status: Status) -> None:
    outer: dict[str, Json] = {
        "openinference.span.kind": "TOOL", "tool.name": "f", "output.value": result,
    }  # fmt: skip
    inner: dict[str, Json] = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f"}
    failed = span(
        3, 2, "execute_tool f", "b", attributes=inner, status_code=2, status_message="no"
    )  # fmt: skip
    found = steps_of(span(2, 1, "f", "a", attributes=outer), failed)
    assert [(s.tool, s.status) for s in found] == [("f", status)]


def tool(name: str, *, mcp: bool = False) -> dict[str, Json]:
    if not mcp:
        return {"openinference.span.kind": "TOOL", "tool.name": name, "input.value": '{"a": 1}'}
    found = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
    return {**found, "mcp.method.name": "tools/call"}


@pytest.mark.parametrize(
    ("name", "parent", "steps"),
    [
        ("mcp__shop__f", 2, 1), ("f", 2, 1), ("mcp__shop__f", 1, 1), ("f", 1, 1),
        ("off", 1, 2), ("off", 2, 2), ("g", 1, 2),
    ],
)  # fmt: skip
def test_what_carries_a_call_to_an_mcp_server_is_that_call(
    name: str, parent: int, steps: int
) -> None:
    called = span(2, 1, name, "agent", attributes=tool(name))
    asked = span(3, parent, "tools/call f", "mcp", attributes=tool("f", mcp=True))
    served = span(4, 3, "tools/call f", "mcp", attributes=tool("f", mcp=True))
    found = steps_of(called, asked, served)
    assert len(found) == steps
    assert found[0].arguments == {"a": 1}


def test_each_call_to_an_mcp_server_is_carried_once() -> None:
    called = span(2, 1, "f", "agent", attributes=tool("f"))
    asked = [span(n, 1, "tools/call f", "mcp", attributes=tool("f", mcp=True)) for n in (3, 4)]
    assert len(steps_of(called, *asked)) == 2


def test_a_call_with_other_arguments_is_another_call() -> None:
    called = span(2, 1, "web_f", "agent", attributes=tool("web_f"))
    told = {**tool("f", mcp=True), "gen_ai.tool.call.arguments": '{"b": 2}'}
    assert len(steps_of(called, span(3, 1, "tools/call f", "mcp", attributes=told))) == 2


@pytest.mark.parametrize(("name", "call_id"), [("f", "adk-1"), ("g", None)])
def test_gemini_s_answer_to_a_call_is_its_result(name: str, call_id: str | None) -> None:
    answer: Json = {"id": "adk-1", "name": name, "response": {"result": "no"}}
    step = openinference("TOOL", {"tool.name": "f", "output.value": text_of(answer)})
    assert step.result == ({"result": "no"} if name == "f" else answer)
    assert step.call_id == call_id


def test_the_first_versions_of_adk_name_the_agent_in_its_span_only() -> None:
    run = span(2, 1, "agent_run [support]", "gcp.vertex.agent")
    noise = span(3, 2, "agent_run [other]", "another")
    found = assembled(span(1, None, "invocation"), run, noise)
    assert [(s.kind, s.agent) for s in found.scopes] == [(Kind.AGENT, "support")]


def test_the_first_versions_of_adk_tell_rules_tools_and_thoughts_in_request_and_answer() -> None:
    config: Json = {
        "system_instruction": "be kind", "tools": [{"function_declarations": [{"name": "f"}]}],
    }  # fmt: skip
    usage: Json = {"candidates_token_count": 12, "thoughts_token_count": 8}
    step = step_of(
        "call_llm",
        {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 12,
         "gcp.vertex.agent.llm_request": text_of({"contents": [], "config": config}),
         "gcp.vertex.agent.llm_response": text_of({"usage_metadata": usage})},
    )  # fmt: skip
    assert step.system == ({"type": "text", "content": "be kind"},)
    assert step.tools == ({"name": "f"},)
    assert step.tokens == Tokens(100, 20, reasoning=8)


def test_beeai_s_arguments_lose_their_envelope_and_its_errors_are_no_calls() -> None:
    given: Json = {"input": {"a": 1}, "options": None}
    step = openinference("TOOL", {"tool.name": "f", "input.value": text_of(given)})
    assert step.arguments == {"a": 1}
    assert openinference("TOOL", {"input.value": text_of(given)}, "error").kind is Kind.OTHER
    assert openinference("TOOL", {"tool.name": "error"}, "error").kind is Kind.TOOL


def test_the_error_of_a_model_is_not_its_answer() -> None:
    said: dict[str, Json] = {"output.value": "ModelError: no"}
    assert openinference("LLM", said, status_code=2).output == ()
    assert openinference("LLM", said).output[0].text == "ModelError: no"


@pytest.mark.parametrize(
    ("choice", "tools", "status"),
    [
        ({"type": "function", "function": {"name": "f"}}, "f", Status.OK),
        ({"type": "tool", "name": "f"}, "", Status.OK),
        ({"type": "tool", "name": "f"}, "fg", Status.INTERRUPTED),  # one of those that are run
        ({"type": "tool", "name": "g"}, "", Status.INTERRUPTED),
        ({"type": "function", "function": 1}, "", Status.INTERRUPTED),
        ("auto", "", Status.INTERRUPTED),
    ],
)
def test_a_form_that_a_model_had_to_fill_waits_for_nobody(
    choice: Json, tools: str, status: Status
) -> None:
    at = "llm.output_messages.0.message."
    attributes: dict[str, Json] = {
        "openinference.span.kind": "LLM", "llm.model_name": "m", at + "role": "assistant",
        at + "tool_calls.0.tool_call.id": "c1", at + "tool_calls.0.tool_call.function.name": "f",
        at + "tool_calls.0.tool_call.function.arguments": '{"a": 1}',
        "llm.invocation_parameters": text_of({"tool_choice": choice}),
        **{f"llm.tools.{n}.tool.json_schema": text_of({"name": t}) for n, t in enumerate(tools)},
    }  # fmt: skip
    found = assembled(span(1, None, "run"), span(2, 1, "chat", attributes=attributes))
    assert found.status is status
    assert found.steps[-1].status is status


def test_what_is_called_replies_is_messages_only_if_it_is() -> None:
    posted: Json = {"replies": [{"author": "Ann", "text": "no"}], "question": "why?"}
    assert messages_of(posted) == ()
    assert [m.text for m in messages_of({"replies": [{"role": "assistant", "content": "a"}]})] == [
        "a"
    ]


def test_answers_to_more_than_ten_calls_stay_in_order() -> None:
    at = "llm.input_messages.0.message."
    answers = {f"{at}function.{n}": text_of({"call_id": f"c{n}", "output": n}) for n in range(12)}
    step = openinference("LLM", {at + "role": "tool", **answers})
    assert [a["id"] for a in step.input[0].tool_responses] == [f"c{n}" for n in range(12)]


def component(number: int, parent: int, kind: str, given: Json, said: Json) -> RawSpan:
    attributes: dict[str, Json] = {
        "haystack.component.name": "c", "haystack.component.type": kind,
        "haystack.component.input": text_of(given), "haystack.component.output": text_of(said),
    }  # fmt: skip
    return span(number, parent, "haystack.component.run", "haystack", attributes=attributes)


def test_haystack_s_own_spans_are_steps_where_they_tell_what_went_in_and_out() -> None:
    call: Json = {"tool_name": "f", "arguments": {"a": 1}, "id": "c1"}
    asked: Json = {"role": "user", "content": [{"text": "where?"}]}
    usage: Json = {
        "prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }  # fmt: skip
    reply: Json = {
        "role": "assistant", "content": [{"tool_call": call}],
        "meta": {"model": "m", "finish_reason": "tool_calls", "usage": usage},
    }  # fmt: skip
    told: Json = {"role": "tool", "content": [{"tool_call_result": {"result": 1, "origin": call}}]}
    tools: Json = [{"type": "Tool", "data": {"name": "f"}}]
    run: dict[str, Json] = {
        "haystack.agent.max_steps": 9, "haystack.agent.input": text_of({"messages": [asked]}),
    }  # fmt: skip
    found = assembled(
        span(1, None, "haystack.agent.run", "haystack", attributes=run),
        component(2, 1, "Generator", {"messages": [asked], "tools": tools}, {"replies": [reply]}),
        component(3, 1, "ToolInvoker", {"messages": [reply]}, {"tool_messages": [told]}),
        component(
            4, 1, "BM25Retriever", {"query": "q", "top_k": 3}, {"documents": [{"content": "d"}]}
        ),
        component(
            5, 1, "Generator", {"messages": [asked, reply, told], "generation_kwargs": {"n": 1}},
            {"replies": ["there"], "meta": [{"model": "n"}]},
        ),
    )  # fmt: skip
    assert found.input[0].text == "where?"
    assert [(s.kind, s.name) for s in found.steps] == [
        (Kind.LLM, "m"), (Kind.TOOL, "f"), (Kind.RETRIEVAL, "c"), (Kind.LLM, "n"),
    ]  # fmt: skip
    first, tool_step, retrieval, last = found.steps
    assert first.tokens == Tokens(10, 4, 3, reasoning=1)
    assert (first.tools, first.finish_reason) == (({"name": "f"},), "tool_call")
    assert (tool_step.arguments, tool_step.result) == ({"a": 1}, 1)
    assert (retrieval.query, retrieval.documents[0].content) == ("q", "d")
    assert list(retrieval.attributes) == [
        "haystack.component.name", "haystack.component.type", "haystack.component.input",
    ]  # fmt: skip
    assert (last.output[0].text, last.params["n"]) == ("there", 1)
    assert len(last.attributes) == len(first.attributes) == 2
    assert found.final_step == last.number


@pytest.mark.parametrize(
    ("said", "text", "kept"),
    [
        ({"messages": [{"role": "assistant", "content": [{"text": "a"}]}]}, "a", False),
        ({"messages": [{"role": "assistant", "content": [{"text": "a"}]}], "sum": 3}, "a", True),
        ({"result": {"sum": 3}}, "", True),
    ],
)
def test_what_a_haystack_agent_gave_besides_messages_is_kept(
    said: Json, text: str, kept: bool
) -> None:
    sent: dict[str, Json] = {
        "haystack.agent.max_steps": 9, "haystack.agent.output": text_of(said),
    }  # fmt: skip
    step = step_of("haystack.agent.run", sent)
    assert "".join(m.text for m in step.output) == text
    assert ("haystack.agent.output" in step.attributes) is kept


def test_what_an_mcp_server_gave_without_an_envelope_is_the_result() -> None:
    step = step_of(
        "f.tool",
        {"traceloop.span.kind": "tool", "traceloop.entity.name": "f",
         "traceloop.entity.input": text_of({"tool_name": "f", "arguments": {"a": 1}}),
         "traceloop.entity.output": text_of({"b": 2})},
    )  # fmt: skip
    assert (step.arguments, step.result) == ({"a": 1}, {"b": 2})


def test_what_a_failed_tool_gave_back_says_why_where_nothing_else_does() -> None:
    failed: dict[str, Json] = {"tool.status": "error", "output.value": "no"}
    assert openinference("TOOL", failed).error == Fault("error", "no")
    assert openinference("TOOL", failed, status_message="gone").error == Fault("error", "gone")


@pytest.mark.parametrize(
    "text", ["id=1" + " source=''" * 16_000, "id=1 source='" * 8_000, "id=1 source='a" + "x" * 99]
)
def test_a_text_that_begins_like_a_repr_is_told_in_one_pass(text: str) -> None:
    began = time.process_time()
    assert messages_of(text)[0].text == text
    assert time.process_time() - began < 1  # CPU; a search from each source took five seconds


def test_a_message_of_an_error_in_a_good_answer_makes_it_no_error() -> None:
    fault = Fault("Timeout", "503")
    assert not _tells_fault("Page fetched. Retry-After: 0. 503 words.", fault)
    assert _tells_fault("Error: 503", fault)
    assert _tells_fault("the tool said: connection refused by host, sorry",
                        Fault("E", "connection refused by host"))  # fmt: skip
