"""How much of an answer the evidence supports, claim by claim, by the words they share."""

# ruff: noqa: E501  a pattern reads better whole

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from evaluators.text import STOP_WORDS, WORD, Span, sentences, stem, without_code

SMALL_TALK = re.compile(
    r"(?:hi|hello|hey|sure|certainly|of course|great|thank(?:s| you)|you(?:'|’)?re welcome"
    r"|let me know|feel free|is there anything|please (?:let|tell|provide|confirm)|i hope"
    r"|i(?:'|’)d be happy|happy to help|have a (?:great|nice|good))\b",
    re.IGNORECASE,
)
DEFLECTION = re.compile(
    r"\b(?:no|not|n[o'’]t|unable|cannot)\b.{0,40}\b(?:information|mention(?:ed)?|details?|answer"
    r"|specified|documents?|context|find|know)\b",
    re.IGNORECASE,
)
NEXT = re.compile(
    r"(?:[-*#\d.)\s]*)(?:\*\*)?(?:let(?:'|’)?s|let me|i(?:'|’)?ll|i will|we(?:'|’)?ll|we will|we (?:need|should|can)"
    r"|i(?:'|’)?m going to|next,|first,|to (?:do|solve|address|verify|proceed|determine|find)\b|step \d)\b",
    re.IGNORECASE,
)
OFFER = re.compile(
    r"\b(?:let me know|tell me (?:if|whether)|if you(?:(?:'|’)d| would) like|feel free)\b",
    re.IGNORECASE,
)
_COURTESY = """again another anything anytime apologies apologize apologise assist assistance back best come
    contact day else enjoy enjoying evening feel forward free further glad good great happy help hear
    hearing hesitate hope inconvenience know let lovely luck morning need needs nice night pleasure question
    questions reach regards safe sorry thank thanks time trip weekend welcome wish wishes wonderful"""
SMALL = STOP_WORDS | frozenset(_COURTESY.split())
_WORD_BEGINS = re.compile(r"(?<!['’\w])[^\W_]+")  # of "you're" the "you"
LEAST_WORDS = 3


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement of the answer, its weight in words, and the part that no evidence holds."""

    span: Span
    weight: int
    novelty: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """The words and stems that were known as evidence before a place in the run."""

    words: Mapping[str, int]
    stems: Mapping[str, int]
    place: int

    def novelty(self, text: str) -> tuple[int, float]:
        """How many words a text has, and which share of them (all, and telling) is new."""
        found = WORD.findall(text.lower())
        telling = [w for w in found if w not in STOP_WORDS]
        new = sum(self.words.get(w, self.place) >= self.place for w in found)
        new_telling = sum(self.stems.get(stem(w), self.place) >= self.place for w in telling)
        shares = new / max(1, len(found)), new_telling / max(1, len(telling))
        return len(found), sum(shares) / 2


def claims(answer: str, evidence: Evidence) -> Iterator[Claim]:
    """The statements of an answer with their novelty; questions, courtesies, code, what the agent
    will do next and "I do not know" are none.
    """
    for span in sentences(without_code(answer)):
        if _states_something(span.text):
            weight, novelty = evidence.novelty(span.text)
            if weight >= LEAST_WORDS:
                yield Claim(span, weight, novelty)


def _states_something(sentence: str) -> bool:
    if sentence.endswith(("?", ":")) or SMALL_TALK.match(sentence) or NEXT.match(sentence):
        return False
    if OFFER.search(sentence) and not any(c.isdigit() for c in sentence):
        return False
    if all(word in SMALL for word in _WORD_BEGINS.findall(sentence.lower())):
        return False
    return not DEFLECTION.search(sentence)
