"""The socket for screens: a marked function draws one, and is found by being there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from ui.blocks import Block
from ui.place import Place
from waypost.plugins import discover

PACKAGE: Final = "ui.screens"
GROUP: Final = "waypost.screens"
First: TypeAlias = Callable[[Place], "list[Block] | None"]


@dataclass(frozen=True, slots=True)
class Screen:
    """One page: its title, the question it answers, its path and how it is drawn."""

    title: str
    question: str
    path: str
    order: int
    draw: Callable[[], None]
    hidden: bool = False
    bare: bool = False
    windowed: bool = True
    first: First | None = None


def screen(
    title: str,
    *,
    order: int,
    path: str | None = None,
    hidden: bool = False,
    bare: bool = False,
    windowed: bool = True,
    first: First | None = None,
) -> Callable[[Callable[[], None]], Screen]:
    """Marks the function that draws a screen; its docstring is the question the screen answers.

    A bare screen says by itself what it shows; one that is not windowed is about no time.
    `first` is what can be painted of it before Streamlit is there, the last of it a component;
    None when nothing can.
    """

    def mark(draw: Callable[[], None]) -> Screen:
        question = (draw.__doc__ or "").strip()
        return Screen(
            title, question, path or title.lower(), order, draw, hidden, bare, windowed, first
        )

    return mark


def every() -> list[Screen]:
    """All screens, in the order of the menu."""
    return sorted(discover(Screen, package=PACKAGE, group=GROUP), key=lambda s: (s.order, s.title))
