"""A store with something to see: a benefits assistant in several cohorts, one of them failing."""

import datetime as dt
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.engine import Connection, Engine

from tests.factories import assistant, span_id, trace_id, user
from waypost.assembly import assemble
from waypost.records import (
    Document,
    Evidence,
    Fault,
    Json,
    Kind,
    Message,
    Reading,
    Score,
    Status,
    Step,
    Tokens,
    Trajectory,
)
from waypost.roles import Person, Role
from waypost.store import cohorts, datasets, feed, runs, scores, traces, trials
from waypost.store.ingest import Writer
from waypost.store.partitions import ensure_days
from waypost.store.scores import Verdict
from waypost.store.trials import Word

KEYS = ("agent", "route", "model", "prompt_version", "environment", "tenant", "region")
EVALUATORS = ("groundedness", "instruction_adherence", "policy_compliance", "content_safety",
              "hallucination", "tool_scope")  # fmt: skip
MS = 10**6
QUESTIONS = (
    "May I claim the childcare benefit while my partner studies?",
    "How many days of parental leave are left for me this year?",
    "My payroll shows two deductions in October. Please correct it.",
    "Does the housing allowance count as income for the heating benefit?",
    "I moved to Lyon in May; which office handles my case now?",
)
FACTS = (
    "Childcare benefit: both partners must work or study at least 20 hours a week (section 4.2).",
    "Parental leave: 36 days a calendar year, unused days lapse on 31 March (section 7.1).",
    "Payroll corrections need the approval of a case worker before they are booked (section 2.8).",
)
CLAIM = "You will receive 1,240 euros a month, and no approval is needed."


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run is like."""

    name: str
    at: dt.datetime
    prompt: str
    model: str
    region: str
    bad: bool = False
    broken: bool = False
    delegates: bool = False
    question: str = QUESTIONS[0]
    user: str | None = None


def plans(now: dt.datetime, runs: int, seed: int = 7) -> list[Plan]:
    """Runs over two days; prompt v15 goes live ten hours before now."""
    chance = random.Random(seed)
    live = now - dt.timedelta(hours=10)
    made = []
    for i in range(runs):
        at = now - dt.timedelta(seconds=60 + (runs - i) * (46 * 3600 / runs))
        prompt = "v15" if at >= live and chance.random() < 0.75 else "v14"
        model = chance.choice(["claude-haiku-4-5", "gpt-5-mini"])
        region = chance.choice(["eu", "us", "ap"])
        planted = (prompt, model, region) == ("v15", "claude-haiku-4-5", "eu")
        made.append(
            Plan(
                f"seed-{seed}-{i}", at, prompt, model, region,
                bad=chance.random() < (0.45 if planted else 0.04),
                broken=chance.random() < 0.06, delegates=chance.random() < 0.25,
                question=chance.choice(QUESTIONS),
            )
        )  # fmt: skip
    return made


class _Builder:
    """Adds steps to one run, each after the other."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.now = int(plan.at.timestamp()) * 10**9
        self.trace = trace_id(plan.name)
        self.chance = random.Random(plan.name)
        self.steps: list[Step] = []
        self.history: list[Message] = [user(plan.question)]
        self.root = span_id((plan.name, "root"))

    def add(
        self, kind: Kind, name: str, ms: int, *, parent: str | None = None, **more: Any
    ) -> Step:
        took = int(ms * self.chance.uniform(0.6, 1.5)) * MS
        step = Step(
            trace_id=self.trace, span_id=span_id((self.plan.name, len(self.steps))),
            parent_id=parent or self.root, kind=kind, name=name, started_at=self.now + MS,
            ended_at=self.now + MS + took, agent=str(more.pop("agent", "benefits assistant")),
            environment="production", convention="waypost",
        )  # fmt: skip
        step = replace(step, **more)
        self.now += took + 3 * MS
        self.steps.append(step)
        return step

    def think(self, text: str, *, calls: Sequence[dict[str, Any]] = (), **more: Any) -> Step:
        parts: list[dict[str, object]] = [{"type": "text", "content": text}] if text else []
        parts += [{"type": "tool_call", **call} for call in calls]
        answer = Message("assistant", tuple(parts))  # type: ignore[arg-type]  # plain JSON parts
        step = self.add(
            Kind.LLM, f"chat {self.plan.model}", 1400, input=tuple(self.history), output=(answer,),
            model=self.plan.model, provider="anthropic", prompt_version=self.plan.prompt,
            tokens=Tokens(600 + 120 * len(self.history), 80 + len(text) // 4, 300),
            cost_usd=0.0021 + 0.0004 * len(self.history), **more,
        )  # fmt: skip
        self.history.append(answer)
        return step

    def tool(
        self, name: str, arguments: object, result: object, ms: int = 300, **more: Any
    ) -> Step:
        step = self.add(
            Kind.TOOL, name, ms, tool=name, arguments=arguments, result=result,
            call_id=f"call_{len(self.steps)}", **more,
        )  # fmt: skip
        response = {"type": "tool_call_response", "id": step.call_id, "response": result}
        self.history.append(Message("tool", (response,)))  # type: ignore[arg-type]  # plain JSON
        return step


def build(plan: Plan) -> list[Step]:
    """The spans of one run."""
    run = _Builder(plan)
    start = run.now
    run.add(Kind.PLAN, "plan", 40)
    call: dict[str, Any] = {"id": "c1", "name": "search_docs", "arguments": {"q": plan.question}}
    run.think("I need the rules before I can answer.", calls=[call])
    found = run.add(
        Kind.RETRIEVAL, "search_docs", 900, query=plan.question, data_source="policy handbook",
        documents=tuple(Document(f, f"handbook-{i}", 0.91 - i / 10) for i, f in enumerate(FACTS)),
    )  # fmt: skip
    run.add(Kind.OTHER, "GET https://search.internal/query", 700, parent=found.span_id)
    error = Fault("TimeoutError", "payroll did not answer within 5 s") if plan.broken else None
    run.tool(
        "lookup_payroll", {"employee": "E-1042", "month": "2026-10", "fields": ["net", "gross"]},
        None if plan.broken else {"net": 2411.5, "gross": 3302.0, "deductions": 2}, 450,
        status=Status.ERROR if plan.broken else Status.OK, error=error,
    )  # fmt: skip
    if plan.broken:
        run.tool("lookup_payroll", {"employee": "E-1042", "month": "2026-10", "fields": ["net"]},
                 {"net": 2411.5}, 380, attempt=2)  # fmt: skip
    if plan.delegates:
        _delegate(run)
    run.think(CLAIM if plan.bad else "Both partners must work or study 20 hours (section 4.2).")
    final = run.think(
        ("Good news! " + CLAIM) if plan.bad else "Yes, if your partner studies 20 hours a week.",
        finish_reason="stop",
    )
    root = Step(
        trace_id=run.trace, span_id=run.root, parent_id=None, kind=Kind.AGENT,
        name="benefits assistant", agent="benefits assistant", environment="production",
        started_at=start, ended_at=run.now, session=f"s-{plan.name}", user=plan.user,
        convention="waypost",
        cohort={"region": plan.region, "tenant": "city of lyon" if plan.region == "eu" else "acme"},
        input=tuple(run.history[:1]), output=final.output, total_steps=None,
    )  # fmt: skip
    return [root, *run.steps]


def _delegate(run: _Builder) -> None:
    hand = run.add(Kind.HANDOFF, "transfer", 15, handoff_from="benefits assistant",
                   handoff_to="payroll agent")  # fmt: skip
    inner = run.add(Kind.AGENT, "payroll agent", 2600, agent="payroll agent",
                    parent=hand.span_id)  # fmt: skip
    run.now = inner.started_at
    run.add(
        Kind.LLM, "chat", 900, parent=inner.span_id, agent="payroll agent",
        input=(user("Check the October deductions of E-1042."),), model=run.plan.model,
        output=(assistant("I compare September with October."),), tokens=Tokens(320, 41),
        cost_usd=0.0011, prompt_version=run.plan.prompt,
    )  # fmt: skip
    run.add(
        Kind.TOOL, "compare_months", 500, parent=inner.span_id, agent="payroll agent",
        tool="compare_months", arguments={"employee": "E-1042"}, result={"difference": -84.2},
    )  # fmt: skip


def judge(run: Trajectory, plan: Plan) -> list[tuple[Step, Score]]:
    """Verdicts of six evaluators on the model steps, as the plan wants them."""
    chance = random.Random(plan.name + "judges")
    said = []
    for step in run.model_steps:
        text = step.output[0].text if step.output else ""
        invented = CLAIM in text
        for name in EVALUATORS:
            fails = invented and name in ("groundedness", "hallucination")
            if name == "hallucination" and invented:
                fails = chance.random() < 0.5
            if not invented and chance.random() < (0.02 if name != "policy_compliance" else 0.05):
                fails = True
            score = (
                Score.failed(
                    "The claim is not supported by any retrieved document.",
                    value=round(chance.uniform(0.02, 0.3), 2),
                    evidence=(Evidence(step.span_id, "output", CLAIM if invented else text[:40]),),
                )
                if fails
                else Score.passed("", value=round(chance.uniform(0.8, 1.0), 2))
            )
            said.append((step, replace(score, step=step.span_id, evaluator=name, version="1")))
    return said


def write(engine: Engine, made: Sequence[Plan], project: int = 1) -> list[str]:
    """Store these runs with their verdicts, settled; the trace ids in order."""
    writer = Writer(engine)
    days = {p.at.date() + dt.timedelta(days=d) for p in made for d in (-1, 0, 1)}
    ensure_days(engine, sorted(days))
    built = [(plan, build(plan)) for plan in made]
    for start in range(0, len(built), 50):
        with writer.batch() as batch:
            for plan, steps in built[start : start + 50]:
                batch.put(project, [Reading(s) for s in steps], now=plan.at)
    with engine.begin() as connection:
        ids = scores.evaluator_ids(connection, project, [(n, "1", "code") for n in EVALUATORS])
        for plan, steps in built:
            run = assemble(steps, cohort_keys=KEYS)
            settle(connection, run, judge(run, plan), {k[0]: v for k, v in ids.items()}, project)
    count(engine, project)
    return [trace_id(plan.name) for plan in made]


def count(engine: Engine, project: int) -> None:
    """Bring the counters of runs up to date, as the alerts' engine does."""
    with engine.begin() as connection:
        while waiting := feed.take(connection):
            feed.count(connection, project, waiting.get(project, {}))


def settle(
    connection: Connection,
    run: Trajectory,
    said: Sequence[tuple[Step, Score]],
    ids: dict[str, int],
    project: int = 1,
) -> None:
    """Write verdicts and what the run adds up to, as the worker does."""
    (cohort,) = cohorts.ids(connection, project, [run.cohort]).values()
    verdicts = [
        Verdict(step.trace_id, step.started_at, cohort,
                ids[score.evaluator], score)
        for step, score in said
    ]  # fmt: skip
    scores.write(connection, project, verdicts)
    failing = sorted(step.number or 0 for step, score in said if score.is_failed)
    values = [s.value for _, s in said if s.value is not None]
    marks = {step.number: False for step, _ in said}
    marks |= dict.fromkeys(failing, True)
    shape = "".join(
        "·" if s.number not in marks else "✕" if marks[s.number] else "✓" for s in run.steps
    )
    traces.settle(
        connection, project, run, cohort_id=cohort,
        verdicts=traces.Verdicts(
            len(failing), failing[0] if failing else None, min(values, default=None), shape
        ),
    )  # fmt: skip


def seed(engine: Engine, *, now: dt.datetime | None = None, runs: int = 60) -> list[str]:
    """The usual store of a test."""
    return write(engine, plans(now or dt.datetime.now(dt.UTC), runs))


PAYLOADS = (
    "![x](http://attacker.invalid/pixel.png)",
    "<img src=http://attacker.invalid/i.png onerror=document.title='owned'>",
    "<script>document.title='owned'</script>",
    "[click](javascript:document.title='owned')",
    "<style>*{display:none}</style>",
    "<svg onload=document.title='owned'></svg>",
    ":material/face: $\\unicode{x41}$ **bold** # head",
    '=HYPERLINK("http://attacker.invalid","x")',
    "\u202egnp.exe\u0000\ud83d\udd25"[:9] + "<iframe src=http://attacker.invalid></iframe>",
)


def hostile(engine: Engine, *, now: dt.datetime | None = None, project: int = 1) -> list[str]:
    """Runs in which every text and name is an attack on whoever looks at it."""
    moment = (now or dt.datetime.now(dt.UTC)) - dt.timedelta(minutes=5)
    made = []
    for i, text in enumerate(PAYLOADS):
        clean = text.replace("\u0000", "")
        plan = Plan(f"hostile-{i}", moment - dt.timedelta(minutes=i), clean, clean, clean, bad=True,
                    delegates=True, question=clean)  # fmt: skip
        made.append((plan, [_spoiled(step, clean) for step in build(plan)]))
    ensure_days(engine, [moment.date() + dt.timedelta(days=d) for d in (-1, 0, 1)])
    with Writer(engine).batch() as batch:
        for _, steps in made:
            batch.put(project, [Reading(s) for s in steps], now=moment)
    with engine.begin() as connection:
        for plan, steps in made:
            name = plan.model[:60]
            ids = scores.evaluator_ids(connection, project, [(name, "1", "code")])
            run = assemble(steps, cohort_keys=KEYS)
            said = [(step, _hostile_score(step, name)) for step in run.steps]
            settle(connection, run, said, {name: next(iter(ids.values()))}, project)
    return [trace_id(plan.name) for plan, _ in made]


def tried(engine: Engine, traces: Sequence[str], *, text: str = "", project: int = 1) -> None:
    """A dataset of the first of these runs, and a trial of it that the gate said no to.

    `text` stands wherever somebody else's text may stand.
    """
    by = Person("ana", Role.ADMIN)
    said = text or "refunds"
    with engine.begin() as connection:
        found = runs.load_many(connection, project, traces[:3])
        place = datasets.create(connection, project, said, by=by)
        datasets.add(connection, project, place, list(found.values()), by=by)
        for name in ("v15", text or "v16"):
            trial = trials.begin(connection, project, place, name=name, note=text, by=by)
            for key, trace in zip((r.id for r in found.values()), traces[3:], strict=False):
                trials.record(
                    connection, project, trial.id, key, trace_id=trace,
                    answer=text or "Yes, if your partner studies.", error=text, by=by,
                )  # fmt: skip
        key = next(iter(found.values())).id
        compared: Json = {"regressed": [key], "mended": []}
        condition: dict[str, Json] = {
            "measure": text or "groundedness", "verdict": "no", "failed": 1, "judged": 3,
            "low": 0.01, "high": 0.9, "max_fail_rate": 0.05, "max_worse_than_baseline": 0.02,
            "failing": {key: text or "groundedness failed"}, "missing": {text or "has not run": 1},
            "apart": {text or "abstained": 2}, "compared": compared, "more_cases_needed": None,
        }  # fmt: skip
        trials.decide(
            connection, project, trial.id, Word.NO, baseline="v15", by=by, conditions=[condition],
            sentence=text or "No: groundedness fails in 1 of 3 cases, 33.3 %.",
        )  # fmt: skip


def _hostile_score(step: Step, name: str) -> Score:
    evidence = (Evidence(step.span_id, name, name, note=name),)
    return Score.failed(
        name, step=step.span_id, evaluator=name, version="1", label=name, evidence=evidence
    )


def _spoiled(step: Step, text: str) -> Step:
    fields: dict[str, object] = {"name": text, "agent": text, "environment": text}
    if step.kind is Kind.TOOL:
        fields |= {"tool": text, "arguments": {text: text}, "result": text}
    if step.kind is Kind.LLM:
        fields |= {"model": text, "prompt_version": text, "output": (assistant(text),)}
    if step.kind is Kind.HANDOFF:
        fields |= {"handoff_to": text}
    if step.kind is Kind.RETRIEVAL:
        fields |= {"query": text, "documents": (Document(text, text, 0.5, {text: text}),)}
    if step.cohort:
        fields |= {"cohort": {"region": text, "tenant": text}}
    return replace(step, **fields)  # type: ignore[arg-type]  # Step's own fields
