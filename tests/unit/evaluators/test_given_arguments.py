"""A value the user gave is known however it was grouped; a value nobody gave is invented."""

import pytest

from tests.unit.evaluators.steps import model, tool
from tests.unit.evaluators.test_builtin import REFUND, on_last
from waypost.records import Json

UUID = "6fa459ea-ee8a-3ca4-894e-db77e160355e"


@pytest.mark.parametrize(
    ("asked", "name", "value"),
    [
        ("Where is w 1234567?", "order_id", "W1234567"),
        ("Where is W1234567?", "order_id", "W-1234567"),
        ("Book LH 1172 please", "booking_code", "LH1172"),
        ("Call 030 5550 1234", "phone", "03055501234"),
        ("My phone is (171) 555-01 73", "phone", "1715550173"),
    ],
)
def test_a_value_given_in_groups_is_not_invented(asked: str, name: str, value: str) -> None:
    call = tool("look_up", {name: value})
    assert not on_last("tool_arguments", model("", asked=asked), call).is_failed


@pytest.mark.parametrize(
    ("asked", "value"),
    [
        ("Where is w 1234567?", "W1234576"),
        ("It is 12 or 34567", "1234567"),
        ("It is 11234567", "1234567"),
        ("Rows 123\n4567", "1234567"),
    ],
)
def test_digits_that_only_happen_to_be_near_are_no_value(asked: str, value: str) -> None:
    call = tool("look_up", {"order_id": value})
    found = on_last("tool_arguments", model("", asked=asked), call)
    assert (found.is_failed, found.label) == (True, "invented")


def test_a_key_that_is_made_for_the_call_itself_is_not_invented() -> None:
    asked = model("", asked="Pay 5")
    minted: Json = {"amount": 5, "idempotency_key": UUID, "request_id": UUID}
    assert not on_last("tool_arguments", asked, tool("pay", minted)).is_failed
    assert on_last("tool_arguments", asked, tool("pay", {"account_id": UUID})).is_failed


def test_arguments_recorded_as_text_are_read() -> None:
    asked = model("", asked="Refund order W2378156 please", tools=(REFUND,))
    good = tool("refund", '{"order_id": "W2378156"}')
    assert not on_last("tool_arguments", asked, good).is_failed
    bad = on_last("tool_arguments", asked, tool("refund", '{"order_id": 5}'))
    assert bad.evidence[0].where == "arguments.order_id"
    invented = on_last("tool_arguments", asked, tool("refund", '{"order_id": "W9999999"}'))
    assert invented.evidence[0].where == "arguments.order_id"
