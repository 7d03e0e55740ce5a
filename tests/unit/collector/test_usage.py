"""Tokens by every name clients were seen to count them under."""

import pytest

from collector.convention import Reader
from tests.unit.collector.spans import span, text_of
from waypost.records import (
    Json,
    Tokens,
)


@pytest.mark.parametrize(
    ("usage", "wanted"),
    [
        ({"prompt_tokens": 120, "completion_tokens": 12, "total_tokens": 132,
          "prompt_tokens_details": {"cached_tokens": 64},
          "completion_tokens_details": {"reasoning_tokens": 3}}, (120, 12, 64, None, 3)),
        ({"input_tokens": 120, "output_tokens": 52, "total_tokens": 172,
          "input_tokens_details": {"cached_tokens": 64},
          "output_tokens_details": {"reasoning_tokens": 30}}, (120, 52, 64, None, 30)),
        ({"input": 100, "output": 10, "cache_read_input_tokens": 40,
          "cache_creation_input_tokens": 5}, (145, 10, 40, 5, None)),
        ({"input": 100, "output": 10, "cache_read_input_tokens": 40, "total": 110},
         (100, 10, 40, None, None)),
    ],
)  # fmt: skip
def test_langfuse_usage_in_the_words_of_the_providers(usage: Json, wanted: tuple[int, ...]) -> None:
    attributes: dict[str, Json] = {
        "langfuse.observation.type": "generation",
        "langfuse.observation.usage_details": text_of(usage),
    }
    assert Reader().read(span(1, None, attributes=attributes)).step.tokens == Tokens(*wanted)


@pytest.mark.parametrize(
    "name",
    ["cached_tokens", "cached_input_tokens", "input_tokens.cached",
     "input_tokens_details.cached_tokens", "prompt_tokens_details.cached_tokens"],
)  # fmt: skip
def test_the_cache_is_counted_by_whichever_name(name: str) -> None:
    attributes: dict[str, Json] = {
        "gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 2, "gen_ai.usage." + name: "4",
    }  # fmt: skip
    assert Reader().read(span(1, None, attributes=attributes)).step.tokens == Tokens(10, 2, 4)


@pytest.mark.parametrize(("total", "wanted"), [(72, 70), (12, 10), (None, 10)])
def test_a_total_shows_that_the_cache_was_counted_beside_the_input(
    total: int | None, wanted: int
) -> None:
    attributes: dict[str, Json] = {
        "gen_ai.operation.name": "chat", "gen_ai.system": "strands-agents",
        "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 2,
        "gen_ai.usage.total_tokens": total, "gen_ai.usage.cache_read_input_tokens": 50,
        "gen_ai.usage.cache_write_input_tokens": 10,
    }  # fmt: skip
    found = Reader().read(span(1, None, attributes=attributes)).step.tokens
    assert found == Tokens(wanted, 2, 50, 10)


def test_langsmith_may_count_the_cache_in_its_own_attributes() -> None:
    attributes: dict[str, Json] = {
        "langsmith.span.kind": "llm", "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 2,
        "gen_ai.usage.input_token_details": text_of({"cache_read": 4}),
        "gen_ai.usage.output_token_details": text_of({"reasoning": 1}),
    }  # fmt: skip
    found = Reader().read(span(1, None, attributes=attributes)).step.tokens
    assert found == Tokens(10, 2, 4, None, 1)


def test_the_first_versions_of_adk_tell_the_session_and_the_usage_elsewhere() -> None:
    usage: Json = {"prompt_token_count": 10, "candidates_token_count": 2,
                   "cached_content_token_count": 4, "thoughts_token_count": 3}  # fmt: skip
    attributes: dict[str, Json] = {
        "gcp.vertex.agent.llm_request": "{}", "gcp.vertex.agent.session_id": "s",
        "gcp.vertex.agent.llm_response": text_of({"usage_metadata": usage}),
    }  # fmt: skip
    step = Reader().read(span(1, None, "call_llm", attributes=attributes)).step
    assert (step.session, step.tokens) == ("s", Tokens(10, 5, 4, None, 3))


@pytest.mark.parametrize(("provider", "wanted"), [("anthropic", 1000), ("openai", 300)])
def test_openlit_passes_on_an_input_without_its_cache_for_anthropic_only(
    provider: str, wanted: int
) -> None:
    attributes: dict[str, Json] = {
        "gen_ai.operation.name": "chat", "gen_ai.sdk.version": "1",
        "gen_ai.provider.name": provider,
        "gen_ai.usage.input_tokens": 300, "gen_ai.usage.output_tokens": 50,
        "gen_ai.usage.cache_read.input_tokens": 600,
        "gen_ai.usage.cache_creation.input_tokens": 100,
    }  # fmt: skip
    tokens = Reader().read(span(1, None, attributes=attributes)).step.tokens
    assert (tokens.input, tokens.cache_read, tokens.cache_write) == (wanted, 600, 100)


@pytest.mark.parametrize(("cached", "wanted"), [(64, 100), (24, 30)])
def test_a_cache_greater_than_the_input_was_counted_beside_it(cached: int, wanted: int) -> None:
    attributes: dict[str, Json] = {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "aws.bedrock",
        "gen_ai.usage.input_tokens": 30, "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.total_tokens": 50, "gen_ai.usage.cache_read.input_tokens": cached,
        "gen_ai.usage.cache_creation.input_tokens": 6,
    }  # fmt: skip
    found = Reader().read(span(1, None, attributes=attributes)).step.tokens
    assert found == Tokens(wanted, 20, cached, 6)
