"""Who and where: session, user, environment, service, prompt, agent."""

from collections.abc import Mapping
from typing import Final, TypeAlias

from collector.reading.draft import Draft
from collector.reading.values import as_text
from waypost.assembly.cohort import metadata_of
from waypost.names import COHORT, SCHEMA, SCOPE
from waypost.records import Json, Kind

_HOMES: Final = (
    "",
    "langfuse.trace.metadata.",
    "langfuse.observation.metadata.",
    "traceloop.association.properties.",
    "langsmith.metadata.",
    "ai.telemetry.metadata.",
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


def read_identity(draft: Draft) -> None:
    """Fill what a step says of itself; what its scopes and its resource say is inherited later."""
    if draft.text("gen_ai.operation.name") == "create_agent":
        return  # it may carry the previous run's session and user
    metadata = metadata_of(draft.attributes)
    draft.put("session", _named(draft, metadata, _SESSION))
    draft.put("user", _named(draft, metadata, _USER))
    draft.put("environment", draft.text(*_ENVIRONMENT) or _first(draft.span.resource, _ENVIRONMENT))
    draft.put("service", _service(draft))
    draft.put("agent", draft.text("gen_ai.agent.name", "agent.name", "agent_name"))
    draft.put("agent_version", draft.text("gen_ai.agent.version"))
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
        name = other or draft.text("langsmith.trace.session_name") or name
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
