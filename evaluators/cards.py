"""Cards: what each evaluator claims and how good it was measured to be; rendered as reference."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from evaluators.evaluator import Evaluator, Target

FOLDER = "cards"
WHERE_IT_FAILS: Mapping[str, str] = {
    "content_safety": "Words, not meaning: polite help with harm passes (see jbb_responses), and"
    " on text of another kind than it was fitted on AUROC falls to 0.7-0.8.",
    "first_bad_step": "On kinds of runs it was not fitted on it is little better than simple"
    " baselines; read its confidence and its first three suspects.",
    "goal_drift": "Shared words only: a run that drifts inside the same vocabulary is not seen,"
    " and where agents write commands or code there is nothing to compare.",
    "goal_restatement": "Only numbers, names and quotations are compared; a changed wish in other"
    " words is not seen. No labelled set was at hand.",
    "groundedness": "A fluent text with one changed fact keeps its words (summedits), and a correct"
    " paraphrase in other words fails. What commands printed is no source to it.",
    "hallucination": "Only numbers, names, ids, links and citations, and names only beside text:"
    " next to records alone a city may stand for its airport's code.",
    "is_compliant": "Only the rules that are written down; the rest of a policy needs a judge.",
    "jailbreak": "Machine-searched suffixes (GCG) and persuasion (PAIR) in the words of everyday"
    " requests; role prompts are its false alarms.",
    "latency_anomaly": "Needs 30 steps of the same model or tool in the cohort within a day.",
    "loop": "Circles whose results change a little each round; polling that is meant.",
    "over_refusal": "Requests made to sound dangerous (XSTest) are where it errs; refusals of what"
    " may be harmful, or for a reason that the agent's instructions may hold, are left to a judge.",
    "pii_leak": "Names, addresses and other data without a shape; phone numbers in rare formats. It"
    " cannot tell a shop's number on a web page from a person's, nor whose account a tool's record"
    " was: one contact from a record passes.",
    "plan_action_mismatch": "Only plans that are written as lists, and tools that they name. No"
    " labelled set was at hand.",
    "prompt_adherence": "Style, tone and content: it abstains on all that is not countable.",
    "prompt_injection": "Direct requests that never name a secret or an override; orders that read"
    " like ordinary sentences of the document.",
    "repeated_side_effect": "Tools whose names hide that they write: name them in `writes`.",
    "retry_storm": "Failures that a tool reports in words it does not know as failure.",
    "reward_hacking": "Claims whose falsity needs understanding; about two in five tampered tests"
    " and two in three false reports are missed.",
    "secret_leak": "Secrets without a known shape or a telling name, and passwords that are plain"
    " words or look like samples (test, example, 1234).",
    "step_budget": "It counts; what a task should need is yours to say.",
    "sycophancy": "A ranking, not a verdict: on another kind of question it is no better than"
    " chance. Off until it is switched on.",
    "token_anomaly": "Needs 30 calls of the same model in the cohort within a day.",
    "tool_arguments": "Well-formed but wrong values: from the schema alone nine in ten wrong calls"
    " look right.",
    "tool_scope": "Without settings it only sees calls of tools that do not exist; a tool that ran"
    " is taken for one that was allowed.",
    "under_refusal": "Harm in harmless words; it abstains unless the request is clearly harmful.",
    "unsafe_action": "Fitted on authored coding runs; on other agents only its rules apply.",
}


@dataclass(frozen=True, slots=True)
class Card:
    """One evaluator's card: what it is, and the figures that were measured."""

    name: str
    version: str
    claims: str
    judges: str
    measured: Sequence[Mapping[str, Any]] = ()
    cpu_micros: float | None = None
    fails: str = ""
    models: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": self.version,
            "claims": self.claims,
            "judges": self.judges,
            "where_it_fails": self.fails,
            "cpu_micros_per_item": self.cpu_micros,
            "measured": list(self.measured),
            "fitted_models": dict(self.models or {}),
        }


def read_cards() -> dict[str, dict[str, Any]]:
    """The committed cards by evaluator."""
    folder = files("evaluators").joinpath(FOLDER)
    cards = {}
    for entry in folder.iterdir():
        if entry.name.endswith(".json"):
            body = json.loads(entry.read_text("utf-8"))
            cards[body["name"]] = body
    return cards


def judged_things(evaluator: Evaluator) -> str:
    if evaluator.target is Target.TRAJECTORY:
        return "runs"
    return "steps: " + ", ".join(sorted(evaluator.kinds))


def render(cards: Mapping[str, Mapping[str, Any]], evaluators: Mapping[str, Evaluator]) -> str:
    """The reference page of all evaluators, in Markdown."""
    lines = [
        "# Evaluators",
        "",
        "Generated by `python -m benchmarks.evaluators`; figures with their 95 % intervals.",
        "*Cross-validated by group* means that no figure comes from a text, or a task, that the",
        "model in question was fitted on. Everything here runs locally; a",
        "[model judge](../how-to/ask-a-model.md) is a question of yours to a chat model.",
        "[Set evaluators](../how-to/set-evaluators.md) shows how parameters are set.",
        "",
        "In the tables of figures, *flagged* are the items that the set's own labels call bad.",
        "*Precision*: of what it failed, the share that is flagged; *recall*: of the flagged, the",
        "share that it failed; *false alarms*: of the others, the share that it failed; *AUROC*:",
        "how often it ranks a flagged item before another.",
        "",
        "| evaluator | judges | it fails when |",
        "|---|---|---|",
        *(
            f"| [{n}](#{n}) | {judged_things(e)} | {_when(e)} |"
            for n, e in sorted(evaluators.items())
        ),
    ]
    for name, evaluator in sorted(evaluators.items()):
        lines += ["", *_section(name, evaluator, cards.get(name, {}))]
    return "\n".join(lines) + "\n"


def _when(evaluator: Evaluator) -> str:
    plain = evaluator.sentence.removesuffix(".")
    if evaluator.ranks_only:
        return f"never; {plain[0].lower()}{plain[1:]}"
    return plain.removeprefix("Fail when ").removeprefix("Fail a run in which ")


def _section(name: str, evaluator: Evaluator, card: Mapping[str, Any]) -> list[str]:
    lines = [f"## {name}", "", f"{evaluator.sentence} Judges {judged_things(evaluator)}."]
    lines += ["", f"Version `{card.get('version', evaluator.version())}`.", ""]
    if evaluator.ranks_only:
        lines += ["**A ranking only**: its verdicts enter no fail rate.", ""]
    if evaluator.parameters:
        lines += ["| parameter | default |", "|---|---|"]
        lines += [f"| `{p.name}` | `{p.default!r}` |" for p in evaluator.parameters.values()]
        lines.append("")
    lines += _measured(card)
    lines += _models(card.get("fitted_models") or {})
    if card.get("cpu_micros_per_item"):
        lines += [f"CPU: {card['cpu_micros_per_item']:,.0f} µs an item.", ""]
    lines.append(f"Where it fails: {card.get('where_it_fails') or 'not known yet.'}")
    return lines


def _measured(card: Mapping[str, Any]) -> list[str]:
    rows = card.get("measured") or []
    if not rows:
        return ["No labelled set was at hand: its rules are shown by its tests only.", ""]
    if "exact" in rows[0]:
        return _located(rows)
    lines = [
        "| set | n | flagged | abstained | AUROC | precision | recall | false alarms | how |",
        "|---|---:|---:|---:|---|---|---|---|---|",
    ]
    for row in rows:
        name = f"{row['set']}: {row['slice']}" if row["slice"] else row["set"]
        note = f" ({row['note']})" if row["note"] and not row["slice"] else ""
        lines.append(
            f"| {name}{note} | {row['n']:,} | {row['flagged']:,} | {row['abstained']:,} |"
            f" {_interval(row['auroc'])} | {_interval(row['precision'])} |"
            f" {_interval(row['recall'])} | {_interval(row['false_alarms'])} | {row['honest']} |"
        )
    return [*lines, ""]


def _located(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = ["| set | how | n | the very step | within one |", "|---|---|---:|---|---|"]
    lines += [
        f"| {r['set']} | {r['how']} | {r['exact']['n']} | {_interval(r['exact'])} |"
        f" {_interval(r['near'])} |"
        for r in rows
    ]
    return [*lines, ""]


def _models(models: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, card in models.items():
        left = card.get("auroc_source_left_out") or {}
        told = ", ".join(f"{k or 'all kinds'} {v}" for k, v in left.items() if v is not None)
        if told:
            lines.append(f"Fitted model `{name}` with a whole source left out, AUROC: {told}.")
    return [*lines, ""] if lines else []


def _interval(value: Mapping[str, Any] | None) -> str:
    if value is None:
        return "–"
    return f"{value['value']:.2f} ({value['low']:.2f}–{value['high']:.2f})"
