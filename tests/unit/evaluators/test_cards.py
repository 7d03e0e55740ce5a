"""The cards and the reference page are those of the evaluators as they are."""

import pytest

from evaluators.cards import read_cards, render
from evaluators.linear import load_model
from evaluators.registry import PACKAGE, find_evaluators
from tests.shared import ROOT
from waypost.errors import NotFound

REFERENCE = ROOT / "docs" / "reference" / "evaluators.md"
AGAIN = "run `python -m benchmarks.evaluators`"
BUILT_IN = {n: e for n, e in find_evaluators().items() if e.function.__module__.startswith(PACKAGE)}


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_a_card_is_of_the_version_that_runs(name: str) -> None:
    card = read_cards().get(name)
    assert card is not None, f"{name} has no card: {AGAIN}"
    assert card["version"] == BUILT_IN[name].version(), f"the card of {name} is old: {AGAIN}"
    assert card["where_it_fails"], f"say in evaluators/cards.py where {name} fails"


def test_the_reference_page_is_the_one_the_cards_give() -> None:
    assert REFERENCE.read_text("utf-8") == render(read_cards(), BUILT_IN), AGAIN


@pytest.mark.parametrize("name", sorted({m for e in BUILT_IN.values() for m in e.fitted}))
def test_a_fitted_model_is_small_and_has_a_card(name: str) -> None:
    path = ROOT / "evaluators" / "models" / f"{name}.json"
    assert path.stat().st_size < 500_000
    assert load_model(name).digest


def test_a_model_that_is_not_there_is_named() -> None:
    with pytest.raises(NotFound, match="nowhere"):
        load_model("nowhere")
