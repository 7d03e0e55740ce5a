"""traceAI from clients without a sample, and what its flattened lists leave out."""

from tests.unit.collector.spans import step_of
from waypost.records import Json, Step, Tokens


def traceai(kind: str, attributes: dict[str, Json], name: str = "span") -> Step:
    return step_of(name, {"gen_ai.span.kind": kind, **attributes})


def test_cached_and_reasoning_tokens_stand_below_the_sums() -> None:
    step = traceai(
        "LLM",
        {
            "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.input_tokens.cache_read": 64, "gen_ai.usage.input_tokens.cache_write": 9,
            "gen_ai.usage.output_tokens.reasoning": 8,
        },
    )  # fmt: skip
    assert step.tokens == Tokens(100, 20, 64, 9, 8)
