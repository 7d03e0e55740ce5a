"""Screens through Streamlit's AppTest: an address in, what stands on the page out."""

from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

SCRIPT = Path(__file__).with_name("one_screen.py")
# Every AppTest looks through all that is installed for components, which takes ten times as long
# as to draw a page.
SCANNED = cache(manifest_scanner.scan_component_manifests)


def open_screen(path: str, **query: str) -> AppTest:
    """The screen with this query, drawn once."""
    page = AppTest.from_file(SCRIPT, default_timeout=60)
    page.session_state["first"] = path
    for name, value in query.items():
        page.query_params[name.replace("__", ".")] = value
    with patch.object(manifest_scanner, "scan_component_manifests", SCANNED):
        return page.run()


def texts(page: AppTest) -> str:
    """Everything that stands on a page as text."""
    parts = [*page.text, *page.caption, *page.warning, *page.info, *page.error, *page.header]
    return "\n".join(str(part.value) for part in parts).replace("\u00a0", " ")


def frames(page: AppTest) -> list[Any]:
    return [frame.value for frame in page.dataframe]
