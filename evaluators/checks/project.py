"""What a project sets is read as the worker would read it, before it is stored."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluators.config import parse_config
from evaluators.registry import find_evaluators
from waypost.settings_check import SettingsCheck


def check(tables: Mapping[str, Any], folder: Path | None) -> None:
    """BadSetting says what of these tables cannot be carried out."""
    known = find_evaluators([folder] if folder else [])
    parse_config(tables, known)


project = SettingsCheck(check)
