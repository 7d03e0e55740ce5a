"""One step as the replay shows it: what was new, what was called, what came back, who judged it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import orjson

from ui import words
from ui.outline import Judged, label_of
from waypost.records import Evidence, Json, Kind, Message, Step, Trajectory
from waypost.store.scores import StoredScore

LONGEST = 20_000
_RAW = 200_000
_OTHERS = 50


class Payloads:
    """Builds the payloads of one run; what all of them need is worked out once."""

    def __init__(self, judged_run: Judged, *, before: int = 0) -> None:
        self._judged = judged_run
        self._first = before + 1
        self._run = judged_run.run
        self._before = _contexts(self._run)
        self._previous = _previous_calls(self._run)
        self._others = _others_below(self._run)
        self._numbers = {step.span_id: step.number for step in self._run.steps}

    def window(self, first: int, count: int) -> list[Json]:
        """The payloads of `count` steps from number `first`."""
        start = first - self._first
        found = self._run.steps[max(0, start) : max(0, start + count)]
        return [self.one(step) for step in found]

    def one(self, step: Step, *, whole: bool = False) -> Json:
        """The payload of a step; `whole` brings old messages, long texts and the raw span."""
        limit = _RAW * 50 if whole else LONGEST
        kept = self._before.get(step.span_id, 0)
        found: dict[str, Json] = {
            "n": step.number,
            "span": step.span_id,
            "kind": str(step.kind),
            "label": label_of(step),
            "name": step.name,
            "status": str(step.status),
            "agent": step.agent,
            "turn": step.turn,
            "attempt": step.attempt,
            "at": step.started_at // 1_000_000,
            "took": step.duration / 1e6,
            "kept": kept,
            "messages": [_message(m, limit) for m in (step.input if whole else step.input[kept:])],
            "output": [_message(m, limit) for m in step.output],
            "gaps": _gaps(step),
            "facts": _facts(step),
            "judges": [_judge(s, step, self._numbers) for s in self._judged.scores(step)],
            "others": self._others.get(step.span_id, []),
        }
        found |= _of_kind(step, limit)
        previous = self._previous.get(step.span_id)
        if previous is not None:
            found["previous"] = {
                "n": previous.number,
                "arguments": pretty(previous.arguments, limit),
            }
        if step.error is not None:
            found["error"] = {
                "type": step.error.type,
                "message": cut(step.error.message, limit),
                "stack": cut(step.error.stack, limit),
            }
        if whole:
            found["raw"] = raw(step)
        return found


def raw(step: Step) -> str:
    """The step as JSON text, for reading and copying."""
    plain = asdict(step)
    plain["input"] = [m.as_json() for m in step.input]
    plain["output"] = [m.as_json() for m in step.output]
    body = orjson.dumps(
        {k: v for k, v in plain.items() if v not in (None, "", (), [], {})},
        option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS,
        default=_default,
    )
    return cut(body.decode(), _RAW * 50)


def _default(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return sorted(value) if isinstance(value, frozenset) else str(value)


def _of_kind(step: Step, limit: int) -> dict[str, Json]:
    found: dict[str, Json] = {}
    if step.kind is Kind.TOOL:
        found["tool"] = step.tool or step.name
        found["arguments"] = pretty(step.arguments, limit)
        found["executed"] = step.executed
        found["call"] = step.call_id
    if step.result is not None:
        found["result"] = pretty(step.result, limit)
    if step.query is not None:
        found["query"] = cut(step.query, limit)
    if step.documents:
        found["documents"] = [
            {"id": d.id, "score": d.score, "content": cut(d.content, limit)} for d in step.documents
        ]
    if step.memory is not None:
        memory = step.memory
        found["memory"] = pretty(asdict(memory), limit)
    if step.guard is not None:
        found["guard"] = pretty(asdict(step.guard), limit)
    if step.human is not None:
        found["human"] = pretty(asdict(step.human), limit)
    if step.system:
        found["system"] = pretty(list(step.system), limit)
    return found


def _facts(step: Step) -> list[Json]:
    """Short pairs of what is known of a step beside its payload."""
    tokens = step.tokens
    pairs: list[tuple[str, Json]] = [
        ("model", step.model or step.model_requested),
        ("provider", step.provider),
        ("route", step.route),
        ("prompt", " ".join(t for t in (step.prompt_name, step.prompt_version) if t) or None),
        ("tokens in", tokens.input),
        ("cached", tokens.cache_read),
        ("tokens out", tokens.output),
        ("reasoning", tokens.reasoning),
        ("cost", None if step.cost_usd is None else f"${step.cost_usd:.6g}"),
        ("first token", None if step.ttft is None else f"{step.ttft / 1e6:.0f} ms"),
        ("finish", step.finish_reason),
        ("fallbacks", ", ".join(step.fallbacks) or None),
        ("read as", step.convention),
    ]
    return [[name, value] for name, value in pairs if value is not None]


def _gaps(step: Step) -> list[Json]:
    """What of this step is not here, in words."""
    said: list[Json] = []
    if not step.input_complete:
        said.append("The input is incomplete: an earlier part of it never arrived.")
    words = {
        "missing": "not stored any more",
        "truncated": "was cut on the way",
        "dropped": "was left out on the way",
        "redacted": "masked",
        "unread": "could not be read as this; its attributes are kept",
    }
    for note in step.notes[:20]:
        head, _, amount = note.partition("=")
        what, _, name = head.partition(":")
        if what == "missing":
            name, amount = amount, ""
        told = words.get(what, what.replace("_", " "))
        said.append(": ".join(t for t in (name, told) if t) + (f" ({amount})" if amount else ""))
    return said


def _judge(stored: StoredScore, step: Step, numbers: Mapping[str, int | None]) -> Json:
    score = stored.score
    return {
        "evaluator": score.evaluator,
        "title": words.judge(score.evaluator),
        "version": score.version,
        "source": score.source,
        "by": score.by,
        "outcome": "noted" if stored.noted else str(score.outcome),
        "value": score.value,
        "label": score.label,
        "why": cut(score.explanation, 4000),
        "cost": score.cost_usd,
        "evidence": [_evidence(e, step, numbers) for e in score.evidence[:20]],
    }


def _evidence(evidence: Evidence, step: Step, numbers: Mapping[str, int | None]) -> Json:
    elsewhere = evidence.step is not None and evidence.step != step.span_id
    return {
        "where": evidence.where,
        "quote": cut(evidence.quote, 2000),
        "note": cut(evidence.note, 1000),
        "step": evidence.step,
        "at": numbers.get(evidence.step or "") if elsewhere else None,
    }


def _message(message: Message, limit: int) -> Json:
    return {"role": message.role, "parts": [_part(dict(part), limit) for part in message.parts]}


def _part(part: dict[str, Json], limit: int) -> Json:
    kind = part.get("type")
    content = part.get("content")
    if kind in ("text", "reasoning") and isinstance(content, str):
        return {"type": kind, "text": cut(content, limit)}
    if kind == "tool_call":
        name = part.get("name")
        shown = pretty(part.get("arguments"), limit)
        return {"type": kind, "name": name, "id": part.get("id"), "text": shown}
    if kind == "tool_call_response":
        shown = pretty(part.get("response", part.get("result")), limit)
        failed = part.get("status") == "error"
        return {"type": kind, "id": part.get("id"), "text": shown, "failed": failed}
    return {"type": str(kind or "part"), "text": pretty(part, limit)}


def pretty(value: object, limit: int = LONGEST) -> str:
    """A value as text: a string as it is, JSON indented."""
    if isinstance(value, str):
        return cut(_indented(value), limit)
    body = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
    return cut(body.decode(), limit)


def _indented(text: str) -> str:
    """JSON inside a string, indented; any other text unchanged."""
    if len(text) > LONGEST or text[:1] not in ("{", "["):
        return text
    try:
        return orjson.dumps(orjson.loads(text), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return text


def cut(text: str, limit: int = LONGEST) -> str:
    """The text up to a limit; how much is missing is said, and `whole` brings it."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n… {len(text) - limit:,} more characters"


def _contexts(run: Trajectory) -> dict[str, int]:
    """How many leading messages of each input an earlier step of the same agent already had."""
    latest: dict[str, tuple[Message, ...]] = {}
    kept: dict[str, int] = {}
    for step in run.steps:
        if not step.input:
            continue
        line = step.agent or ""
        known = (*latest.get(line, ()),)
        kept[step.span_id] = _common(known, step.input)
        latest[line] = (*step.input, *step.output)
    return kept


def _common(one: Sequence[Message], other: Sequence[Message]) -> int:
    most = min(len(one), len(other))
    for i in range(most):
        if one[i] is not other[i] and one[i] != other[i]:
            return i
    return most


def _previous_calls(run: Trajectory) -> dict[str, Step]:
    latest: dict[str, Step] = {}
    found: dict[str, Step] = {}
    for step in run.tool_steps:
        name = step.tool or step.name
        if name in latest:
            found[step.span_id] = latest[name]
        latest[name] = step
    return found


def _others_below(run: Trajectory) -> dict[str, list[Json]]:
    """HTTP, SQL and other spans by the step they hang below, however deep."""
    steps = {s.span_id for s in run.steps}
    parents = {s.span_id: s.parent_id for s in (*run.others, *run.scopes)}
    found: dict[str, list[Json]] = defaultdict(list)
    owners: dict[str, str | None] = {}
    for span in run.others:
        owner = _owner(span.parent_id, parents, steps, owners)
        if owner is not None and len(found[owner]) < _OTHERS:
            found[owner].append(
                {"name": span.name[:200], "took": span.duration / 1e6, "status": str(span.status)}
            )
    return found


def _owner(
    span: str | None,
    parents: Mapping[str, str | None],
    steps: set[str],
    known: dict[str, str | None],
) -> str | None:
    chain: dict[str, None] = {}
    while span is not None and span not in steps and span not in known and span not in chain:
        chain[span] = None
        span = parents.get(span)
    owner = span if span in steps else (known.get(span) if span is not None else None)
    known |= dict.fromkeys(chain, owner)
    return owner


def find(run: Trajectory, text: str, *, most: int = 500) -> list[int]:
    """The numbers of the steps in which a text stands, whatever its case."""
    wanted = text.casefold()
    if not wanted:
        return []
    numbers = (s.number or 0 for s in run.steps if wanted in _haystack(s).casefold())
    return [number for number, _ in zip(numbers, range(most), strict=False)]


def _haystack(step: Step) -> str:
    parts = [step.name, step.tool or "", step.query or "", step.error.message if step.error else ""]
    parts += [pretty(v, _RAW) for v in (step.arguments, step.result) if v is not None]
    parts += [d.content for d in step.documents]
    parts += [_all_text(m) for m in (*step.input[-1:], *step.output)]
    return "\n".join(parts)


def _all_text(message: Message) -> str:
    return "\n".join(pretty(dict(part), _RAW) for part in message.parts)
