"""Policies: named, versioned texts with rules, some of which a machine can check."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from evaluators.actions import has_failed
from evaluators.consent import consents
from evaluators.language import is_unspaced
from evaluators.schema import schema_faults
from evaluators.surroundings import Surroundings, answer_text
from evaluators.text import as_text, quote
from waypost.errors import Unreadable
from waypost.records import Evidence, Json, Kind, Step


class RuleKind(StrEnum):
    """What a machine can check of a policy."""

    FORBIDDEN_TOOLS = "forbidden_tools"
    ARGUMENTS = "arguments"
    MAX_CALLS = "max_calls"
    ORDER = "order"
    CONFIRM = "confirm"
    FORBIDDEN_PHRASES = "forbidden_phrases"
    REQUIRED_PHRASES = "required_phrases"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `tools` it is about, and what its kind needs of the rest.

    `schema` bounds arguments, `before` are tools that must have succeeded first, `when` is a
    pattern an answer must match before a disclosure is required, `limit` is a number of calls.
    """

    id: str
    kind: RuleKind
    text: str = ""
    tools: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    schema: Mapping[str, Json] | None = None
    when: str = ""
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """A named, versioned text; `rules` are the part of it that is checked without a judge."""

    name: str
    version: str
    text: str = ""
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Breach:
    """One rule broken by one step, and where."""

    rule: Rule
    why: str
    evidence: Evidence


def applies(rule: Rule, step: Step) -> bool:
    """Whether a rule says anything about a step."""
    if rule.kind in (RuleKind.FORBIDDEN_PHRASES, RuleKind.REQUIRED_PHRASES):
        return step.kind is Kind.LLM and bool(answer_text(step).strip())
    return step.kind is Kind.TOOL and (step.tool or "") in rule.tools


def breaches(rules: Iterable[Rule], step: Step, around: Surroundings) -> Iterator[Breach]:
    """The rules a step breaks, of those that apply to it."""
    for rule in rules:
        if applies(rule, step):
            found = CHECKS[rule.kind](rule, step, around)
            if found is not None:
                yield found


def _forbidden(rule: Rule, step: Step, around: Surroundings) -> Breach | None:
    return _breach(rule, step, f"{step.tool} is forbidden", "tool", step.tool or "")


def _arguments(rule: Rule, step: Step, around: Surroundings) -> Breach | None:
    try:
        faults = schema_faults(step.arguments, rule.schema or {}, "arguments")
    except Unreadable:
        return None
    for fault in faults:
        return _breach(rule, step, fault.message, fault.path, as_text(step.arguments))
    return None


def _max_calls(rule: Rule, step: Step, around: Surroundings) -> Breach | None:
    made = sum(s.tool in rule.tools and not has_failed(s) for s in _tools_before(step, around))
    if made < rule.limit:
        return None
    return _breach(rule, step, f"call {made + 1} of at most {rule.limit}", "tool", step.tool or "")


def _order(rule: Rule, step: Step, around: Surroundings) -> Breach | None:
    done = {s.tool for s in _tools_before(step, around) if not has_failed(s)}
    if any(tool in done for tool in rule.before):
        return None
    return _breach(
        rule, step, f"{step.tool} before {' or '.join(rule.before)}", "tool", step.tool or ""
    )


def undecided(rules: Iterable[Rule], step: Step, around: Surroundings) -> list[Rule]:
    """The rules about consent that was given, or not, in a language we do not know."""
    asking = [r for r in rules if r.kind is RuleKind.CONFIRM and applies(r, step)]
    said = _last_words(step, around) if asking else None
    return asking if said and consents(said) is None else []


def _confirm(rule: Rule, step: Step, around: Surroundings) -> Breach | None:
    """The user's last word before the call must agree to it."""
    said = _last_words(step, around)
    if said and consents(said) is not False:
        return None
    words = quote(said) if said else "the user said nothing"
    return _breach(rule, step, f"{step.tool} without the user's consent", "input", words)


def _last_words(step: Step, around: Surroundings) -> str:
    model = around.model_step(step)
    said = [m.text for m in (model.input if model else ()) if m.role in ("user", "human")]
    return said[-1] if said else ""


def _phrase(phrase: str) -> re.Pattern[str]:
    """A pattern for a phrase that stands alone: `cure` is no part of `secure`."""
    start, end = phrase[:1], phrase[-1:]
    before = r"(?<!\w)" if start.isalnum() and not is_unspaced(start) else ""
    after = r"(?!\w)" if end.isalnum() and not is_unspaced(end) else ""
    return re.compile(before + re.escape(phrase) + after, re.IGNORECASE)


def _forbidden_phrases(rule: Rule, step: Step, around: Surroundings) -> Breach | None:
    answer = answer_text(step)
    for phrase in rule.phrases:
        found = _phrase(phrase).search(answer)
        if found:
            where = Evidence(step.id, "output", found.group(), *found.span())
            return Breach(rule, f"says {quote(phrase, 80)!r}", where)
    return None


def _required_phrases(rule: Rule, step: Step, around: Surroundings) -> Breach | None:
    answer = answer_text(step)
    if rule.when and not re.search(rule.when, answer[:20_000], re.IGNORECASE):
        return None
    if any(_phrase(phrase).search(answer) for phrase in rule.phrases):
        return None
    return _breach(rule, step, f"does not say {quote(rule.phrases[0], 80)!r}", "output", answer)


def _tools_before(step: Step, around: Surroundings) -> list[Step]:
    return [s for s in around.before(step) if s.kind is Kind.TOOL and s.executed]


def _breach(rule: Rule, step: Step, why: str, where: str, words: str) -> Breach:
    return Breach(rule, why, Evidence(step=step.id, where=where, quote=quote(words), note=rule.id))


CHECKS = {
    RuleKind.FORBIDDEN_TOOLS: _forbidden,
    RuleKind.ARGUMENTS: _arguments,
    RuleKind.MAX_CALLS: _max_calls,
    RuleKind.ORDER: _order,
    RuleKind.CONFIRM: _confirm,
    RuleKind.FORBIDDEN_PHRASES: _forbidden_phrases,
    RuleKind.REQUIRED_PHRASES: _required_phrases,
}
