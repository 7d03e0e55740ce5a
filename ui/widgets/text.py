"""The only way a trace's words reach a page: as text, never as Markdown, HTML or a label."""

from collections.abc import Iterable
from typing import Literal

import streamlit as st

from ui.words import one_line

Tone = Literal["bad", "good", "plain"]


def say(text: str, *, longest: int = 600) -> None:
    """One paragraph."""
    st.text(one_line(text, longest))


def plain(text: str, longest: int = 600) -> str:
    """What a page shows of a text: one line, nothing that hides or turns letters."""
    return one_line(text, longest).replace(" %", "\u00a0%")


def answer(sentence: str, *, tone: Tone = "plain", detail: str = "", key: str = "first") -> None:
    """The sentence a screen begins with, and what stands beside it in smaller letters."""
    with st.container(key=f"answer_{tone}_{key}", gap=None):
        st.text(plain(sentence))
        if detail:
            with st.container(key=f"detail_{key}_{tone}"):
                st.text(plain(detail, 800))


def mute(text: str, *, key: str) -> None:
    """A remark."""
    with st.container(key=f"mute_{key}"):
        st.text(plain(text))


def heading(text: str, *, key: str) -> None:
    """A heading that may hold a trace's words."""
    with st.container(key=f"head_{key}"):
        st.text(one_line(text, 200))


def code(text: str) -> None:
    """A longer text as it is."""
    st.code(text, language=None, wrap_lines=True)


def lines(texts: Iterable[str]) -> None:
    """Several short texts below one another."""
    with st.container(gap="xxsmall"):
        for text in texts:
            st.text(one_line(text, 400))
