"""Who and where: session, user, environment, service, prompt, agent, cohort."""

from collections.abc import Callable, Hashable, Mapping
from operator import itemgetter
from typing import Any, Final, TypeAlias

import orjson

from collector.reading.draft import Draft
from collector.reading.values import as_text
from waypost.assembly.cohort import Cohorts, metadata_of
from waypost.names import COHORT, SCHEMA, SCOPE
from waypost.records import Json, Kind

_HOMES: Final = (
    "",
    "langfuse.trace.metadata.",
    "langfuse.observation.metadata.",
    "traceloop.association.properties.",
    "langsmith.metadata.",
    "ai.telemetry.metadata.",
    "ai.settings.context.",
)
_Places: TypeAlias = tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]


def _homes(*words: str) -> tuple[str, ...]:
    return tuple(home + word for home in _HOMES for word in words)


_SESSION: Final[_Places] = (
    (
        ("session.id", "gen_ai.conversation.id", "langfuse.session.id", "mlflow.trace.session",
         *_homes("session_id", "sessionId")),
        ("session_id", "sessionId"),
    ),
    (_homes("thread_id", "threadId"), ("thread_id", "threadId")),
)  # fmt: skip
_USER: Final[_Places] = (
    (
        ("user.id", "enduser.id", "langfuse.user.id", "mlflow.trace.user",
         *_homes("user_id", "userId")),
        ("user_id", "userId"),
    ),
)  # fmt: skip
_ENVIRONMENT: Final = (
    "deployment.environment.name", "deployment.environment", "langfuse.environment",
    "gen_ai.environment",
)  # fmt: skip
_PROMPT_NAME: Final = (
    "gen_ai.prompt.name", "langfuse.observation.prompt.name", "gen_ai.prompt.template.name",
    "prompt.name",
)  # fmt: skip
_PROMPT_VERSION: Final = (
    "gen_ai.prompt.version", "llm.prompt_template.version", "gen_ai.prompt.template.version",
    "langfuse.observation.prompt.version", "prompt.version", "ai.telemetry.metadata.promptVersion",
)  # fmt: skip
_VERSION_WORDS: Final = ("prompt_version", "promptVersion")
_VERSION_NAMES: Final = _homes(*_VERSION_WORDS)
_NAME_LIMIT: Final = 120
_AGENT: Final = ("gen_ai.agent.name", "agent.name", "agent_name")
_AGENT_WORDS: Final = ("lc_agent_name",)  # LangChain's agents; their graphs are mere chains
_AGENT_VERSION: Final = "gen_ai.agent.version"
_OPERATION: Final = "gen_ai.operation.name"
_SESSION_NAME: Final = "langsmith.trace.session_name"
_NAMES: Final = frozenset(
    {"metadata", SCHEMA, _OPERATION, _AGENT_VERSION, _SESSION_NAME, *_AGENT, *_ENVIRONMENT,
     *_PROMPT_NAME, *_PROMPT_VERSION, *_VERSION_NAMES,
     *(name for names, _ in (*_SESSION, *_USER) for name in names)}
)  # fmt: skip
# Every field that is read or filled below; a field of cohorts is named like the key.
_FIELDS: Final = (
    "session", "user", "environment", "service", "agent", "agent_version", "cohort",
    "prompt_name", "prompt_version", "model", "route",
)  # fmt: skip
_MOST: Final = 8_192
_LONG: Final = 3_072

Getter: TypeAlias = Callable[[Mapping[str, Json]], Hashable]


def sayers(names: tuple[str, ...], cohorts: Cohorts | None) -> Getter | None:
    """What takes out of attributes with these names all the values that say who and where."""
    more = cohorts.attributes if cohorts is not None else frozenset()
    found = tuple([n for n in names if n in _NAMES or n in more or n.startswith(COHORT)])
    if not found:
        return None
    get = itemgetter(*found, found[0])  # the first again, because of one name it gives no tuple

    def said(attributes: Mapping[str, Json]) -> Hashable:
        values = get(attributes)
        # A session may be called like a user; 1 and True are equal, what they say is not.
        return found, values, tuple(map(type, values))

    return said


class Resources:
    """The content of a resource, which all spans of a group share, as one value."""

    def __init__(self) -> None:
        self._last: tuple[Mapping[str, Json], bytes] = ({}, b"")

    def key(self, resource: Mapping[str, Json]) -> bytes:
        if self._last[0] is not resource:
            self._last = (resource, orjson.dumps(resource))
        return self._last[1]


class Identities:
    """Who and where of spans seen lately: the spans of a run say the same again and again."""

    def __init__(self) -> None:
        self._known: dict[Hashable, dict[str, Any]] = {}
        self._resources = Resources()

    def read(self, draft: Draft, cohorts: Cohorts | None, said: Getter | None) -> None:
        """Fill the fields of identity and cohort; `said` is what `sayers` gave for the span."""
        fields = draft.fields
        key = (
            cohorts.keys if cohorts is not None else None,
            draft.kind,
            draft.span.scope_name,
            self._resources.key(draft.span.resource),
            said(draft.attributes) if said is not None else None,
            *map(fields.get, _FIELDS),
        )
        try:
            known = self._known.get(key)
        except TypeError:  # a list or an object among the values
            _read(draft, cohorts)
            return
        if known is None:
            _read(draft, cohorts)
            self._keep(key, {n: fields[n] for n in _FIELDS if n in fields})
        else:
            fields.update(known)

    def _keep(self, key: Hashable, found: dict[str, Any]) -> None:
        if len(self._known) >= _MOST:
            self._known.clear()
        if len(repr(key)) <= _LONG:
            self._known[key] = found


def _read(draft: Draft, cohorts: Cohorts | None) -> None:
    read_identity(draft)
    if cohorts is not None:
        span, fields = draft.span, draft.fields
        said = fields.get("cohort", {})
        fields["cohort"] = cohorts.of(span.attributes, span.resource, said, fields.get)


def read_identity(draft: Draft) -> None:
    """Fill what a step says of itself; what its scopes and its resource say is inherited later."""
    if draft.text(_OPERATION) == "create_agent":
        return  # it may carry the previous run's session and user
    metadata = metadata_of(draft.attributes)
    draft.put("session", _named(draft, metadata, _SESSION))
    draft.put("user", _named(draft, metadata, _USER))
    draft.put("environment", draft.text(*_ENVIRONMENT) or _first(draft.span.resource, _ENVIRONMENT))
    draft.put("service", _service(draft))
    draft.put("agent", draft.text(*_AGENT) or _first(metadata, _AGENT_WORDS))
    draft.put("agent_version", draft.text(_AGENT_VERSION))
    if SCHEMA in draft.attributes or draft.span.scope_name == SCOPE:
        draft.put("cohort", _declared(draft.attributes))
    if draft.kind is Kind.LLM or draft.kind.is_scope:
        _read_prompt(draft, metadata)


def _named(draft: Draft, metadata: Mapping[str, Json], places: _Places) -> str | None:
    for names, words in places:
        found = draft.text(*names) or _first(metadata, words)
        if found is not None:
            return found
    return None


def _first(values: Mapping[str, Json], names: tuple[str, ...]) -> str | None:
    return next((t for n in names if (t := as_text(values.get(n)))), None)


def _service(draft: Draft) -> str | None:
    resource = draft.span.resource
    name = _first(resource, ("service.name",))
    if name is None or name.startswith("unknown_service"):
        other = _first(resource, ("project_name", "openinference.project.name"))
        name = other or draft.text(_SESSION_NAME) or name
    return name


def _declared(attributes: Mapping[str, Json]) -> dict[str, str]:
    """The cohort our own contract writes on every span."""
    return {
        key[len(COHORT) :]: text
        for key, value in attributes.items()
        if key.startswith(COHORT) and len(key) > len(COHORT) and (text := as_text(value))
    }


def _read_prompt(draft: Draft, metadata: Mapping[str, Json]) -> None:
    name = draft.text(*_PROMPT_NAME)
    if name is not None and len(name) <= _NAME_LIMIT and not name.endswith("."):
        draft.put("prompt_name", name)  # some clients put the whole template there
    version = draft.text(*_PROMPT_VERSION, *_VERSION_NAMES)
    draft.put("prompt_version", version or _first(metadata, _VERSION_WORDS))
