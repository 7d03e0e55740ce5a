"""Colours and sizes of the pages, light and dark, each pair checked for contrast."""

import re
from collections.abc import Mapping
from typing import Final

_BOTH: Final[Mapping[str, object]] = {
    "theme.baseFontSize": 15,
    "theme.baseRadius": "6px",
    "theme.showWidgetBorder": True,
    "theme.headingFontSizes": ["1.35rem", "1.12rem", "1.02rem"],
    "theme.codeFontSize": "0.82rem",
    "theme.paddingTop": "1rem",
    "theme.linkUnderline": False,
}
_LIGHT: Final[Mapping[str, object]] = {
    "primaryColor": "#1d4ed8",
    "backgroundColor": "#ffffff",
    "secondaryBackgroundColor": "#f4f6f9",
    "textColor": "#16202e",
    "borderColor": "#d5dbe4",
    "linkColor": "#1d4ed8",
    "redTextColor": "#b42318",
    "greenTextColor": "#146c43",
    "orangeTextColor": "#9a4a00",
    "blueTextColor": "#1d4ed8",
    "grayTextColor": "#556070",
    "codeBackgroundColor": "#f4f6f9",
    "codeTextColor": "#16202e",
    "dataframeHeaderBackgroundColor": "#f4f6f9",
}
_DARK: Final[Mapping[str, object]] = {
    "primaryColor": "#3a6fe6",
    "backgroundColor": "#10151d",
    "secondaryBackgroundColor": "#19202b",
    "textColor": "#e6eaf0",
    "borderColor": "#333d4d",
    "linkColor": "#8cb0ff",
    "redTextColor": "#ff9c92",
    "greenTextColor": "#6fd19f",
    "orangeTextColor": "#ffb366",
    "blueTextColor": "#8cb0ff",
    "grayTextColor": "#a3aebd",
    "codeBackgroundColor": "#19202b",
    "codeTextColor": "#e6eaf0",
    "dataframeHeaderBackgroundColor": "#19202b",
}
THEME: Final[Mapping[str, object]] = {
    **_BOTH,
    **{f"theme.light.{name}": value for name, value in _LIGHT.items()},
    **{f"theme.dark.{name}": value for name, value in _DARK.items()},
}


def variables() -> str:
    """The colours and fonts of both themes as Streamlit names them to a component."""
    return (
        ':host { --st-font: "Source Sans", sans-serif; --st-code-font: "Source Code Pro", '
        f"monospace; {_named(_LIGHT)} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :host {{ {_named(_DARK)} }} }}\n"
    )


def _named(colours: Mapping[str, object]) -> str:
    return " ".join(
        f"--st-{re.sub('[A-Z]', lambda m: '-' + m[0].lower(), name)}: {value};"
        for name, value in colours.items()
    )
