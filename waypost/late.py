"""Libraries on first use: their import takes longer than the start of what may never need them."""

import importlib
from typing import Any


def scipy(part: str) -> Any:
    """A part of scipy, such as `stats`."""
    return importlib.import_module(f"scipy.{part}")


def genai_prices(part: str = "") -> Any:
    """The price list of models, or a part of the package."""
    return importlib.import_module("genai_prices" + part)
