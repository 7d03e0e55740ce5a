"""Secrets and personal data go, everything else stays as it is."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.errors import BadSetting
from waypost.records import Json
from waypost.redact import Redactor

# Put together here, so that no scanner takes this file for a leak.
VENDOR_KEYS = {
    "OpenAI": "sk-proj-" + "Ab3" * 12,
    "Anthropic": "sk-ant-" + "api03-" + "Ab3" * 12,
    "AWS": "AKIA" + "IOSFODNN7EXAMPLE",
    "Google": "AIza" + "SyA-1234567890abcdefghijklmnopqrstu",
    "GitHub": "ghp_" + "Ab3" * 12,
    "GitHub fine-grained": "github_pat_" + "Ab3" * 12,
    "GitLab": "glpat-" + "Ab3_" * 5,
    "Slack": "xoxb-" + "123456789012-" + "Ab3" * 8,
    "Stripe": "sk_live_" + "Ab3" * 8,
    "Stripe restricted": "rk_live_" + "Ab3" * 8,
    "Twilio": "SK" + "0a1b" * 8,
    "SendGrid": "SG." + "Ab3_" * 5 + "." + "Ab3-" * 10,
    "Mailgun": "key-" + "0a1b" * 8,
    "npm": "npm_" + "Ab3" * 12,
    "PyPI": "pypi-" + "AgEIcHlwaS5vcmc" + "Ab3" * 8,
    "Hugging Face": "hf_" + "Ab3" * 11,
    "Groq": "gsk_" + "Ab3" * 16,
    "LangSmith": "lsv2_pt_" + "0a1b" * 8,
    "Langfuse": "sk-lf-" + "0a1b2c3d-1111-2222-3333-444455556666",
    "Databricks": "dapi" + "0a1b" * 8,
    "DigitalOcean": "dop_v1_" + "0a1b" * 16,
    "Shopify": "shpat_" + "0a1b" * 8,
    "Notion": "ntn_" + "Ab3" * 14,
    "Vault": "hvs." + "Ab3" * 10,
    "Telegram": "123456789:" + "AA" + "Ab3" * 11,
    "Azure": "AccountKey=" + "Ab3+" * 20 + "==",
}
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "Ab3_" * 8
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----"
FOUND = {
    "EMAIL": ["mara.lund+orders@shop.example.com", "müller@firma.de", "o'neil@example.co.uk"],
    "PHONE": [
        "+46 (0)8 928 571 38",
        "905-674-3793",
        "(602)272-9781",
        "0494 92 82 32",
        "+447700900123",
    ],
    "CARD": ["4111 1111 1111 1111", "5555-5555-5555-4444", "378282246310005", "3782 822463 10005"],
    "IBAN": ["DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432", "ch9300762011623852957"],
    "IP": ["81.2.69.142", "2001:db8::8a2e:370:7334", "10.0.0.12"],
    "SSN": ["078-05-1120"],
    "JWT": [JWT],
    "PRIVATE_KEY": [PEM],
}
ESCAPED = ["password=hunter22", *(t for k in ("EMAIL", "CARD", "IBAN", "IP") for t in FOUND[k])]
HARMLESS = [
    "Order A-1042 shipped on 2026-11-03 at 10:11:12.123, 4 days late, total 129.90 EUR.",
    "f47ac10b-58cc-4372-a567-0e02b2c3d479",
    "4bf92f3577b34da6a3ce929d0e0e4736",
    "trace 1795000001280000000 took 1234567 ns",
    "Version 1.2.3, build 20261120.4, commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "See https://example.com/docs/page?page=2&sort=asc#part",
    "max_tokens: 4096, keyboard: true, authors = 3, monkey: banana",
    "std::vector<int> and Foo::bar at 12:30",
    "9780306406157 is an ISBN; 4111111111111112 fails its check digit",
    "127.0.0.1 and ::1 are this machine",
    "a@b and @handle and user@localhost",
]


@pytest.mark.parametrize("vendor", VENDOR_KEYS)
def test_a_vendors_key_is_taken_out_of_prose_and_json(vendor: str) -> None:
    key = VENDOR_KEYS[vendor]
    secret = key.removeprefix("AccountKey=")
    for text in (f"use {key} please", json.dumps({"note": f"it is {key}"}), f"\\n{key}"):
        clean, counts = Redactor().text(text)
        assert secret not in clean
        assert "Ab3Ab3" not in clean
        assert sum(counts.values()) == 1


@pytest.mark.parametrize(("kind", "text"), [(k, t) for k, ts in FOUND.items() for t in ts])
def test_each_kind_is_found_and_nothing_around_it_lost(kind: str, text: str) -> None:
    assert Redactor().text(f"Before {text} after.") == (f"Before [{kind}] after.", {kind: 1})


@pytest.mark.parametrize("text", ESCAPED)
def test_what_stands_behind_an_escaped_line_end_is_found_too(text: str) -> None:
    """In a repr, or in JSON that was cut, so that it cannot be read as JSON."""
    clean, counts = Redactor().text('{"a": "first\\n' + text)
    assert len(counts) == 1
    assert text not in clean
    whole = json.dumps({"a": f"first\n{text}"})
    assert json.loads(Redactor().text(whole)[0])["a"].startswith("first\n")


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_text_stays_the_same(text: str) -> None:
    assert Redactor().text(text) == (text, {})


def test_a_private_key_that_was_cut_off_goes_to_its_end() -> None:
    assert Redactor().text("see " + PEM.partition("-----END")[0])[0] == "see [PRIVATE_KEY]"


def test_names_of_fields_say_what_is_secret() -> None:
    value: Json = {
        "password": "hunter2 and more",
        "http.request.header.authorization": ["Basic abc"],
        "openaiApiKey": 12345,
        "credentials": {"user": "mara", "active": True, "none": None},
        "max_tokens": 100,
        "token_count": 7,
    }
    clean, counts = Redactor().value(value)
    assert clean == {
        "password": "[SECRET]",
        "http.request.header.authorization": ["[SECRET]"],
        "openaiApiKey": "[SECRET]",
        "credentials": {"user": "[SECRET]", "active": True, "none": None},
        "max_tokens": 100,
        "token_count": 7,
    }
    assert counts == {"SECRET": 4}


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("export DB_PASSWORD=hunter22 now", "export DB_PASSWORD=[SECRET] now"),
        ("api_key: abcdef123, next", "api_key: [SECRET], next"),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer [SECRET]"),
        ("postgres://mara:pw@db/x", "postgres://[URL_LOGIN]@db/x"),
        ("https://x.io/a?token=abcdef99&b=1", "https://x.io/a?token=[SECRET]&b=1"),
    ],
)
def test_assignments_headers_and_addresses_lose_only_the_secret(text: str, clean: str) -> None:
    assert Redactor().text(text)[0] == clean


def test_json_in_a_string_in_json_stays_json() -> None:
    inner = json.dumps({"text": "\nmara@example.com", "password": "a b", "card": 4111111111111111})
    clean, counts = Redactor().value({"result": json.dumps({"body": inner})})
    assert isinstance(clean, dict)
    assert isinstance(clean["result"], str)
    body = json.loads(json.loads(clean["result"])["body"])
    assert body == {"text": "\n[EMAIL]", "password": "[SECRET]", "card": "[CARD]"}
    assert counts == {"EMAIL": 1, "SECRET": 1, "CARD": 1}


def test_a_schemas_property_called_password_keeps_its_schema() -> None:
    schema: Json = {"password": {"type": "string", "description": "of the account"}}
    assert Redactor().value(schema) == (schema, {})


def test_names_of_fields_are_cleaned_too() -> None:
    assert Redactor().value({"mara@example.com": 3})[0] == {"[EMAIL]": 3}


def test_what_is_clean_is_the_same_object() -> None:
    value: Json = {"a": [1, 2.5, None, {"b": "nothing here"}]}
    assert Redactor().value(value)[0] is value


def test_a_keyed_hash_lets_equal_values_join() -> None:
    one, other = Redactor(key=b"k"), Redactor(key=b"another")
    first, again = one.text("mara@example.com")[0], one.text("mara@example.com")[0]
    assert first == again != other.text("mara@example.com")[0]
    assert first.startswith("[EMAIL:")


def test_pictures_are_left_alone() -> None:
    data = "iVBORw0KGgo" + "AKIAIOSFODNN7EXAMPLE" * 40
    url = "data:image/png;base64," + data
    assert Redactor().text(data) == (data, {})
    assert Redactor().text(f"see {url} by mara@example.com")[0] == f"see {url} by [EMAIL]"


def test_off_takes_nothing_and_unknown_levels_are_refused() -> None:
    assert Redactor("off").text("mara@example.com") == ("mara@example.com", {})
    assert Redactor("off").value({"password": "x"})[0] == {"password": "x"}
    with pytest.raises(BadSetting, match="'paranoid' is not one of off, standard, strict"):
        Redactor("paranoid")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("My name is Mara Lund.", "PERSON"),
        ("at 12 Long Garden Street today", "ADDRESS"),
        ("card reader 00:1b:44:11:3a:b7", "MAC"),
        ("pay bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "WALLET"),
        ("SSN 078051120", "SSN"),
        ("id Zm9vYmFyMTIzNDU2Nzg5MEFCQ0RFRkdISUpL", "TOKEN"),
        ("ring 55 12 34 56 78", "PHONE"),
    ],
)
def test_strict_takes_shapes_that_standard_leaves(text: str, kind: str) -> None:
    assert Redactor("strict").text(text)[1] == {kind: 1}
    assert Redactor().text(text) == (text, {})


MIXED = st.lists(
    st.sampled_from([*(t for ts in FOUND.values() for t in ts), *VENDOR_KEYS.values(), *HARMLESS])
    | st.text(max_size=20),
    max_size=6,
).map(" ".join)


@given(MIXED, st.sampled_from(["standard", "strict"]))
@settings(deadline=None, max_examples=150)
def test_cleaning_twice_changes_nothing_more(text: str, level: str) -> None:
    redactor = Redactor(level, key=b"k")
    once = redactor.text(text)[0]
    assert redactor.text(once)[0] == once


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | MIXED,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
@settings(deadline=None, max_examples=150)
def test_any_value_keeps_its_shape_and_stays_json(value: Json) -> None:
    clean, counts = Redactor("strict").value(value)
    json.dumps(clean)
    assert bool(counts) == (clean is not value)


@pytest.mark.parametrize(
    "piece",
    [
        *("aaaa@", "1", "1 ", "1111 ", "1.", "a.a@", "sk-", "eyJa", "password ", "key=", ":a:"),
        *("-----BEGIN PRIVATE KEY-----", "+(", "GB42 1", '{"a":', "[", "Mr. A", "5 A ", "A1a-"),
        *("Bearer ", "://a:"),
    ],
)
@pytest.mark.parametrize("level", ["standard", "strict"])
def test_time_grows_with_the_text_and_not_with_its_square(piece: str, level: str) -> None:
    redactor = Redactor(level)

    def seconds(size: int) -> float:
        text = piece * (size // len(piece))
        best = 1e9
        for _ in range(3):
            begin = time.process_time()
            redactor.text(text)
            best = min(best, time.process_time() - begin)
        return best

    assert seconds(160_000) < 8 * 4 * seconds(20_000) + 0.05  # a square would be 64 times
