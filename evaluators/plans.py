"""Plans as agents write them: to-do lists, numbered lines and plan steps, read into items."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from evaluators.surroundings import answer_text
from evaluators.text import as_text
from waypost.records import Json, Kind, Step, Trajectory

LINE = re.compile(
    r"^\s*(?:[-*•]|\d+[.)]|Step \d+[:.])\s*(?:\[(?P<mark>[ xX])\]\s*)?(?P<text>\S.+)$", re.MULTILINE
)
PLAN_TOOLS = re.compile(r"todo|plan", re.IGNORECASE)
PLAN_WORDS = re.compile(
    r"\b(?:(?:my |the |initial |new )?plan(?: is)?|steps|approach|to-?do)\b[^\n]*:", re.IGNORECASE
)


CONDITION = re.compile(
    r"\b(?:if|unless|otherwise|else|in case|optional(?:ly)?|(?:as|when) (?:needed|necessary))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing planned; `done` is None where the plan keeps no record of it."""

    text: str
    done: bool | None = None

    @property
    def is_conditional(self) -> bool:
        """Whether it is to be done only in some case, so that it may rightly stay undone."""
        return bool(CONDITION.search(self.text))


@dataclass(frozen=True, slots=True)
class Plan:
    """The items a step planned."""

    step: Step
    items: tuple[Item, ...]


def find_plans(run: Trajectory) -> list[Plan]:
    """The plans of a run in order; a list written again, however short, replaces the one before."""
    plans: list[Plan] = []
    for place, step in enumerate(run.steps):
        items = tuple(_items(step, first=place < 2))
        if len(items) > 1 or (items and plans and step.kind is not Kind.LLM):
            plans.append(Plan(step, items))
    return plans


def _items(step: Step, *, first: bool) -> Iterator[Item]:
    if step.kind is Kind.PLAN:
        text = answer_text(step) or as_text(step.result) or as_text(step.arguments)
        yield from _lines(text)
    elif step.kind is Kind.TOOL and PLAN_TOOLS.search(step.tool or ""):
        yield from _todos(step.arguments)
    elif step.kind is Kind.LLM and first and PLAN_WORDS.search(answer_text(step)[:6000]):
        yield from _lines(answer_text(step))


def _lines(text: str) -> Iterator[Item]:
    for match in LINE.finditer(text[:20_000]):
        mark = match["mark"]
        yield Item(match["text"].strip(), None if mark is None else mark in "xX")


def _todos(arguments: Json) -> Iterator[Item]:
    """The entries of a to-do tool: a list of texts or of objects with a status."""
    holder = arguments.values() if isinstance(arguments, Mapping) else [arguments]
    for value in holder:
        for entry in value if isinstance(value, list) else ():
            if isinstance(entry, str):
                yield Item(entry)
            elif isinstance(entry, Mapping):
                text = next(
                    (entry[k] for k in ("content", "text", "task", "title") if k in entry), ""
                )
                status = str(entry.get("status") or "").lower()
                done = status in ("completed", "done") if status else None
                yield Item(as_text(text), done)
