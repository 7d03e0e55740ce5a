"""Where clients put the values of cohort keys."""

from collections.abc import Callable, Iterable, Mapping
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
    "ai.settings.context.",
    "logfire.baggage.",
)
_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "prompt_version": ("prompt_version", "promptVersion", "prompt.version"),
}
_FIELDS: Final = frozenset({"agent", "model", "route", "prompt_version", "environment", "service"})
_LONGEST: Final = 256
_SCRUBBED: Final = "[Scrubbed due to"


class Cohorts:
    """The declared cohort keys, and under which names of attributes clients write them."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._names = {key: _names_of(key) for key in keys}
        self.keys = tuple(self._names)
        self.attributes = frozenset(name for names in self._names.values() for name in names)

    def of(
        self,
        attributes: Mapping[str, Json],
        resource: Mapping[str, Json],
        said: Mapping[str, str],
        field: Callable[[str], Json],
    ) -> dict[str, str]:
        """The values a span carries, after those it `said` by our own contract.

        `field` gives what was read of the span for keys that are named like a field of a step.
        """
        found = dict(said)
        metadata: Mapping[str, Json] | None = None
        for key, names in self._names.items():
            if key in found:
                continue
            value = _first(attributes, names)
            if value is None:
                metadata = metadata_of(attributes) if metadata is None else metadata
                value = _first(metadata, _ALIASES.get(key, (key,))) or _plain(resource.get(key))
            if value is None and key in _FIELDS:
                value = _plain(field(key))
            if value is not None:
                found[key] = value
        return found

    def of_step(self, step: Step) -> dict[str, str]:
        return self.of(
            step.attributes, step.resource, step.cohort, lambda name: getattr(step, name)
        )


def _names_of(key: str) -> tuple[str, ...]:
    return tuple(prefix + name for name in _ALIASES.get(key, (key,)) for prefix in _PREFIXES)


def cohort_of(step: Step, keys: Iterable[str]) -> dict[str, str]:
    """The values of the declared keys that one step carries itself."""
    return Cohorts(keys).of_step(step)


def _first(values: Mapping[str, Json], names: Iterable[str]) -> str | None:
    for name in names:
        value = values.get(name)
        if value is not None and (text := _plain(value)) is not None:
            return text
    return None


def metadata_of(attributes: Mapping[str, Json]) -> Mapping[str, Json]:
    """The object in the attribute `metadata`, which is JSON text."""
    value = attributes.get("metadata")
    for _ in range(2):  # a client may quote what is JSON text already
        if isinstance(value, str) and value.lstrip().startswith(("{", '"')):
            try:
                value = orjson.loads(value)
            except orjson.JSONDecodeError:
                return {}
    return value if isinstance(value, dict) else {}


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
