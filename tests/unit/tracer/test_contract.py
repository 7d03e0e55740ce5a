"""What is on the wire: content modes, limits, redaction, span names, exact attributes."""

import json
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import tool

from tests.shared import SAMPLES
from tests.unit.tracer.harness import full_input, steps, tree, value
from tests.unit.tracer.scripted import Scripted, call, says
from waypost import names

QUESTION: Any = {"messages": [HumanMessage("where is A-1?")]}


@tool
def lookup(order_id: str) -> str:
    """Look up."""
    return f"{order_id} was shipped"


def agent(turns: int = 3) -> Any:
    script = [says("", call("lookup", f"c{n}", order_id=f"A-{n}")) for n in range(turns - 1)]
    model = Scripted(script=[*script, says("done")])
    return create_agent(model, [lookup], name="support", system_prompt="Be nice.")


def inputs(spans: Any) -> list[Any]:
    found = steps(spans)
    return [full_input(found, value(s, names.STEP)) for s in found if value(s, names.KIND) == "llm"]


def test_delta_read_back_equals_full(record: Any) -> None:
    import tracer

    delta = record(content="delta")
    agent(5).invoke(QUESTION)
    deltas = inputs(delta())
    tracer.uninstrument()
    full = record(content="full")
    agent(5).invoke(QUESTION)
    assert inputs(full()) == deltas
    assert all(value(s, names.BASE_STEP) is None for s in steps(full()))
    assert all(value(s, names.SYSTEM) for s in steps(full()) if value(s, names.KIND) == "llm")


CONTENT = (names.INPUT, names.OUTPUT, names.SYSTEM, names.TOOL_DEFINITIONS, names.TOOL_ARGUMENTS,
           names.TOOL_RESULT, names.RETRIEVAL_QUERY, names.RETRIEVAL_DOCUMENTS)  # fmt: skip


def test_content_none_writes_no_content(record: Any) -> None:
    spans = record(content="none")
    agent().invoke(QUESTION)
    assert tree(spans()).count("\n") == 5
    assert not [s for s in spans() if any(value(s, name) for name in CONTENT)]


def test_semconv_span_names(record: Any) -> None:
    spans = record(span_names="semconv")
    agent(2).invoke(QUESTION)
    assert sorted(s.name for s in spans()) == [
        "chat scripted",
        "chat scripted",
        "execute_tool lookup",
        "invoke_agent support",
    ]


def test_secrets_are_gone_from_everything_and_counted(spans: Any) -> None:
    @tool
    def mail(to: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send."""
        return {"sent": to, "raw": json.dumps({"password": "hunter22"})}

    body = {"text": "card 4111 1111 1111 1111", "api_key": "abcdef"}
    script = [
        says("", call("mail", to="mara@example.com", body=body)),
        says("+46 (0)8 928 571 38"),
    ]
    one = create_agent(Scripted(script=script), [mail], name="a", system_prompt="root@example.com")
    one.invoke({"messages": [HumanMessage("I am mara@example.com")]})
    everything = "\n".join(str(dict(s.attributes or {})) for s in spans())
    for secret in ("mara@", "root@", "4111", "abcdef", "hunter22", "928 571"):
        assert secret not in everything
    _, tool_step, _ = steps(spans())
    assert value(tool_step, names.REDACTED) == ("CARD=1", "EMAIL=2", "SECRET=2")


def test_redact_off_and_ones_own(record: Any) -> None:
    import tracer

    plain = record(redact="off")
    Scripted(script=[says("x")]).invoke("mara@example.com")
    assert "mara@example.com" in value(steps(plain())[0], names.INPUT)
    tracer.uninstrument()
    own = record(redact=lambda text: text.replace("Waldo", "someone"))
    Scripted(script=[says("Waldo is here")]).invoke("find Waldo")
    (step,) = steps(own())
    assert "Waldo" not in value(step, names.INPUT) + value(step, names.OUTPUT)
    assert value(step, names.REDACTED) == ("CUSTOM=2",)


def test_a_redaction_that_raises_lets_nothing_out(record: Any) -> None:
    def fails(text: str) -> str:
        raise ValueError(text)

    spans = record(redact=fails)
    Scripted(script=[says("secret two")]).invoke("secret one")
    assert "secret" not in str(steps(spans())[0].attributes)


def test_no_attribute_is_indexed_and_none_is_dropped(spans: Any) -> None:
    agent(40).invoke(QUESTION, {"recursion_limit": 200})
    for span in spans():
        assert len(span.attributes) < 40
        assert span.dropped_attributes == 0
        assert not [k for k in span.attributes if any(p.isdigit() for p in k.split("."))]


class Policies(BaseRetriever):
    """Finds one policy."""

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return [Document("10% refund", id="P-7", metadata={"version": "2026-10-01", "score": 0.91})]


def test_a_retrieval_in_a_tool_has_its_documents_and_its_parent(spans: Any) -> None:
    @tool
    def search(query: str) -> str:
        """Search."""
        return str(Policies().invoke(query)[0].page_content)

    model = Scripted(script=[says("", call("search", query="late")), says("ok")])
    create_agent(model, [search], name="a").invoke(QUESTION)
    assert tree(spans()).splitlines()[2:4] == [
        "  2 tool search t1",
        "    3 retrieval Policies t1 in=2",
    ]
    found = steps(spans())[2]
    assert json.loads(value(found, names.RETRIEVAL_DOCUMENTS)) == [
        {
            "id": "P-7",
            "score": 0.91,
            "content": "10% refund",
            "metadata": {"version": "2026-10-01", "score": 0.91},
        }
    ]


def test_system_and_tools_are_written_once_and_when_they_change(spans: Any) -> None:
    agent(3).invoke(QUESTION)
    models = [s for s in steps(spans()) if value(s, names.KIND) == "llm"]
    assert [bool(value(s, names.SYSTEM)) for s in models] == [True, False, False]
    assert [bool(value(s, names.TOOL_DEFINITIONS)) for s in models] == [True, False, False]


def test_a_history_that_was_cut_is_a_keyframe_again(spans: Any) -> None:
    from langchain_core.runnables import RunnableLambda

    model = Scripted(script=[says("a"), says("b")])

    def twice(_: Any) -> None:
        model.invoke([HumanMessage("one"), HumanMessage("two")])
        model.invoke([SystemMessage("s"), HumanMessage("summary")])

    RunnableLambda(twice).invoke("x")
    _, second = steps(spans())
    assert value(second, names.BASE_STEP) is None
    assert value(second, names.TURN) == 2


def test_a_history_too_long_for_one_attribute_stays_a_delta(spans: Any) -> None:
    @tool
    def read(page: int) -> str:
        """Read a page."""
        return f"page {page} " + "word " * 1_000

    script = [says("", call("read", f"c{n}", page=n)) for n in range(70)]
    agent = create_agent(Scripted(script=[*script, says("done")]), [read])
    agent.invoke(QUESTION, {"recursion_limit": 500})
    found = [s for s in steps(spans()) if value(s, names.KIND) == "llm"]
    assert [value(s, names.STEP) for s in found if value(s, names.BASE_STEP) is None] == [1]
    assert not any(value(s, names.TRUNCATED) for s in found)
    assert len(full_input(found, 141)) == 141


def test_pictures_are_blobs_and_large_ones_hashes(spans: Any) -> None:
    small = {"type": "image", "base64": "aGk=", "mime_type": "image/png"}
    large = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    Scripted(script=[says("x")]).invoke(
        [HumanMessage([{"type": "text", "text": "see"}, small, large])]
    )
    parts = json.loads(value(steps(spans())[0], names.INPUT))[0]["parts"]
    assert parts[0] == {"type": "text", "content": "see"}
    assert parts[1] == {
        "type": "blob", "modality": "image", "mime_type": "image/png", "content": "aGk=",
    }  # fmt: skip
    assert parts[2]["type"] == "uri"
    assert parts[2]["uri"].startswith("sha256:")


def _values(attributes: Any) -> dict[str, Any]:
    def plain(value: dict[str, Any]) -> Any:
        kind, found = next(iter(value.items()))
        if kind == "arrayValue":
            return tuple(plain(v) for v in found.get("values", []))
        return int(found) if kind == "intValue" else found

    return {a["key"]: plain(a["value"]) for a in attributes}


SAMPLE = SAMPLES / "agent_trajectory.json"


@pytest.mark.skipif(not SAMPLE.exists(), reason="the shared samples are not beside the repository")
def test_our_spans_have_the_shape_of_the_contracts_sample(spans: Any) -> None:
    """Same names, same types and the same JSON inside as the recorded sample's first run."""
    sample = json.loads(SAMPLE.read_text())["resourceSpans"][0]["scopeSpans"][0]["spans"]
    recorded = {v[names.STEP]: v for s in sample if names.STEP in (v := _values(s["attributes"]))}
    wanted = {1: recorded[1], 2: recorded[2], 3: recorded[3]}
    agent(3).invoke(
        QUESTION, {"metadata": {"session_id": "s", "user_id": "u", "route": "primary",
                                "prompt_name": "support", "prompt_version": "v3",
                                "cohort": {"region": "eu", "plan": "pro"}}}
    )  # fmt: skip
    mine = {value(s, names.STEP): dict(s.attributes or {}) for s in steps(spans())}
    ours_only = {names.TOKENS_REASONING, names.RESPONSE_ID}
    for number, attributes in wanted.items():
        assert set(attributes) ^ set(mine[number]) <= ours_only
        for name, sample_value in attributes.items():
            if name in mine[number]:
                assert type(mine[number][name]) is type(sample_value), name
