"""scipy on first use: its import takes longer than the whole start of a collector or a page."""

import importlib
from typing import Any


def scipy(part: str) -> Any:
    """A part of scipy, such as `stats`."""
    return importlib.import_module(f"scipy.{part}")
