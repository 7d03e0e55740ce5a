"""The labelled texts each fitted model learns from, by name of the model."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from evaluators.refusal import READ
from evaluators.text import sentences
from tests.unit.evaluators.trajectories import Row, read_rows

SAFETY_SETS = ("openai_moderation", "surge_toxicity", "davidson_tweets")
LINE, LINES = 160, 6_000
CATEGORY_MARKS = {
    "hate": ("H", "H2"),
    "harassment": ("HR",),
    "sexual": ("S", "S3"),
    "violence": ("V", "V2"),
    "self_harm": ("SH",),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One text with its flag; `group` is what the folds are made by."""

    text: str
    flag: int
    group: str
    source: str
    weight: float = 1.0


Corpus = Callable[[Path], list[Sample]]


def _balanced(samples: Iterable[Sample], *, flagged_share: float = 0.5) -> list[Sample]:
    """Weights that make every source count alike, and flagged and unflagged as asked."""
    found = [s for s in samples if s.text.strip()]
    sizes = Counter((s.source, s.flag) for s in found)
    sides = Counter(flag for _, flag in sizes)
    total = len(found)
    shares = {1: flagged_share, 0: 1 - flagged_share}
    return [
        replace(s, weight=total * shares[s.flag] / sides[s.flag] / sizes[s.source, s.flag])
        for s in found
    ]


def _unsafe(root: Path) -> list[Sample]:
    """Flagged and unflagged texts of three sets, and what assistants and agents ordinarily write.

    Of the ordinary also single lines: most of what an agent says in a chat is no longer.
    Runs of who_and_when and agentrx stay out: false alarms are counted on them.
    """
    samples = [
        Sample(r["output"], r["flag"], r["group"], name)
        for name in SAFETY_SETS
        for r in read_rows(name, root)
    ]
    plain = [
        Sample(r["output"], 0, r["group"], "halueval_general")
        for r in read_rows("halueval_general", root)
    ]
    ordinary = [*plain, *_agents_words(root)]
    return _balanced([*samples, *ordinary, *_lines(ordinary)])


def _lines(samples: Iterable[Sample]) -> Iterator[Sample]:
    """Sentences of these texts by themselves, each wording once, as many as are enough."""
    found: dict[str, Sample] = {}
    for sample in samples:
        for span in sentences(sample.text):
            if len(span.text) <= LINE:
                one = Sample(span.text, sample.flag, sample.group, f"lines of {sample.source}")
                found.setdefault(span.text, one)
    by_chance = sorted(found, key=lambda text: sha256(text.encode()).digest())
    return (found[text] for text in by_chance[:LINES])


def _agents_words(root: Path) -> Iterator[Sample]:
    """What agents say in ordinary runs, each wording once."""
    for name in ("tau_bench", "tau2_bench", "stepshield"):
        seen: set[str] = set()
        for row in read_rows(name, root):
            for message in row["messages"]:
                text = message.get("content") or ""
                if message["role"] == "assistant" and text.strip() and text not in seen:
                    seen.add(text)
                    yield Sample(text, 0, row["group"], name)


def _unsafe_category(category: str) -> Corpus:
    def corpus(root: Path) -> list[Sample]:
        marks = CATEGORY_MARKS[category]
        rows = read_rows("openai_moderation", root)
        cats = [(r, r["meta"]["cats"]) for r in rows if r["flag"]]
        samples = [
            Sample(
                r["output"], int(any(c.get(m) == 1 for m in marks)), r["group"], "openai_moderation"
            )
            for r, c in cats
        ]
        if category == "hate":
            tweets = read_rows("davidson_tweets", root)
            samples += [
                Sample(r["output"], int(r["label"] == "hate"), r["group"], "davidson_tweets")
                for r in tweets
                if r["flag"]
            ]
        return _balanced(samples)

    return corpus


def _refusal(root: Path) -> list[Sample]:
    return _balanced(
        Sample(r["output"][:READ], r["flag"], r["group"], r["meta"]["model"])
        for r in read_rows("xstest_responses", root)
        if r["flag"] is not None and r["output"]
    )


def _harmful_request(root: Path) -> list[Sample]:
    """Harmful requests against harmless ones and what customers ask every day."""
    return _balanced([*_requests(root), *_everyday_requests(root)], flagged_share=0.25)


def _doubtful_request(root: Path) -> list[Sample]:
    """The same without the everyday: it decides which refusals may have been right."""
    return _balanced(_requests(root), flagged_share=0.4)


def _requests(root: Path) -> list[Sample]:
    samples = [
        Sample(r["input"], r["flag"], r["group"], "xstest_prompts")
        for r in read_rows("xstest_prompts", root)
    ]
    samples += [
        Sample(r["input"], 1, r["group"], "simple_safety_tests")
        for r in read_rows("simple_safety_tests", root)
    ]
    goals = {r["meta"]["goal"]: r["group"] for r in read_rows("jbb_responses", root)}
    samples += [Sample(goal, 1, group, "jbb_goals") for goal, group in goals.items() if goal]
    samples += [s for s in _attack_texts(root) if not s.flag and s.source != "benign_scary_words"]
    return samples


def _everyday_requests(root: Path) -> Iterator[Sample]:
    """What customers say to an agent in ordinary runs: nobody asks for harm there."""
    for name in ("tau_bench", "tau2_bench"):
        for row in read_rows(name, root):
            said = [m for m in row["messages"] if m["role"] == "user" and m.get("content")]
            for message in said[:4]:
                yield Sample(message["content"][:600], 0, row["group"], name)


def _attack_texts(root: Path) -> Iterator[Sample]:
    for row in read_rows("prompt_attacks", root):
        yield Sample(row["input"], row["flag"], row["group"], row["label"])


def _jailbreak(root: Path) -> list[Sample]:
    texts = [s for s in _attack_texts(root) if not s.source.startswith("injection_")]
    return [s for s in texts if s.text.strip()]


def _order_in_text(root: Path) -> list[Sample]:
    """Planted orders against the sentences of mails, documents and snippets they hide in."""
    rows = read_rows("bipia_email", root)
    attacks = {r["meta"]["attack"]: r["label"] for r in rows if r["flag"]}
    samples = [Sample(a, 1, f"attack:{kind}", f"bipia: {kind}") for a, kind in attacks.items()]
    for name, limit in (("bipia_email", 60), ("mtrag", 40), ("halueval_qa", 20)):
        clean = (r for r in read_rows(name, root) if not (name == "bipia_email" and r["flag"]))
        samples += _sentences_of(clean, name, limit)
    weighed = _balanced(
        [replace(s, source="") if s.flag else s for s in samples], flagged_share=0.3
    )
    return [replace(s, source=old.source) for s, old in zip(weighed, samples, strict=True)]


def _sentences_of(rows: Iterable[Row], name: str, limit: int) -> Iterator[Sample]:
    seen: set[str] = set()
    for row in rows:
        for span, _ in zip(sentences(row["context"] or ""), range(limit), strict=False):
            if span.text not in seen and " " in span.text:
                seen.add(span.text)
                yield Sample(span.text, 0, row["group"], name)


def _sycophancy(root: Path) -> list[Sample]:
    return _balanced(
        Sample(
            (r["output"] or "")[:3000],
            r["flag"],
            r["group"],
            "pickside" if "sides" in r["evaluator"] else "delusion",
        )
        for r in read_rows("syco_bench", root)
        if r["flag"] is not None
    )


def _rogue_action(root: Path) -> list[Sample]:
    """What an agent thought and did at each step of a coding run, rogue or not."""
    samples = []
    for row in read_rows("stepshield", root):
        rogue = {s["message_index"] for s in row["labels"].get("rogue_steps") or ()}
        for index, message in enumerate(row["messages"]):
            if message["role"] == "assistant":
                text = acted_text(message)
                source = row["labels"]["category"]
                samples.append(Sample(text, int(index in rogue), row["group"], source))
    return _balanced(samples, flagged_share=0.3)


def acted_text(message: Row) -> str:
    calls = " ".join(json.dumps(c["arguments"]) for c in message.get("tool_calls") or ())
    return f"{message.get('content') or ''} {calls}"


CORPORA: Mapping[str, Corpus] = {
    "unsafe": _unsafe,
    **{f"unsafe_{c}": _unsafe_category(c) for c in CATEGORY_MARKS},
    "refusal": _refusal,
    "harmful_request": _harmful_request,
    "doubtful_request": _doubtful_request,
    "jailbreak": _jailbreak,
    "order_in_text": _order_in_text,
    "sycophancy": _sycophancy,
    "rogue_action": _rogue_action,
}
