"""Shapes of the conventions that no recorded sample holds: older versions, drafts, other makers."""

import json
from typing import Any

import pytest

from collector.convention import Reader, read_log
from collector.reading.documents import documents_of
from collector.reading.messages import messages_of
from collector.reading.results import unwrap
from waypost.assembly import assemble
from waypost.records import Event, Json, Kind, Link, LogRecord, RawSpan, Reading, Status, Tokens


def read(
    name: str = "span", scope: str = "", events: tuple[Event, ...] = (), **more: Any
) -> Reading:
    links = more.pop("links", ())
    attributes: dict[str, Json] = more.pop("attributes", {})
    span = RawSpan(
        "1" * 32, "2" * 16, more.pop("parent_id", "3" * 16), name, 10, 20, scope_name=scope,
        attributes=attributes, events=events, links=links, **more,
    )  # fmt: skip
    return Reader().read(span)


def test_openllmetry_before_062_reads_its_indexed_prompts() -> None:
    step = read(
        "openai.chat",
        attributes={
            "llm.request.type": "chat", "gen_ai.system": "OpenAI",
            "gen_ai.request.model": "gpt-4", "gen_ai.response.model": "gpt-4-0613",
            "gen_ai.prompt.0.role": "system", "gen_ai.prompt.0.content": "be kind",
            "gen_ai.prompt.1.role": "user", "gen_ai.prompt.1.content": "hi",
            "gen_ai.prompt.2.role": "tool", "gen_ai.prompt.2.content": "42",
            "gen_ai.prompt.2.tool_call_id": "c0",
            "gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": "hello",
            "gen_ai.completion.0.finish_reason": "tool_calls",
            "gen_ai.completion.0.tool_calls.0.id": "c1",
            "gen_ai.completion.0.tool_calls.0.name": "look",
            "gen_ai.completion.0.tool_calls.0.arguments": '{"a": 1}',
            "gen_ai.usage.prompt_tokens": 5, "gen_ai.usage.completion_tokens": 7,
            "llm.usage.total_tokens": 12, "llm.request.functions.0.name": "look",
            "llm.request.functions.0.parameters": '{"type": "object"}',
        },
    ).step  # fmt: skip
    assert (step.kind, step.convention, step.tokens) == (Kind.LLM, "openllmetry", Tokens(5, 7))
    assert [m.role for m in step.input] == ["system", "user", "tool"]
    assert step.input[2].tool_responses[0]["id"] == "c0"
    assert step.output[0].tool_calls[0]["arguments"] == {"a": 1}
    assert (step.finish_reason, step.tools) == (
        "tool_call", ({"name": "look", "parameters": {"type": "object"}},),
    )  # fmt: skip
    assert not [k for k in step.attributes if k.startswith(("gen_ai.prompt", "gen_ai.completion"))]


def test_the_same_without_any_marker_is_guessed() -> None:
    attributes: dict[str, Json] = {
        "gen_ai.request.model": "m", "gen_ai.usage.prompt_tokens": 1,
        "gen_ai.prompt.0.content": "hi", "gen_ai.completion.0.content": "ho",
    }  # fmt: skip
    step = read(attributes=attributes).step
    assert (step.kind, step.convention, step.output[0].text) == (Kind.LLM, "generic", "ho")


@pytest.mark.parametrize(
    ("kind", "operation", "wanted"),
    [
        ("task", "vector_db_retrieve", ("genai", Kind.RETRIEVAL)),
        ("tool", "execute_tool", ("genai", Kind.TOOL)),
        ("workflow", "invoke_agent", ("openllmetry", Kind.SCOPE)),
        ("handoff", None, ("openllmetry", Kind.HANDOFF)),
    ],
)
def test_openllmetry_gives_way_to_a_stronger_word(
    kind: str, operation: str | None, wanted: tuple[str, Kind]
) -> None:
    attributes: dict[str, Json] = {"traceloop.span.kind": kind, "gen_ai.tool.name": "t"}
    step = read(attributes={**attributes, "gen_ai.operation.name": operation}).step
    assert (step.convention, step.kind) == wanted


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("CHAT", Kind.LLM), ("text_completion", Kind.LLM), ("generate_content", Kind.LLM),
        ("EXECUTE_TOOL", Kind.TOOL), ("retrieval", Kind.RETRIEVAL), ("embeddings", Kind.RETRIEVAL),
        ("search_memory", Kind.MEMORY), ("delete_memory_store", Kind.MEMORY),
        ("upsert_memory", Kind.MEMORY), ("plan", Kind.PLAN), ("apply_guardrail", Kind.GUARDRAIL),
        ("run_guardrail", Kind.GUARDRAIL), ("agent_handoff", Kind.HANDOFF),
        ("invoke_agent", Kind.AGENT), ("invoke_workflow", Kind.SCOPE), ("task", Kind.SCOPE),
        ("create_agent", Kind.OTHER), ("unknown", Kind.SCOPE),
    ],
)  # fmt: skip
def test_genai_words_in_any_case(word: str, kind: Kind) -> None:
    assert read(attributes={"gen_ai.operation.name": word}).step.kind is kind


@pytest.mark.parametrize("tool", ["write_todos", "update_plan", "todo_write"])
def test_tools_that_write_plans_are_plans(tool: str) -> None:
    attributes: dict[str, Json] = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool,
    }
    assert read(attributes=attributes).step.kind is Kind.PLAN


def test_an_openinference_agent_with_a_tool_name_is_a_tool() -> None:
    attributes: dict[str, Json] = {
        "openinference.span.kind": "AGENT", "tool.name": "transfer_to_billing_agent",
        "input.value": "{}",
    }  # fmt: skip
    assert read("transfer_to_billing_agent", attributes=attributes).step.kind is Kind.TOOL


def test_an_openinference_handoff_names_both_agents() -> None:
    attributes: dict[str, Json] = {
        "openinference.span.kind": "TOOL", "input.value": "triage", "output.value": "billing",
    }  # fmt: skip
    step = read("handoff to billing", attributes=attributes).step
    assert (step.kind, step.handoff_from, step.handoff_to) == (Kind.HANDOFF, "triage", "billing")


def test_openinference_images_reasoning_and_rerankers() -> None:
    head = "llm.input_messages.0.message."
    step = read(
        attributes={
            "openinference.span.kind": "LLM", head + "role": "user",
            head + "contents.0.message_content.type": "text",
            head + "contents.0.message_content.text": "what is it",
            head + "contents.1.message_content.type": "image",
            head + "contents.1.message_content.image.image.url": "data:image/png;base64,iVBO",
            head + "contents.2.message_content.type": "image",
            head + "contents.2.message_content.image.image.url": "https://x/y.png",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.contents.0.message_content.type": "reasoning",
            "llm.output_messages.0.message.contents.0.message_content.text": "hm",
            "llm.response.model_name": "b", "llm.request.model_name": "a", "llm.cost.total": 0.5,
        },
    ).step  # fmt: skip
    assert [p["type"] for p in step.input[0].parts] == ["text", "blob", "uri"]
    assert step.output[0].parts[0]["type"] == "reasoning"
    assert (step.model_requested, step.model, step.cost_usd) == ("a", "b", 0.5)
    reranked = read(
        attributes={
            "openinference.span.kind": "RERANKER", "reranker.query": "q",
            "reranker.output_documents.0.document.content": "d",
            "reranker.output_documents.0.document.score": 0.9,
        },
    ).step  # fmt: skip
    assert (reranked.query, reranked.documents[0].score) == ("q", 0.9)


def test_prompt_names_and_versions_in_every_place() -> None:
    for name, version in (
        ("gen_ai.prompt.name", "gen_ai.prompt.version"),
        ("langfuse.observation.prompt.name", "langfuse.observation.prompt.version"),
        ("gen_ai.prompt.template.name", "llm.prompt_template.version"),
        ("prompt.name", "ai.telemetry.metadata.promptVersion"),
    ):
        attributes: dict[str, Json] = {"gen_ai.operation.name": "chat", name: "n", version: "v3"}
        step = read(attributes=attributes).step
        assert (step.prompt_name, step.prompt_version) == ("n", "v3")


def test_guardrails_of_both_drafts() -> None:
    agents = read(
        attributes={
            "gen_ai.operation.name": "guardrail_check", "gen_ai.guardrail.name": "pii",
            "gen_ai.guardrail.triggered": True,
        },
    ).step  # fmt: skip
    draft = read(
        attributes={
            "gen_ai.operation.name": "apply_guardrail", "gen_ai.guardrail.verdict.type": "deny",
            "gen_ai.guardrail.component.name": "shield", "gen_ai.guardrail.target.type": "input",
            "gen_ai.guardrail.verdict.reason": "no", "gen_ai.guardrail.security.policy.id": "p7",
        },
    ).step  # fmt: skip
    assert agents.guard is not None
    assert (agents.guard.name, agents.guard.action) == ("pii", "block")
    assert draft.guard is not None
    assert (draft.guard.name, draft.guard.action, draft.guard.policy) == ("shield", "block", "p7")


def test_memory_of_the_specification() -> None:
    step = read(
        attributes={
            "gen_ai.operation.name": "search_memory", "gen_ai.memory.store.id": "s",
            "gen_ai.memory.query.text": "q", "gen_ai.memory.records": '[{"id": "1"}]',
        },
    ).step  # fmt: skip
    assert step.memory is not None
    assert (step.memory.operation, step.memory.records) == ("search", ({"id": "1"},))


@pytest.mark.parametrize(
    ("type_", "message", "status"),
    [
        ("langgraph.errors.GraphInterrupt", "(Interrupt(value=1),)", Status.INTERRUPTED),
        ("Exception", "GraphInterrupt((Interrupt(value=1),))", Status.INTERRUPTED),
        ("ValueError", "bad", Status.ERROR),
    ],
)
def test_an_interrupt_is_no_error_whatever_the_status(
    type_: str, message: str, status: Status
) -> None:
    about: dict[str, Json] = {"exception.type": type_, "exception.message": message}
    events = (Event("exception", 11, about),)
    attributes: dict[str, Json] = {"openinference.span.kind": "CHAIN"}
    step = read(attributes=attributes, events=events, status_code=2).step
    assert step.status is status
    assert (step.error is None) is (status is Status.INTERRUPTED)


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.operation.name": "execute_tool", "error.type": "langgraph.errors.GraphInterrupt"},
        {"gen_ai.operation.name": "execute_tool",
         "error.type": "<class 'langgraph.errors.GraphInterrupt'>"},
        {"langfuse.observation.type": "tool", "langfuse.observation.level": "ERROR",
         "langfuse.observation.status_message": "GraphInterrupt((Interrupt(value=1),))"},
    ],
)  # fmt: skip
def test_an_interrupt_is_known_by_its_full_name_and_by_langfuses_message(
    attributes: dict[str, Json],
) -> None:
    step = read(attributes=attributes, status_code=2).step
    assert (step.status, step.error) == (Status.INTERRUPTED, None)
    failed = read(attributes={**attributes, "error.type": "GraphInterrupted"}).step
    assert (failed.status is Status.ERROR) is ("error.type" in attributes)


def test_an_exception_in_a_log_record_may_be_an_interrupt() -> None:
    told: dict[str, Json] = {"exception.type": "langgraph.errors.GraphInterrupt"}
    record = LogRecord(
        "gen_ai.client.operation.exception", "1" * 32, "2" * 16, 5, attributes=told
    )  # fmt: skip
    tool = read(attributes={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "t"}).step
    (found,) = assemble([tool], read_log(record).contents).steps
    assert (found.status, found.error) == (Status.INTERRUPTED, None)


def test_a_tool_that_failed_within_a_task_that_did_not_has_failed() -> None:
    attributes: dict[str, Json] = {
        "gen_ai.operation.name": "execute_tool", "gen_ai.task.status": "success",
        "gen_ai.tool.status": "error",
    }  # fmt: skip
    assert read(attributes=attributes).step.status is Status.ERROR


def test_our_own_status_holds_whatever_the_result_says() -> None:
    attributes: dict[str, Json] = {
        "agent.trajectory.step": 1, "agent.trajectory.kind": "tool",
        "agent.trajectory.status": "blocked",
        "gen_ai.tool.call.result": '{"content": "no", "status": "error"}',
    }  # fmt: skip
    assert read("agent.trajectory.step", attributes=attributes).step.status is Status.BLOCKED


def test_a_stack_trace_in_the_status_message_is_kept_apart() -> None:
    text = "ValueError('no')Traceback (most recent call last):\n  File x\nValueError: no"
    attributes: dict[str, Json] = {"openinference.span.kind": "TOOL", "tool.name": "t"}
    step = read(attributes=attributes, status_code=2, status_message=text).step
    assert step.error is not None
    assert (step.error.type, step.error.message) == ("ValueError", "ValueError('no')")
    assert step.error.stack.startswith("Traceback")


def test_langfuse_sums_the_kinds_of_input() -> None:
    usage = {"input": 100, "input_cache_read": 28, "output": 5, "output_reasoning": 3, "total": 136}
    step = read(
        attributes={
            "langfuse.observation.type": "generation",
            "langfuse.observation.usage_details": json.dumps(usage),
            "langfuse.observation.input": '{"messages": [{"role": "user", "content": "hi"}]}',
            "langfuse.observation.output": '"ho"', "langfuse.observation.model.name": "m",
            "langfuse.observation.cost_details": '{"total": 0.25}',
        },
    ).step  # fmt: skip
    assert step.tokens == Tokens(128, 8, 28, None, 3)
    assert (step.input[0].text, step.output[0].text, step.cost_usd) == ("hi", "ho", 0.25)


@pytest.mark.parametrize(
    ("attributes", "wanted"),
    [
        ({"langfuse.observation.type": "generation",
          "langfuse.observation.cost_details": '{"input": 0.25, "output": "0.5"}'}, 0.75),
        ({"langfuse.observation.type": "generation",
          "langfuse.observation.cost_details": {"input": 0.25, "total": 0.5}}, 0.5),
        ({"openinference.span.kind": "LLM", "llm.cost.prompt": 0.25,
          "llm.cost.completion": "0.5"}, 0.75),
        ({"openinference.span.kind": "LLM", "llm.cost.prompt": 0.0}, None),
    ],
)  # fmt: skip
def test_a_cost_told_in_parts_is_their_sum(
    attributes: dict[str, Json], wanted: float | None
) -> None:
    assert read(attributes=attributes).step.cost_usd == wanted


def test_adk_reasoning_is_counted_once() -> None:
    attributes: dict[str, Json] = {
        "gen_ai.operation.name": "generate_content", "gen_ai.provider.name": "openai",
        "gcp.vertex.agent.event_id": "e", "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 50, "gen_ai.usage.reasoning.output_tokens": 20,
    }  # fmt: skip
    assert read(attributes=attributes).step.tokens == Tokens(10, 30, None, None, 20)


def test_the_first_versions_of_adk_and_pydantic_ai() -> None:
    request = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    answer = {"content": {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]}}
    adk = read(
        "call_llm",
        attributes={
            "gcp.vertex.agent.llm_request": json.dumps(request),
            "gcp.vertex.agent.llm_response": json.dumps(answer),
        },
    ).step
    assert (adk.kind, adk.input[0].text, adk.output[0].role) == (Kind.LLM, "hi", "assistant")
    assert adk.output[0].tool_calls[0]["name"] == "f"
    events = [
        {"event.name": "gen_ai.user.message", "role": "user", "content": "hi"},
        {"event.name": "gen_ai.choice", "message": {"role": "assistant", "content": "ho"}},
    ]
    first = read(
        "chat m", "pydantic-ai",
        attributes={"gen_ai.operation.name": "chat", "events": json.dumps(events)},
    ).step  # fmt: skip
    assert (first.input[0].text, first.output[0].text) == ("hi", "ho")
    tool = read(
        "running tool", "pydantic-ai",
        attributes={"gen_ai.tool.name": "t", "tool_arguments": '{"a": 1}', "tool_response": "r"},
    ).step  # fmt: skip
    assert (tool.kind, tool.arguments, tool.result) == (Kind.TOOL, {"a": 1}, "r")


def test_vercel_four_and_structured_output() -> None:
    step = read(
        attributes={
            "ai.operationId": "ai.generateObject.doGenerate", "ai.model.id": "m",
            "ai.prompt.messages": '[{"role": "user", "content": "hi"}]',
            "ai.response.object": '{"a": 1}', "ai.usage.promptTokens": 4,
            "ai.usage.completionTokens": 2, "ai.telemetry.metadata.sessionId": "s",
        },
    ).step  # fmt: skip
    assert (step.tokens, step.session, step.output[0].text) == (Tokens(4, 2), "s", '{"a": 1}')


def test_a_smolagents_call_gives_its_keyword_arguments() -> None:
    value = {"args": [], "sanitize_inputs_outputs": True, "kwargs": {"city": "Bern"}}
    attributes: dict[str, Json] = {
        "openinference.span.kind": "TOOL", "tool.name": "w", "input.value": json.dumps(value),
    }  # fmt: skip
    assert read(attributes=attributes).step.arguments == {"city": "Bern"}


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ('{"output": {"lc": 1, "kwargs": {"content": "a", "status": "error"}}}', ("a", True)),
        ('{"type": "tool", "data": {"content": "a", "tool_call_id": "c"}}', ("a", False)),
        ('{"type": "tool", "content": "{\\"x\\": 1}"}', ({"x": 1}, False)),
        ('[{"text": "a"}]', ("a", False)),
        ('{"blocks": [{"text": "{\'x\': 1}"}], "tool_name": "t"}', ({"x": 1}, False)),
        ("content='a' name='t' tool_call_id='c'", ("a", False)),
        ("ToolMessage(content='a', tool_call_id='c', status='error')", ("a", True)),
        ("{'output': ToolMessage(content='a', name='t', tool_call_id='c')}", ("a", False)),
        ("ToolMessage(content='a", ("ToolMessage(content='a", False)),
        ('{"role": "tool", "content": "a", "tool_call_id": "c"}', ("a", False)),
        ('{"content": [{"type": "text", "text": "a"}], "isError": true}', ("a", True)),
        ('{"role": "user", "content": "a"}', ({"role": "user", "content": "a"}, False)),
        ('{"output": {"output": {"output": "a"}}}', ("a", False)),
        ('{"output": 1, "more": 2}', ({"output": 1, "more": 2}, False)),
        ("plain", ("plain", False)),
        ('[{"id": "P-7", "text": "t"}]', ([{"id": "P-7", "text": "t"}], False)),
    ],
)
def test_results_are_unwrapped(value: str, wanted: tuple[Json, bool]) -> None:
    found = unwrap(value)
    assert (found.value, found.failed) == wanted


@pytest.mark.parametrize(
    ("value", "roles"),
    [
        ([{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
          {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
          {"type": "function_call_output", "call_id": "c", "output": "o"}],
         ["user", "assistant", "tool"]),
        ({"messages": [[{"lc": 1, "id": ["x", "HumanMessage"], "kwargs": {"content": "a"}}]]},
         ["user"]),
        ([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c",
                                        "content": "r"}]}], ["user"]),
        ({"contents": [{"role": "model", "parts": [{"text": "a"}]}]}, ["assistant"]),
        ("hello", ["user"]),
        ({"choices": [{"message": {"role": "assistant", "content": None}}]}, ["assistant"]),
        (["content='a' additional_kwargs={} response_metadata={}"], ["user"]),
        ([], []), ({}, []), (None, []),
    ],
)  # fmt: skip
def test_messages_of_every_maker(value: Json, roles: list[str]) -> None:
    assert [m.role for m in messages_of(value)] == roles


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ('[{"page_content": "a", "metadata": {"score": 0.5}, "id": "1"}]', ("a", "1", 0.5)),
        ("{\"documents\": [\"page_content='a' metadata={'score': 0.5}\"]}", ("a", None, 0.5)),
        ([{"id": "1", "score": 0.5}], ("", "1", 0.5)),
        ([{"document": {"content": "a", "id": 1}, "score": "0.5"}], ("a", "1", 0.5)),
        (["a"], ("a", None, None)),
    ],
)
def test_documents_of_every_maker(
    value: Json, wanted: tuple[str, str | None, float | None]
) -> None:
    found = documents_of(value)[0]
    assert (found.content, found.id, found.score) == wanted


@pytest.mark.parametrize("value", ["NaN", -1, 2**31, "x", True, [], {}, 1.5])
def test_counts_that_cannot_be_are_unknown(value: Json) -> None:
    attributes: dict[str, Json] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.usage.input_tokens": value,
    }
    assert read(attributes=attributes).step.tokens.input is None


def test_an_evaluator_span_carries_feedback_for_its_one_link() -> None:
    target = Link("a" * 32, "b" * 16, {})
    found = read(
        attributes={
            "openinference.span.kind": "EVALUATOR", "evaluations.0.evaluation.name": "tone",
            "evaluations.0.evaluation.label": "pass", "evaluations.0.evaluation.score": "1",
            "evaluations.0.evaluation.annotator_kind": "HUMAN",
        },
        links=(target,),
    )  # fmt: skip
    verdict = found.feedback[0]
    assert found.step.kind is Kind.FEEDBACK
    assert (verdict.span_id, verdict.passed, verdict.value, verdict.source) == (
        "b" * 16, True, 1.0, "human",
    )  # fmt: skip


@pytest.mark.parametrize("word", ["LLM", "llm", "model"])
def test_both_words_for_a_model_that_judges_are_one(word: str) -> None:
    told = {"gen_ai.evaluation.name": "tone", "gen_ai.evaluation.source": word}
    record = LogRecord("gen_ai.evaluation.result", "1" * 32, "2" * 16, 5, attributes=told)
    assert [f.source for f in read_log(record).feedback] == ["model"]


@pytest.mark.parametrize("flag", [True, False])
def test_a_verdict_may_be_a_flag(flag: bool) -> None:
    told: dict[str, Json] = {
        "gen_ai.evaluation.name": "tone", "gen_ai.evaluation.score.label": flag,
    }  # fmt: skip
    record = LogRecord("gen_ai.evaluation.result", "1" * 32, "2" * 16, 5, attributes=told)
    noted: dict[str, Json] = {
        "openinference.span.kind": "LLM", "annotations.0.annotation.name": "tone",
        "annotations.0.annotation.label": flag,
    }  # fmt: skip
    found = [*read_log(record).feedback, *read(attributes=noted).feedback]
    assert [(f.label, f.passed) for f in found] == [(str(flag).lower(), flag)] * 2


@pytest.mark.parametrize(("judge", "wanted"), [("LLMJudge", "model"), ("IsInstance", "code")])
def test_a_judge_of_pydantic_evals_is_known_by_its_class(judge: str, wanted: str) -> None:
    told: dict[str, Json] = {
        "gen_ai.evaluation.name": "tone",
        "gen_ai.evaluation.evaluator.source": json.dumps({"name": judge, "arguments": None}),
    }
    for record in (
        LogRecord("gen_ai.evaluation.result", "1" * 32, "2" * 16, 5, attributes=told),
        LogRecord("gen_ai.evaluation.result", "1" * 32, "2" * 16, 5, body=told),
    ):
        assert [f.source for f in read_log(record).feedback] == [wanted]


def test_a_log_of_the_new_kind_keeps_its_messages_in_order() -> None:
    messages: list[Json] = [
        {"role": "user", "parts": [{"type": "text", "content": t}]} for t in "aab"
    ]
    record = LogRecord(
        "gen_ai.client.inference.operation.details", "1" * 32, "2" * 16, 5,
        attributes={"gen_ai.input.messages": messages},
    )  # fmt: skip
    contents = read_log(record).contents
    step = read(attributes={"gen_ai.operation.name": "chat"}, parent_id=None).step
    found = assemble([step], [*contents, *contents]).steps[0]
    assert [m.text for m in found.input] == ["a", "a", "b"]


def test_semconv_span_names_of_our_own_contract_are_read_as_ours() -> None:
    attributes: dict[str, Json] = {"agent.trajectory.step": 2, "gen_ai.operation.name": "chat"}
    step = read("chat gpt-4o-mini", attributes=attributes).step
    assert (step.convention, step.number, step.kind) == ("waypost", 2, Kind.LLM)


def test_a_newer_schema_is_read_as_far_as_it_is_known() -> None:
    attributes: dict[str, Json] = {
        "agent.trajectory.schema": 9, "agent.trajectory.step": 1, "agent.trajectory.kind": "new",
        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "t",
    }  # fmt: skip
    step = read("agent.trajectory.step", attributes=attributes).step
    assert (step.kind, step.tool) == (Kind.TOOL, "t")


def test_a_scrubbed_session_is_none() -> None:
    attributes: dict[str, Json] = {
        "session_id": "[Scrubbed due to 'session']", "thread_id": "t", "user_id": "u",
    }  # fmt: skip
    step = read(attributes={**attributes, "gen_ai.operation.name": "chat"}).step
    assert (step.session, step.user) == ("t", "u")


CALL: Json = {"role": "assistant", "content": None, "tool_calls": [
    {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]}  # fmt: skip
GONE = "no such order"


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1",
                                       "is_error": True, "content": GONE}]}, Status.ERROR),
        ({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1",
                                       "is_error": False, "content": GONE}]}, Status.OK),
        ({"type": "tool", "tool_call_id": "c1", "status": "error", "content": GONE}, Status.ERROR),
        ({"type": "tool", "tool_call_id": "c1", "status": "success", "content": GONE}, Status.OK),
        ({"role": "user", "content": [{"toolResult": {"toolUseId": "c1", "status": "error",
                                                      "content": [{"text": GONE}]}}]},
         Status.ERROR),
        ({"role": "tool", "content": [{"type": "tool-result", "toolCallId": "c1",
                                       "output": {"type": "error-text", "value": GONE}}]},
         Status.ERROR),
        ({"role": "tool", "content": [{"type": "tool-result", "toolCallId": "c1",
                                       "output": {"type": "text", "value": GONE}}]}, Status.OK),
        ({"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": GONE,
                                     "status": "error"}]}, Status.ERROR),
        ({"role": "tool", "tool_call_id": "c1", "content": GONE}, Status.OK),
    ],
)  # fmt: skip
def test_an_answer_marked_as_an_error_fails_the_step_read_out_of_it(
    answer: Json, wanted: Status
) -> None:
    told = messages_of([{"role": "user", "content": "hi"}, CALL, answer])
    asked = messages_of([CALL], role="assistant")
    span = Reader().read(RawSpan("1" * 32, "2" * 16, None, "chat", 1, 2, attributes={})).step
    first = span.replace(kind=Kind.LLM, output=tuple(asked))
    second = first.replace(span_id="3" * 16, started_at=3, ended_at=4, input=tuple(told), output=())
    tool = assemble([first, second]).steps[1]
    assert (tool.derived, tool.status) == (True, wanted)
    assert GONE in str(tool.result)
