"""Where clients put the values of cohort keys."""

from collections.abc import Iterable, Mapping
from typing import Final

import orjson

from waypost.names import COHORT
from waypost.records import Json, Step

_PREFIXES: Final = (
    COHORT,
    "",
    "langfuse.trace.metadata.",
    "langfuse.observation.metadata.",
    "traceloop.association.properties.",
    "langsmith.metadata.",
    "ai.telemetry.metadata.",
    "logfire.baggage.",
)
_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "prompt_version": ("prompt_version", "promptVersion", "prompt.version"),
}
_FIELDS: Final = frozenset({"agent", "model", "route", "prompt_version", "environment", "service"})
_LONGEST: Final = 256
_SCRUBBED: Final = "[Scrubbed due to"


def cohort_of(step: Step, keys: Iterable[str]) -> dict[str, str]:
    """The values of the declared keys that one step carries itself."""
    found = dict(step.cohort)
    metadata: Mapping[str, Json] | None = None
    for key in keys:
        if key in found:
            continue
        if metadata is None:
            metadata = metadata_of(step.attributes)
        value = lookup(key, step.attributes, metadata) or _plain(step.resource.get(key))
        if value is None and key in _FIELDS:
            value = _plain(getattr(step, key))
        if value is not None:
            found[key] = value
    return found


def lookup(key: str, attributes: Mapping[str, Json], metadata: Mapping[str, Json]) -> str | None:
    """The value of one key in a span's attributes, wherever its client puts such values."""
    for name in _ALIASES.get(key, (key,)):
        for prefix in _PREFIXES:
            value = _plain(attributes.get(prefix + name))
            if value is not None:
                return value
        value = _plain(metadata.get(name))
        if value is not None:
            return value
    return None


def metadata_of(attributes: Mapping[str, Json]) -> Mapping[str, Json]:
    """The object in the attribute `metadata`, which is JSON text."""
    value = attributes.get("metadata")
    if isinstance(value, dict):
        return value
    if isinstance(value, str) and value.startswith("{"):
        try:
            found = orjson.loads(value)
        except orjson.JSONDecodeError:
            return {}
        return found if isinstance(found, dict) else {}
    return {}


def _plain(value: Json) -> str | None:
    """A short text, unquoted; a list, an object or nothing gives None."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    if len(text) > 1 and text[0] == '"' == text[-1]:
        text = text[1:-1].strip()
    return None if not text or text.startswith(_SCRUBBED) else text[:_LONGEST]
