"""What is told to be harmless at a glance holds nothing that redaction would take out."""

import json
from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector.reading.literal import read_fields
from tests.unit.evaluators.trajectories import read_rows
from tests.unit.test_redact import FOUND, HARMLESS, VENDOR_KEYS
from waypost.looks import is_harmless
from waypost.records import Json
from waypost.redact import Redactor

SECRETS = [
    *VENDOR_KEYS.values(),
    *(text for texts in FOUND.values() for text in texts),
    *(
        "password: hunter22",
        "api_key=abcdefgh",
        "Bearer " + "a1b2" * 5,
        "Basic auth Basic " + "Ab" * 9,
    ),
    *('{"clientSecret": "abcd"}', '{"password"\n: "hunter22"}', '{"paſſword": "hunter22"}'),
    *("connectionString = abcdefg", "https://mara:hunter2@example.com", "::ffff:10.0.0.1"),
    *("https://example.com/?token=abcdefgh", "https://example.com/?sig=abcdefgh", "123-45-6789"),
    *("https://hooks.slack.com/services/T000/B000/abcdef", "555-123-4567x12", "mobile 12345678"),
    *("dial 12 34 56 78", "400002e10"),
]
BETWEEN = [
    *(
        "",
        " ",
        "\n",
        "\t",
        "\\",
        '"',
        "'",
        "n",
        "\\n",
        "1",
        "a",
        "_",
        "-",
        "/",
        "(",
        "é",
        ",",
        ":",
        "=",
    ),
    *(
        "’",
        "phone ",
        "call",
        "12345678",
        "0.8712345",
        "2026-11-30 10",
        "key",
        "password",
        "[",
        "]",
        "x12",
    ),
]
pieces = st.lists(
    st.sampled_from([*SECRETS, *HARMLESS, *BETWEEN]) | st.text(max_size=4), min_size=1, max_size=6
)


def shown(text: str) -> Iterator[str]:
    """The ways in which a text may stand in what was sent."""
    yield text
    for ascii_only in (False, True):
        once = json.dumps({"a": [text], text: 1}, ensure_ascii=ascii_only)
        yield once
        yield json.dumps([{"content": once}], indent=1)
    yield f"content={text!r} name='x'"
    yield "[" + text + "]"


def held(said: str) -> Iterator[Json]:
    """The values a reader may get from a text."""
    yield said
    yield from read_fields(said).values()
    try:
        value: Json = json.loads(said)
    except ValueError:
        return
    yield value
    if isinstance(value, str):
        yield from read_fields(value).values()
    inner = value[0] if isinstance(value, list) and value else None
    content = inner.get("content") if isinstance(inner, dict) else None
    if isinstance(content, str):
        yield json.loads(content)


def check(said: str) -> None:
    if is_harmless(said):
        for value in held(said):
            assert Redactor().value(value) == (value, {})


@settings(max_examples=400, deadline=None)
@given(pieces)
@example(["sk-\\\n" + "Ab3" * 8])
def test_what_redaction_finds_is_never_called_harmless(texts: list[str]) -> None:
    for said in shown("".join(texts)):
        check(said)


@pytest.mark.parametrize("secret", SECRETS)
def test_every_kind_of_secret_is_seen_in_every_disguise(secret: str) -> None:
    slashes: Callable[[str], str] = lambda text: json.dumps(text).replace("/", "\\/")  # noqa: E731
    codes = "".join(f"\\u{ord(char):04x}" for char in secret)
    hidden = "content='" + "".join(f"\\x{ord(c):02x}" for c in secret if ord(c) < 256) + "'"
    for text in (secret, f"see {secret} here", f"see\n{secret}", f"see\\n{secret}"):
        for said in (*shown(text), slashes(text)):
            check(said)
    for said in (f'"{codes}"', hidden, json.dumps("content='sk-\\\n" + "Ab3" * 8 + "'")):
        check(said)


@pytest.mark.parametrize(
    "text", ["It is sunny.", "a" * 40, '[{"role": "user", "parts": []}]', "x: 1"]
)
def test_plain_texts_are_called_harmless(text: str) -> None:
    assert is_harmless(text)


def test_most_messages_of_real_agents_are_called_harmless() -> None:
    """Or the look would only cost."""
    told = total = 0
    for row in read_rows("tau_bench")[:60]:
        for message in row["messages"]:
            said = json.dumps(message)
            check(said)
            told += is_harmless(said)
            total += 1
    assert told > 0.85 * total > 1_000
