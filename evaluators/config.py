"""The evaluators' part of waypost.toml: what is judged, how strictly, by which policy, for whom."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from evaluators.evaluator import Evaluator, Parameter
from evaluators.policy import Policy, Rule, RuleKind
from waypost.errors import BadSetting
from waypost.records import Kind

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Override:
    """Other parameters where all its conditions hold; the one with most conditions wins."""

    project: str | None = None
    route: str | None = None
    agent: str | None = None
    cohort: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, object] = field(default_factory=dict)

    @property
    def conditions(self) -> int:
        named = (self.project, self.route, self.agent)
        return sum(name is not None for name in named) + len(self.cohort)


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one evaluator is asked to judge, and how."""

    evaluator: str
    enabled: bool = True
    kinds: frozenset[Kind] | None = None
    agents: frozenset[str] | None = None
    tools: frozenset[str] | None = None
    projects: frozenset[str] | None = None
    cohort: Mapping[str, str] = field(default_factory=dict)
    sampling: float = 1.0
    owner: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()


@dataclass(frozen=True, slots=True)
class JudgeTask:
    """A language model asked one question about steps or runs: its rubric, and what it judges."""

    name: str
    rubric: str = ""
    target: str = "step"
    policy: Policy | None = None
    repeat: int = 1
    assignment: Assignment = Assignment("")

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds of steps it is asked about, model steps unless told otherwise."""
        return self.assignment.kinds or frozenset({Kind.LLM})


@dataclass(frozen=True, slots=True)
class Config:
    """Everything the worker needs to know; without a file every local evaluator runs."""

    assignments: Mapping[str, Assignment] = field(default_factory=dict)
    judges: tuple[JudgeTask, ...] = ()
    policies: Mapping[str, Policy] = field(default_factory=dict)

    def assignment(self, name: str) -> Assignment:
        return self.assignments.get(name, Assignment(name))

    @property
    def asking(self) -> list[JudgeTask]:
        """The model judges that are switched on."""
        return [task for task in self.judges if task.assignment.enabled]


OFF_UNLESS_SET = frozenset({"is_compliant", "sycophancy"})
MOST_REPEATS = 100


def parse_config(body: Mapping[str, Any], evaluators: Mapping[str, Evaluator]) -> Config:
    """The configuration in parsed TOML, checked against the evaluators; BadSetting says what is
    off. Tables that belong to others are left to them.
    """
    try:
        return _parsed(body, evaluators)
    except (AttributeError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BadSetting(f"A table has a value of the wrong type or size: {error}.") from error


def _parsed(body: Mapping[str, Any], evaluators: Mapping[str, Evaluator]) -> Config:
    policies = {
        name: _policy(name, table) for name, table in _table(body, "policies", "policies").items()
    }
    found = {name: Assignment(name, enabled=False) for name in OFF_UNLESS_SET}
    for name, table in _table(body, "evaluators", "evaluators").items():
        if name not in evaluators:
            raise BadSetting(
                f"evaluators.{name}: there is no evaluator of that name; there are"
                f" {', '.join(sorted(evaluators))}."
            )
        found[name] = _assignment(name, table, evaluators[name], policies)
    judges = [_judge(n, t, policies) for n, t in _table(body, "judges", "judges").items()]
    return Config(found, tuple(judges), policies)


def _table(body: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    value = body.get(key, {})
    if not isinstance(value, Mapping):
        raise BadSetting(f"{where} must be a table.")
    return value


def _assignment(
    name: str, table: Any, evaluator: Evaluator, policies: Mapping[str, Policy]
) -> Assignment:
    where = f"evaluators.{name}"
    values = _checked(table, where, ASSIGNED)
    parameters = _parameters(values.pop("parameters", {}), evaluator.parameters, where)
    wanted = values.pop("policy", None)
    if wanted is not None:
        parameters["policy"] = _known_policy(wanted, policies, where)
    overrides = tuple(
        _override(entry, evaluator, f"{where}.overrides") for entry in values.pop("overrides", ())
    )
    built = Assignment(name, **_conditions(values))
    return replace(built, parameters=parameters, overrides=overrides)


def _conditions(values: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(values)
    for key in ("agents", "tools", "projects"):
        if key in out:
            out[key] = frozenset(out[key])
    if "kinds" in out:
        out["kinds"] = frozenset(map(_kind, out["kinds"]))
    if not 0 <= float(out.get("sampling", 1)) <= 1:
        raise BadSetting(f"sampling = {out['sampling']} must lie between 0 and 1.")
    return out


def _kind(name: str) -> Kind:
    try:
        return Kind(name)
    except ValueError as error:
        known = ", ".join(k for k in Kind if k.is_step)
        raise BadSetting(f"kind {name!r} is unknown; choose from {known}.") from error


def _override(entry: Any, evaluator: Evaluator, where: str) -> Override:
    values = _checked(entry, where, OVERRIDDEN)
    shorthand = {k: values.pop(k) for k in list(values) if k in evaluator.parameters}
    given = {**values.pop("parameters", {}), **shorthand}
    return Override(**values, parameters=_parameters(given, evaluator.parameters, where))


def _parameters(given: Any, known: Mapping[str, Parameter], where: str) -> dict[str, object]:
    if not isinstance(given, Mapping):
        raise BadSetting(f"{where}.parameters must be a table.")
    return {name: _value(name, value, known, where) for name, value in given.items()}


def _value(name: str, value: Any, known: Mapping[str, Parameter], where: str) -> object:
    if name not in known:
        names = ", ".join(sorted(known)) or "none"
        raise BadSetting(f"{where}: there is no parameter {name!r}; there are {names}.")
    default = known[name].default
    if isinstance(default, tuple) and isinstance(value, list):
        return tuple(value)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if default is not None and type(default) is not type(value):
        raise BadSetting(
            f"{where}.{name} = {value!r} is not a {type(default).__name__}, as {default!r} is."
        )
    return value


def _policy(name: str, table: Any) -> Policy:
    where = f"policies.{name}"
    values = _checked(table, where, {"version": str, "text": str, "rules": list})
    rules = [_rule(entry, f"{where}.rules") for entry in values.get("rules", ())]
    twice = sorted({r.id for r in rules if sum(o.id == r.id for o in rules) > 1})
    if twice:
        raise BadSetting(f"{where}: two rules are called {twice[0]!r}.")
    return Policy(name, values.get("version", "1"), values.get("text", ""), tuple(rules))


def _rule(entry: Any, where: str) -> Rule:
    values = _checked(entry, where, {f.name: RULE_TYPES.get(f.name, str) for f in fields(Rule)})
    if "id" not in values or "kind" not in values:
        raise BadSetting(f"{where}: every rule needs an id and a kind.")
    where = f"{where}.{values['id']}"
    try:
        values["kind"] = RuleKind(values["kind"])
    except ValueError as error:
        known = ", ".join(RuleKind)
        raise BadSetting(
            f"{where}: kind {values['kind']!r} is unknown; there are {known}."
        ) from error
    _check_pattern(values.get("when", ""), where)
    for key in ("tools", "before", "phrases"):
        values[key] = tuple(values.get(key, ()))
    needed = NEEDED[values["kind"]]
    missing = [name for name in needed if not values.get(name)]
    if missing:
        raise BadSetting(f"{where}: a rule of kind {values['kind']} needs {', '.join(missing)}.")
    return Rule(**values)


def _check_pattern(pattern: str, where: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise BadSetting(f"{where}: when = {pattern!r} is no pattern: {error}.") from error


NEEDED = {
    RuleKind.FORBIDDEN_TOOLS: ("tools",),
    RuleKind.ARGUMENTS: ("tools", "schema"),
    RuleKind.MAX_CALLS: ("tools", "limit"),
    RuleKind.ORDER: ("tools", "before"),
    RuleKind.CONFIRM: ("tools",),
    RuleKind.FORBIDDEN_PHRASES: ("phrases",),
    RuleKind.REQUIRED_PHRASES: ("phrases",),
}
RULE_TYPES: Mapping[str, Any] = {
    "tools": list,
    "before": list,
    "phrases": list,
    "schema": dict,
    "limit": int,
}
ASSIGNED: Mapping[str, Any] = {
    "enabled": bool,
    "kinds": list,
    "agents": list,
    "tools": list,
    "projects": list,
    "cohort": dict,
    "sampling": (int, float),
    "owner": str,
    "parameters": dict,
    "policy": str,
    "overrides": list,
}
OVERRIDDEN: Mapping[str, Any] = {
    "project": str,
    "route": str,
    "agent": str,
    "cohort": dict,
    "parameters": dict,
    "threshold": (int, float),
}
JUDGED: Mapping[str, Any] = {
    **{k: v for k, v in ASSIGNED.items() if k not in ("parameters", "overrides")},
    "rubric": str,
    "target": str,
    "repeat": int,
}


def _judge(name: str, table: Any, policies: Mapping[str, Policy]) -> JudgeTask:
    where = f"judges.{name}"
    values = _checked(table, where, JUDGED)
    wanted = values.pop("policy", None)
    policy = None if wanted is None else _known_policy(wanted, policies, where)
    target = values.pop("target", "step")
    if target not in ("step", "trajectory"):
        raise BadSetting(f"{where}.target = {target!r} must be step or trajectory.")
    rubric, repeat = values.pop("rubric", ""), values.pop("repeat", 1)
    if not 1 <= repeat <= MOST_REPEATS:
        raise BadSetting(f"{where}.repeat = {repeat} must lie between 1 and {MOST_REPEATS}.")
    return JudgeTask(name, rubric, target, policy, repeat, Assignment(name, **_conditions(values)))


def _known_policy(name: str, policies: Mapping[str, Policy], where: str) -> Policy:
    if name not in policies:
        known = ", ".join(sorted(policies)) or "none"
        raise BadSetting(f"{where}: there is no policy {name!r}; there are {known}.")
    return policies[name]


def _checked(table: Any, where: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """The table's values; BadSetting for an unknown name or a value of the wrong type."""
    if not isinstance(table, Mapping):
        raise BadSetting(f"{where} must be a table.")
    for name, value in table.items():
        if name not in known:
            raise BadSetting(f"{where}: {name!r} is unknown; there are {', '.join(sorted(known))}.")
        if not isinstance(value, known[name]) or (known[name] is int and value is True):
            raise BadSetting(f"{where}.{name} = {value!r} has the wrong type.")
    return dict(table)
