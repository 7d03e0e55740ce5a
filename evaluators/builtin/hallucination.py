"""Numbers, names, ids, links and citations in an answer must have been seen somewhere before it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from evaluators.evaluator import evaluator
from evaluators.figures import is_one_of, readings
from evaluators.language import likeliest_language
from evaluators.ledger import EVIDENCE, NEVER, Ledger
from evaluators.surroundings import ALONE, Surroundings, answer_text
from evaluators.text import (
    STOP_WORDS,
    WORD,
    Span,
    plain_number,
    quote,
    sentences,
    stem,
    without_code,
)
from waypost.records import Evidence, Kind, Score, Step

NUMBER = re.compile(
    r"(?<![\w.,:/#-])[$€£]?(?:\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}"
    r"|\d+,\d{1,2}(?![\d,.]*\d)|(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)%?(?![\w:/-]*\w)"
)
LINK = re.compile(r"https?://[^\s)\]>\"'`*]+|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{0,63}\w")
IDENTIFIER = re.compile(
    r"(?<![\w/])#?(?=[\w-]{0,40}\d)(?=[\w-]{0,40}[A-Z])[A-Z\d][\w-]{4,40}(?![\w/])"
)
NAME = re.compile(r"(?<![\w'’-])[^\W\d_a-z][\w'’]+(?:-\w+)*")
ENDING = re.compile(r"['’](?:s|m|ll|re|ve|d|t)$")
CITATION = re.compile(r"\[(\d{1,3})\]")
LIST_MARK = re.compile(r"^\s*(?:[-*•]\s+|#+\s*)?(?:\d+[.)]\s)?\s*", re.MULTILINE)
BOLD = re.compile(r"\*\*[^*\n]+\*\*:?|__[^_\n]+__:?")
OPENERS = frozenset("\"“‘'*:;–—-(#>|_`…•.!?/&")
_COMMON = """
    monday tuesday wednesday thursday friday saturday sunday january february march april may june
    july august september october november december english american america internet mr mrs ms
    dr united states yes no ok am pm usd us usa uk faq id"""
COMMON = frozenset(_COMMON.split())
LARGEST_SUM = 60
LONGEST_NUMBER = 15
LONGEST = 20_000
MOST_VALUES = 300


@dataclass(frozen=True, slots=True)
class Value:
    """A checkable value of an answer."""

    kind: str
    text: str
    start: int
    end: int


@evaluator(version=3, kinds=(Kind.LLM,))
def hallucination(
    step: Step,
    around: Surroundings = ALONE,
    *,
    kinds: tuple[str, ...] = ("number", "name", "link", "identifier", "citation"),
) -> Score | None:
    """Fail when an answer states a checkable value that nothing before it contains."""
    answer = without_code(answer_text(step)[:LONGEST])
    if not answer.strip() or any(m.tool_calls for m in step.output):
        return None
    place, ledger = around.place(step), around.ledger
    if not ledger.has(place, EVIDENCE):
        return Score.abstained("no document or tool result to check the answer against")
    # Beside records alone a name may be common knowledge: the city of an airport's code.
    # German writes every noun like a name.
    names_show = ledger.prose < place and likeliest_language(answer) != "german"
    checked = {*kinds} if names_show else {*kinds} - {"name"}
    values = list(islice((v for v in _values(answer) if v.kind in checked), MOST_VALUES))
    if not values:
        return Score.abstained("the answer holds no value that could be checked")
    unseen = [v for v in values if not _is_known(v, ledger, place)]
    if not unseen:
        return Score.passed(f"all {len(values)} checkable values were seen before")
    return _failed(step, answer, values, unseen, around)


def _values(answer: str) -> Iterator[Value]:
    text = LIST_MARK.sub(lambda m: " " * len(m.group()), answer)
    taken: list[Value] = []
    for kind, pattern in PATTERNS:
        for match in pattern.finditer(text):
            value = Value(kind, match.group(), *match.span())
            if len(taken) < MOST_VALUES and not any(_overlap(v, value) for v in taken):
                taken.append(value)
    yield from taken
    for sentence in sentences(text):
        yield from _names(sentence, taken)


def _overlap(one: Value, other: Value) -> bool:
    return one.start < other.end and other.start < one.end


PATTERNS = (("link", LINK), ("citation", CITATION), ("identifier", IDENTIFIER), ("number", NUMBER))


def _names(sentence: Span, taken: list[Value]) -> Iterator[Value]:
    """Capitalised words inside a sentence; headings and title case say nothing about names."""
    text = BOLD.sub(lambda m: " " * len(m.group()), sentence.text)
    found = WORD.findall(text)
    if sum(w[0].isupper() for w in found) > 0.5 * len(found):
        return
    for match in NAME.finditer(text):
        before = text[: match.start()].rstrip()
        start = sentence.start + match.start()
        if (
            before
            and before[-1] not in OPENERS
            and not any(v.start <= start < v.end for v in taken)
        ):
            yield Value("name", match.group(), start, start + len(match.group()))


def _is_known(value: Value, ledger: Ledger, place: int) -> bool:
    match value.kind:
        case "citation":
            return int(value.text[1:-1]) <= max(20, len(ledger.entries))
        case "number":
            return _is_known_number(value.text, ledger, place)
        case "name":
            return _is_known_name(value.text, ledger, place)
        case _:
            return ledger.knows(value.text, place)


def _is_known_name(word: str, ledger: Ledger, place: int) -> bool:
    plain = ENDING.sub("", word.lower())
    if len(plain) < 3 or plain in COMMON or plain in STOP_WORDS or ledger.knows(word, place):
        return True
    forms = (plain, plain + "'s", plain + "’s", plain + "s", plain.removesuffix("s"), stem(plain))
    if any(ledger.first.get(form, NEVER) < place for form in forms):
        return True
    if plain not in ledger.vocabulary:
        return False
    return any(plain in w for w, p in ledger.first.items() if p < place and len(w) > len(plain))


def _is_known_number(text: str, ledger: Ledger, place: int) -> bool:
    """Small numbers count things; others must have been seen, or follow from what was."""
    forms = readings(text)
    if any(len(form) > LONGEST_NUMBER or _follows(form, ledger, place) for form in forms):
        return True
    parts = text.split(",")  # 7,9 may be two numbers
    return len(parts) == 2 and all(_follows(plain_number(part), ledger, place) for part in parts)


def _follows(plain: str, ledger: Ledger, place: int) -> bool:
    if ledger.numbers.get(plain, NEVER) < place or ("." not in plain and int(plain) <= 12):
        return True
    if _is_computed(float(plain), ledger, place):
        return True
    seen = [float(n) for n, p in ledger.numbers.items() if p < place and len(n) < LONGEST_NUMBER]
    seen += [total for p, total in ledger.totals if p < place]
    return is_one_of(plain, seen)


def _is_computed(number: float, ledger: Ledger, place: int) -> bool:
    """Whether a sum, difference or product of two seen numbers gives this one."""
    seen = [float(n) for n, p in ledger.numbers.items() if p < place and len(n) < 9]
    if len(seen) > LARGEST_SUM:
        return True
    known = {round(n, 2) for n in seen}
    return any(
        round(number - n, 2) in known
        or round(number + n, 2) in known
        or (n > 0 and round(number / n, 2) in known)
        for n in seen
    )


def _failed(
    step: Step, answer: str, values: list[Value], unseen: list[Value], around: Surroundings
) -> Score:
    contradicted = [v for v in unseen if _contradiction(v, answer, step, around)]
    first = (contradicted or unseen)[0]
    against = _contradiction(first, answer, step, around)
    why = f"the evidence says {against!r}" if against else "it appears nowhere before this answer"
    return Score.failed(
        f"{first.kind} {quote(first.text, 60)}: {why}",
        value=max(0.0, 1 - len(unseen) / len(values)) * 0.5,
        label="contradicted" if against else "unsupported",
        evidence=tuple(
            Evidence(step=step.id, where="output", quote=v.text, start=v.start, end=v.end)
            for v in unseen[:5]
        ),
    )


def _contradiction(value: Value, answer: str, step: Step, around: Surroundings) -> str:
    """The number that the evidence gives in a sentence otherwise like the answer's."""
    if value.kind != "number":
        return ""
    said = next((s for s in sentences(answer) if s.start <= value.start < s.end), None)
    told = {stem(w) for w in WORD.findall((said.text if said else "").lower())} - STOP_WORDS
    for text in around.ledger.texts(around.place(step), EVIDENCE)[-20:]:
        for sentence in sentences(text[:20_000]):
            theirs = {stem(w) for w in WORD.findall(sentence.text.lower())}
            number = NUMBER.search(sentence.text)
            if (
                number
                and plain_number(number.group()) != plain_number(value.text)
                and _alike(told, theirs)
            ):
                return number.group()
    return ""


def _alike(told: set[str], theirs: set[str]) -> bool:
    return len(told) > 3 and len(told & theirs) >= 0.7 * (len(told) - 1)
