"""The door: who guesses keys is held off, who has a good one is not."""

import datetime as dt

import pytest

from collector import door
from collector.door import Door, TooManyWrongKeys, WrongKey
from collector.metrics import Metrics
from waypost.store import keys
from waypost.store.engine import connect
from waypost.store.keys import Key

GOOD = Key(1, 1, "good", "wp_…", ("read",), dt.datetime.now(dt.UTC), None, None, None)


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Door:
    def find(_: object, secret: str) -> Key | None:
        return GOOD if secret.startswith("good") else None

    class Nowhere:
        def connect(self) -> "Nowhere":
            return self

        def __enter__(self) -> None:
            """No connection is needed: `find` asks nobody."""

        def __exit__(self, *_: object) -> None:
            """Nothing was opened."""

    monkeypatch.setattr(keys, "find", find)
    made = Door(connect("postgresql://nobody@127.0.0.1:1/none"), Metrics(), needs_key=True)
    monkeypatch.setattr(made, "_engine", Nowhere())
    return made


def guess(guarded: Door, times: int) -> None:
    for number in range(times):
        with pytest.raises((WrongKey, TooManyWrongKeys)):
            guarded.key(f"wrong {number}", "proxy")


def test_a_good_key_goes_on_while_another_behind_the_same_address_guesses(
    guarded: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert guarded.key("good", "proxy") is GOOD
    guess(guarded, 100)
    monkeypatch.setattr(door, "_FRESH", -1.0)
    assert guarded.key("good", "proxy") is GOOD


def test_a_key_not_seen_before_waits_when_its_address_guesses(guarded: Door) -> None:
    guess(guarded, 100)
    with pytest.raises(TooManyWrongKeys):
        guarded.key("good too", "proxy")
