"""Which evaluator is measured on which labelled set: items, parameters, and what must be said."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.evaluators.sets import Item, answered, items_of
from evaluators.surroundings import Surroundings
from tests.unit.evaluators.steps import model, retrieval, run_of, say, tool
from tests.unit.evaluators.trajectories import Recorded, Row, read_rows, recorded_runs
from waypost.records import Kind, Trajectory

Source = Callable[[Path], Iterator[Item]]


@dataclass(frozen=True, slots=True)
class Case:
    """One evaluator on one set. `models` are fitted models by parameter, refitted by fold.

    With `every_step` an evaluator of steps is given each step of a run by itself.
    """

    evaluator: str
    set: str
    items: Source
    note: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, object] = field(default_factory=dict)
    ranking: bool = False
    every_step: bool = False


def _answers(name: str) -> Source:
    return lambda root: items_of(name, root)


def _moderation(root: Path) -> Iterator[Item]:
    yield from items_of("openai_moderation", root)


def _requests(name: str, flag: str) -> Source:
    """Answers to requests, flagged by one of the set's derived marks."""

    def items(root: Path) -> Iterator[Item]:
        for row in read_rows(name, root):
            if row.get("output"):
                step, run = answered({**row, "context": None})
                marked = int(row["meta"][flag]) if flag else int(row["flag"])
                yield Item(step, Surroundings(run), marked, row["group"], _model_of(row), row)

    return items


def _model_of(row: Row) -> str:
    return str(row["meta"].get("model") or "")


def _attacks(root: Path) -> Iterator[Item]:
    """Attack prompts by kind; each slice of attacks is set against all benign prompts."""
    for row in read_rows("prompt_attacks", root):
        if not row["label"].startswith("injection_"):
            yield _prompt_item(row, row["flag"])


def _injections(root: Path) -> Iterator[Item]:
    for row in read_rows("prompt_attacks", root):
        if not row["flag"] or row["label"].startswith("injection_"):
            yield _prompt_item(row, row["flag"])


def _prompt_item(row: Row, flag: int) -> Item:
    run = run_of(model("Sure.", asked=row["input"]))
    return Item(run.steps[0], Surroundings(run), flag, row["group"], row["label"], row)


def _mails(root: Path) -> Iterator[Item]:
    for row in read_rows("bipia_email", root):
        run = run_of(retrieval(row["context"]))
        group = f"attack:{row['label']}" if row["flag"] else row["group"]
        yield Item(run.steps[0], Surroundings(run), row["flag"], group, "", row)


def _clean_documents(root: Path) -> Iterator[Item]:
    """Documents that nobody attacked: whatever fails here is a false alarm."""
    seen = set()
    for row in read_rows("begin", root):
        if row["context"] and row["context"] not in seen:
            seen.add(row["context"])
            run = run_of(retrieval(row["context"]))
            yield Item(run.steps[0], Surroundings(run), 0, row["group"], "begin", row)


def _personal(root: Path) -> Iterator[Item]:
    """Sentences with personal data of the kinds redaction covers, and sentences without any."""
    covered = {
        "CREDIT_CARD", "PHONE_NUMBER", "IBAN_CODE", "EMAIL_ADDRESS", "US_SSN", "IP_ADDRESS",
    }  # fmt: skip
    for row in read_rows("presidio_pii", root):
        kinds = covered & set(row["label"] or ())
        if kinds or not row["label"]:
            run = run_of(model(row["output"]))
            where = Surroundings(run)
            name = min(kinds, default="")
            yield Item(run.steps[0], where, int(bool(kinds)), row["group"], name, row)


def _calls(root: Path) -> Iterator[Item]:
    """Each graded answer's first call that is wrong, or its first call."""
    for row in read_rows("bfcl_calls", root):
        calls = (row["output"] or {}).get("calls") or []
        if calls:
            yield from _call_item(row, calls)


def _call_item(row: Row, calls: list[dict[str, Any]]) -> Iterator[Item]:
    messages = tuple(say(m["role"], str(m["content"])) for m in row["input"])
    parts = [tool(name, args) for call in calls for name, args in call.items()]
    if not parts:
        return
    asked = model("", input=messages, tools=tuple(row["tools"]), output=())
    run = run_of(asked, *parts)
    around = Surroundings(run)
    yield Item(run, around, row["flag"], row["group"], "", row)


def _twins(category: str | None) -> Source:
    def items(root: Path) -> Iterator[Item]:
        for recorded in recorded_runs("stepshield", root):
            labels = recorded.row["labels"]
            if category in (None, labels["category"]):
                yield Item(
                    recorded.run,
                    Surroundings(recorded.run),
                    int(labels["kind"] == "ROGUE"),
                    recorded.row["group"],
                    labels["category"],
                    recorded.row,
                )

    return items


def _rogue_steps(root: Path) -> Iterator[Item]:
    for recorded in recorded_runs("stepshield", root):
        rogue = {s["message_index"] for s in recorded.row["labels"].get("rogue_steps") or ()}
        around = Surroundings(recorded.run)
        for index, numbers in recorded.steps_of.items():
            step = recorded.run.steps[numbers[0] - 1]
            if step.kind is Kind.TOOL:
                yield Item(
                    step,
                    around,
                    int(index - 1 in rogue),
                    recorded.row["group"],
                    recorded.row["labels"]["category"],
                    recorded.row,
                )


def _failed_runs(name: str) -> Source:
    """Whole runs, flagged when the task's own reward says that they failed."""

    def items(root: Path) -> Iterator[Item]:
        for recorded in recorded_runs(name, root):
            outcome = recorded.row["outcome"].get("pass")
            if outcome is not None:
                flag = int(not outcome)
                yield Item(
                    recorded.run,
                    Surroundings(recorded.run),
                    flag,
                    recorded.row["group"],
                    "",
                    recorded.row,
                )

    return items


def _spliced(name: str) -> Source:
    """Runs as they were, and with their second half taken from another task's run."""

    def items(root: Path) -> Iterator[Item]:
        long = [r for r in recorded_runs(name, root) if len(r.run.steps) >= 10]
        for place, recorded in enumerate(long):
            row = recorded.row
            yield Item(recorded.run, Surroundings(recorded.run), 0, row["group"], "", row)
            other = _other(long, place)
            if other is not None:
                run = _joined(recorded.run, other.run)
                yield Item(run, Surroundings(run), 1, row["group"], "", row)

    return items


def _other(runs: list[Recorded], place: int) -> Recorded | None:
    group = runs[place].row["group"]
    rest = runs[place + 7 :] + runs[:place]
    return next((r for r in rest if r.row["group"] != group), None)


def _joined(first: Trajectory, second: Trajectory) -> Trajectory:
    half = first.steps[: len(first.steps) // 2]
    known = next((s.input for s in reversed(half) if s.input), ())
    tail = [
        s.replace(input=known) if s.input else s for s in second.steps[len(second.steps) // 2 :]
    ]
    return replace(run_of(*half, *tail), input=first.input)


def _ordinary(root: Path) -> Iterator[Item]:
    """Runs of service agents that reached their goal: whatever fails there is a false alarm."""
    for name in ("tau_bench", "tau2_bench", "agentrx"):
        for recorded in recorded_runs(name, root):
            if recorded.row["outcome"].get("pass"):
                yield _unflagged(recorded)


def _browsing(root: Path) -> Iterator[Item]:
    """Runs of agents on the web, no part of which any model was fitted on."""
    for recorded in recorded_runs("who_and_when", root):
        yield _unflagged(recorded)
    for recorded in recorded_runs("agentrx", root):
        if "magentic" in recorded.row["id"]:
            yield _unflagged(recorded)


def _unflagged(recorded: Recorded) -> Item:
    row = recorded.row
    return Item(recorded.run, Surroundings(recorded.run), 0, row["group"], "", row)


def _sides(root: Path) -> Iterator[Item]:
    for item in items_of("syco_bench", root):
        side = "pickside" if "sides" in item.row["evaluator"] else "delusion"
        yield replace(item, slice=side)


REFUSALS = {"model": "refusal", "request_model": "harmful_request"}
FITTED: Mapping[str, Mapping[str, str]] = {
    "content_safety": {"model": "unsafe"},
    "jailbreak": {"model": "jailbreak"},
    "over_refusal": {"model": "refusal", "request_model": "doubtful_request"},
    "prompt_injection": {"model": "order_in_text"},
    "reward_hacking": {"model": "rogue_action"},
    "under_refusal": REFUSALS,
    "unsafe_action": {"model": "rogue_action"},
}
ORDINARY = (
    "content_safety", "goal_drift", "goal_restatement", "groundedness", "hallucination",
    "jailbreak", "loop", "over_refusal", "pii_leak", "plan_action_mismatch", "prompt_adherence",
    "prompt_injection", "repeated_side_effect", "retry_storm", "reward_hacking", "secret_leak",
    "step_budget", "tool_arguments", "tool_scope", "under_refusal", "unsafe_action",
)  # fmt: skip
ON_THE_WEB = (
    "content_safety", "jailbreak", "over_refusal", "pii_leak", "prompt_injection", "secret_leak",
    "tool_scope", "under_refusal", "unsafe_action",
)  # fmt: skip
CASES: tuple[Case, ...] = (
    Case("groundedness", "begin", _answers("begin"), "stricter than most: fully attributable"),
    Case("groundedness", "mtrag", _answers("mtrag")),
    Case("groundedness", "halueval_qa", _answers("halueval_qa"),
         "can be solved by the answer's length alone: no proof of quality"),
    Case("groundedness", "summedits", _answers("summedits"),
         "one fact edited in a fluent summary: overlap cannot see it"),
    Case("hallucination", "begin", _answers("begin"), "labels cover more than checkable values"),
    Case("hallucination", "mtrag", _answers("mtrag"), "labels cover more than checkable values"),
    Case("hallucination", "summedits", _answers("summedits")),
    Case("hallucination", "halueval_qa", _answers("halueval_qa")),
    Case("content_safety", "openai_moderation", _moderation, models={"model": "unsafe"}),
    Case("content_safety", "surge_toxicity", _answers("surge_toxicity"),
         models={"model": "unsafe"}),
    Case("content_safety", "davidson_tweets", _answers("davidson_tweets"),
         models={"model": "unsafe"}),
    Case("content_safety", "jbb_responses", _requests("jbb_responses", ""),
         "never fitted on: help with harm is written in polite words"),
    Case("over_refusal", "xstest_responses", _requests("xstest_responses", "over_refusal"),
         "safe requests made to sound dangerous, beside dangerous ones",
         models={"model": "refusal", "request_model": "doubtful_request"}),
    Case("under_refusal", "xstest_responses", _requests("xstest_responses", "under_refusal"),
         models=REFUSALS),
    Case("under_refusal", "jbb_responses", _requests("jbb_responses", ""),
         "the labels are a model judge's", models=REFUSALS),
    Case("jailbreak", "prompt_attacks", _attacks, models={"model": "jailbreak"}),
    Case("prompt_injection", "prompt_attacks (direct)", _injections,
         models={"model": "order_in_text"}),
    Case("prompt_injection", "bipia_email", _mails, models={"model": "order_in_text"}),
    Case("prompt_injection", "begin (clean documents)", _clean_documents,
         "no attacks: the rate of false alarms"),
    Case("prompt_adherence", "llmbar", _answers("llmbar"),
         "few of these instructions can be checked by a machine"),
    Case("pii_leak", "presidio_pii", _personal,
         "kinds that redaction covers: cards, phones, IBAN, e-mail, SSN, IP"),
    Case("tool_arguments", "bfcl_calls", _calls,
         "a wrong but well-formed value cannot be seen from the schema"),
    Case("unsafe_action", "stepshield (steps)", _rogue_steps, "authored runs",
         models={"model": "rogue_action"}),
    Case("reward_hacking", "stepshield TST", _twins("TST"), "against the honest twin of each run",
         models={"model": "rogue_action"}),
    Case("reward_hacking", "stepshield DEC", _twins("DEC"), "against the honest twin of each run",
         models={"model": "rogue_action"}),
    Case("sycophancy", "syco_bench", _sides, models={"model": "sycophancy"}, ranking=True),
    Case("goal_drift", "tau2_bench (spliced)", _spliced("tau2_bench"), "made by splicing two runs"),
    Case("goal_drift", "who_and_when (spliced)", _spliced("who_and_when"),
         "made by splicing two runs"),
    *(
        Case(name, "tau2_bench (reward)", _failed_runs("tau2_bench"),
             "one of many reasons for failing: recall is meant to be low")
        for name in ("loop", "repeated_side_effect", "retry_storm", "step_budget", "tool_arguments",
                     "reward_hacking", "goal_restatement", "plan_action_mismatch")
    ),
    *(
        Case(name, "ordinary runs (tau, tau2, agentrx)", _ordinary,
             "runs that reached their goal: only false alarms", models=FITTED.get(name, {}),
             every_step=True)
        for name in ORDINARY
    ),
    *(
        Case(name, "web agents (who_and_when, agentrx)", _browsing,
             "a set no model was fitted on: only false alarms", models=FITTED.get(name, {}),
             every_step=True)
        for name in ON_THE_WEB
    ),
)  # fmt: skip
