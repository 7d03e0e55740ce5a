"""What gathers failures is found, said briefly, and nothing is found where there is nothing."""

import numpy as np
import pytest

from waypost.slices import explain

VALUES = 5


def columns(seed: int, size: int = 6000, count: int = 8) -> dict[str, list[str | None]]:
    chance = np.random.default_rng(seed)
    return {f"key{n}": [f"v{v}" for v in chance.integers(0, VALUES, size)] for n in range(count)}


def outcomes(seed: int, inside: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[bool]:
    chance = np.random.default_rng(seed + 1000).random(len(inside))
    return [bool(c) for c in chance < np.where(inside, 0.3, 0.05)]


def holding(
    table: dict[str, list[str | None]], **wanted: str
) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    inside = np.ones(len(next(iter(table.values()))), bool)
    for key, value in wanted.items():
        inside &= np.array(table[key]) == value
    return inside


@pytest.mark.parametrize("wanted", [
    {"key1": "v2"}, {"key1": "v2", "key4": "v0"}, {"key0": "v1", "key3": "v1", "key6": "v4"},
])  # fmt: skip
def test_a_planted_slice_is_found_and_described_by_its_own_values(wanted: dict[str, str]) -> None:
    table = columns(1, size=20_000)
    found = explain(table, outcomes(1, holding(table, **wanted)))
    assert dict(found[0].conditions) == wanted
    assert found[0].q < 0.001


def test_two_reasons_are_both_found() -> None:
    table = columns(2)
    one, two = holding(table, key1="v1"), holding(table, key2="v3")
    found = explain(table, outcomes(2, one | two))
    assert {f.conditions for f in found} == {(("key1", "v1"),), (("key2", "v3"),)}


def test_nothing_is_found_where_there_is_nothing() -> None:
    nothing = np.zeros(3000, bool)
    found = [explain(columns(s, size=3000), outcomes(s, nothing)) for s in range(20)]
    assert sum(map(bool, found)) <= 1


def test_sessions_that_fail_whole_are_not_evidence_of_their_own_values() -> None:
    found = 0
    for seed in range(20):
        chance = np.random.default_rng(seed)
        session = np.repeat(np.arange(150), 40)
        bad = chance.random(150) < 0.05
        table = {f"key{n}": [f"v{v}" for v in chance.integers(0, 30, 150)[session]]
                 for n in range(8)}  # fmt: skip
        found += bool(explain(table, bad[session].tolist(), session.tolist()))
    assert found <= 1


def test_a_description_says_share_of_failures_and_of_traffic() -> None:
    table = columns(3)
    (first, *_) = explain(table, outcomes(3, holding(table, key1="v2")))
    assert str(first).startswith("key1 = v2: ")
    assert "of failures" in str(first)
    assert first.rate.low > (first.rest.share or 1)


@pytest.mark.parametrize("size", [0, 1, 12])
def test_few_items_explain_nothing(size: int) -> None:
    table: dict[str, list[str | None]] = {"key": [None, "a", "b"][:1] * size, "other": ["x"] * size}
    assert explain(table, [True] * size) == []


@pytest.mark.parametrize("values", [1, 2])
def test_fewer_values_than_a_description_may_name_are_enough(values: int) -> None:
    chance = np.random.default_rng(3).integers(0, values + 1, 4000)
    table: dict[str, list[str | None]] = {"key": [f"v{v}" if v else None for v in chance]}
    found = explain(table, outcomes(3, chance == 1))
    assert [f.conditions for f in found] == [(("key", "v1"),)]


def test_missing_values_are_no_reason() -> None:
    table = columns(4)
    table["key1"] = [None if v == "v2" else v for v in table["key1"]]
    assert all(value for f in explain(table, outcomes(4, holding(columns(4), key1="v2")))
               for _, value in f.conditions)  # fmt: skip
