"""What a role may not do is refused where it would be written, whatever the buttons say."""

import inspect
from collections.abc import Callable

import pytest

from ui import actions, data, opened
from waypost.errors import NotAllowed
from waypost.records import Outcome
from waypost.roles import Person, Role
from waypost.store.projects import Project
from waypost.store.reviews import Review

PROJECT = Project(1, "default", "standard", 30, ("model",))
REVIEW = Review("a" * 32, None, "groundedness", Outcome.PASSED)
FOR_REVIEWERS: dict[str, Callable[[], object]] = {
    "review": lambda: actions.review(1, REVIEW),
    "acknowledge": lambda: actions.acknowledge(1, 1),
    "snooze": lambda: actions.snooze(1, 1, 1),
    "create_dataset": lambda: actions.create_dataset(1, "x"),
    "add_cases": lambda: actions.add_cases(PROJECT, "x", ["a" * 32], {}, told=lambda _: None),
    "expect": lambda: actions.expect(1, 1, "x", {}),
    "remove_case": lambda: actions.remove_case(1, 1, "x"),
}
RULE = {"name": "x", "evaluator": "groundedness", "by": ["model"]}
FOR_ADMINS: dict[str, Callable[[], object]] = {
    "change_project": lambda: actions.change_project(1, keep_days=3),
    "create_key": lambda: actions.create_key(1, "x", ["write"], None),
    "revoke_key": lambda: actions.revoke_key(1, 1),
    "save_rule": lambda: actions.save_rule(1, RULE),
    "remove_rule": lambda: actions.remove_rule(1, "x"),
}


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever gets past the role finds no store."""
    monkeypatch.setattr(opened, "store", lambda: pytest.fail("the store was reached"))


@pytest.mark.parametrize("name", [*FOR_REVIEWERS, *FOR_ADMINS])
def test_a_viewer_changes_nothing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(data, "person", lambda: Person("vic", Role.VIEWER))
    with pytest.raises(NotAllowed, match="vic is viewer"):
        (FOR_REVIEWERS | FOR_ADMINS)[name]()


@pytest.mark.parametrize("name", FOR_ADMINS)
def test_a_reviewer_leaves_the_project_as_it_is(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(data, "person", lambda: Person("ana", Role.REVIEWER))
    with pytest.raises(NotAllowed, match="needs the role admin"):
        FOR_ADMINS[name]()


def test_no_action_is_missing_here() -> None:
    plain = {"acting", "actor", "outcome_of"}
    known = {
        name for name, found in inspect.getmembers(actions, inspect.isfunction)
        if found.__module__ == actions.__name__ and not name.startswith("_")
    }  # fmt: skip
    assert known - plain == FOR_REVIEWERS.keys() | FOR_ADMINS.keys()
