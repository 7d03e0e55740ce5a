"""Rules for Prometheus, over the rates that the collector shows on /metrics.

Prometheus knows raw thresholds only: these rules ask for a lower bound above the level, which
is the nearest it comes to the server's own.
"""

import json
import re
from collections.abc import Iterable

from evaluators.alerts.rules import BOUNDED, Rule

FAILS, JUDGED = "waypost_scores_failed_total", "waypost_scores_total"
ABSTAINED = "waypost_scores_abstained_total"
WITH, RUNS = "waypost_runs_with_total", "waypost_runs_total"
_NOT_A_NAME = re.compile(r"[^a-zA-Z0-9_]")
_USUAL = 3.0


def prometheus(rules: Iterable[Rule]) -> str:
    """A rule file in YAML (of which JSON is a part, so every text is quoted as JSON)."""
    lines = ["groups:", "  - name: waypost", "    rules:"]
    for rule in rules:
        lines += _lines(rule)
    return "\n".join(lines) + "\n"


def _lines(rule: Rule) -> list[str]:
    if rule.rate in BOUNDED:
        name = " ".join(rule.name.split())
        return [f"      # {name}: {rule.rate} has no counter; the server alone watches it."]
    labels = {"severity": rule.severity, **({"owner": rule.owner} if rule.owner else {})}
    return [
        f"      - alert: {_name(rule)}",
        f"        expr: {json.dumps(expression(rule))}",
        f"        labels: {json.dumps(labels)}",
        f"        annotations: {{ summary: {json.dumps(rule.subject)} }}",
    ]


def expression(rule: Rule) -> str:
    """The rate's lower bound above the level, or above three times last week's rate."""
    window, k, n = _window(rule), _failed(rule), _all(rule)
    by = ", ".join(_label(key) for key in ("project", *rule.by))

    def increase(series: str, offset: str = "") -> str:
        return f"sum by ({by}) (increase({series}[{window}]{offset}))"

    bad, total = increase(k), increase(n)
    rate = f"({bad} / {total})"
    error = f"1.96 * sqrt({rate} * (1 - {rate}) / {total})"
    week = " offset 1w"
    limit = str(rule.level) if rule.level is not None else (
        f"{_USUAL} * {increase(k, week)} / {increase(n, week)}"
    )  # fmt: skip
    return f"({rate} - {error}) > {limit} and {total} >= {rule.minimum:g}"


def _window(rule: Rule) -> str:
    return f"{max(int(rule.window.total_seconds()) // 60, 5)}m"


def _failed(rule: Rule) -> str:
    if rule.rate == "abstentions":
        return ABSTAINED + _matching(rule, evaluator=rule.evaluator)
    if rule.evaluator is not None:
        return FAILS + _matching(rule, evaluator=rule.evaluator)
    return WITH + _matching(rule, measure=rule.rate)


def _all(rule: Rule) -> str:
    if rule.evaluator is not None:
        return JUDGED + _matching(rule, evaluator=rule.evaluator)
    return RUNS + _matching(rule)


def _matching(rule: Rule, **more: str | None) -> str:
    wanted = {"project": rule.project, **{_label(k): v for k, v in rule.where.items()}, **more}
    inside = ",".join(f"{k}={_quoted(v)}" for k, v in wanted.items() if v is not None)
    return "{" + inside + "}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _label(key: str) -> str:
    return key if key == "project" else "cohort_" + _NOT_A_NAME.sub("_", key)


def _name(rule: Rule) -> str:
    return json.dumps("Waypost" + "".join(w.capitalize() for w in _NOT_A_NAME.split(rule.name)))
