"""Session, user, route, prompt and cohort: from the caller's context, metadata or configurable."""

from collections.abc import Mapping
from typing import Any, Final

from tracer.recorder import Recorder
from tracer.run import Node, Who

_SESSION: Final = ("session_id", "session", "conversation_id", "thread_id")
_USER: Final = ("user_id", "user")


def who_of(values: Mapping[str, Any]) -> Who:
    """What metadata or configurable say about a run."""
    cohort = values.get("cohort")
    pairs = dict(cohort) if isinstance(cohort, Mapping) else {}
    pairs.update({k[7:]: v for k, v in values.items() if k.startswith("cohort.")})
    return Who(
        session=_first(values, _SESSION),
        user=_first(values, _USER),
        route=_first(values, ("route",)),
        prompt_name=_first(values, ("prompt_name",)),
        prompt_version=_first(values, ("prompt_version",)),
        reviewer=_first(values, ("reviewer",)),
        agent_version=_first(values, ("agent_version",)),
        cohort=tuple((str(k), str(v)) for k, v in pairs.items() if v is not None),
    )


def complete(recorder: Recorder, node: Node) -> None:
    """Before the first step: `configurable` reaches no metadata, only the running config."""
    trajectory = node.scope.trajectory
    if trajectory.number or trajectory.completed:
        return
    trajectory.completed = True
    config = recorder.running_config()
    configurable = config.get("configurable") if config else None
    if isinstance(configurable, Mapping):
        trajectory.who = trajectory.who.over(who_of(configurable))
        for scope in trajectory.scopes:
            recorder.name_agent(scope)


def _first(values: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        value = values.get(key)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return str(value)[:512]
    return None
