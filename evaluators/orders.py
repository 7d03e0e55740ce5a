"""Whether words of a prompt order the answer: without a condition, of the answer, or negated."""

# ruff: noqa: E501  a pattern reads better whole

import re

SENTENCE_START = re.compile(r"[.!?][\"”')\]]*\s+|[;•]|:\s*\n|\n\s*\n|\n\s*(?=[-*•#]\s|\d+[.)]\s)")
SENTENCE_STOP = re.compile(r"[.!?][\"”')\]]*(?:\s|$)|[;•]|\n\s*\n|\n\s*(?=[-*•#]\s|\d+[.)]\s)")
LISTED = re.compile(r"\s*(?:[-*•]\s|\d+[.)]\s)")
QUOTATION = re.compile(r"[\"“][^\"”]*(?:[\"”]|$)")
ANSWERING = (
    r"(?:(?:you(?:['’]re| are)? )?(?:answer|respond|reply|writ)(?:e|ing)?\b(?! (?:in|to|about)\b)"
    r"|\w+ing (?:your|the|an|a) (?:answer|response|reply|output)\b)"
)
IF = (
    r"(?:(?:if|when(?:ever)?|unless|until|in case|in the event|provided)\b"
    r"|once (?:you|they|he|she|it|the|an?)\b)"
)
CONDITION_BEFORE = re.compile(
    rf"(?:^\W*(?:please )?|[,:(–—] ?|\b(?:and|but|or|so|then|also|only|even|except) ){IF}(?! {ANSWERING})"
    r"|^\W*(?:otherwise|else)\b"
    r"|^\W*for (?:\w+ ){0,3}(?:questions|requests|users|customers|people|cases|topics|tasks)\b",
    re.IGNORECASE,
)
CONDITION_AFTER = re.compile(
    rf"\b{IF}(?! {ANSWERING})|\bonly (?:after|before|for|during)\b"
    r"|\bonly (?:in|at|on|with) (?:the|your|a|an|its)\b|\bexcept (?:for|in|after)\b"
    r"|\bbefore (?:\w+ )?(?:call|us)ing\b",
    re.IGNORECASE,
)
REPORTED = re.compile(
    r"\b(?!(?:I|you|we)\b)[a-z]\w* (?:told|asks?|asked|says?|said|wants?|wanted|requires?|required"
    r"|expects?|expected|instruct(?:s|ed)|demand(?:s|ed)) (?:me|us|him|her|them|that|the|my|our|you)\b",
    re.IGNORECASE,
)
VERB = (
    r"(?:must|should|shall|are|is|was|were|has|have|needs?|may|might|can|will|that|which|who"
    r"|returns?|contains?|uses?|accepts?|expects?|takes?|reads?|writes?|answers?|reply|replies|speaks?|sends?)"
)
# What is not the answer, though a prompt speaks of it: what the agent works with and who asks;
# and what may be, when the prompt asks to write it.
TOOL = (
    r"(?:tools?|functions?|methods?|scripts?|programs?|apis?|endpoints?|arguments?|parameters?"
    r"|fields?|values?|users?|customers?|clients?|knowledge base|database)"
)
TEXT = (
    r"(?:titles?|head(?:line|ing)s?|subjects?(?: lines?)?|captions?|requests?|quer(?:y|ies)"
    r"|questions?|inputs?|documents?|documentation|files?)"
)
ELSE_SUBJECT = re.compile(
    rf"\b(?:{TOOL}|(?P<text>{TEXT})) (?:\w+ ){{0,3}}?{VERB}\b[^,;:]*$", re.IGNORECASE
)
WRITE = r"\b(?:write|create|draft|compose|generate|produce|make|give|suggest)(?: [\w-]+){0,5}? "
# A bare plural speaks of things in general, unless they are answers or their parts.
PARTS = (
    r"(?:answers|responses|replies|outputs|messages|texts|words|letters|characters|sentences"
    r"|paragraphs|sections|parts|lines|verses|stanzas|bullets|points|lists|items|keywords|phrases"
    r"|commas|capitals|this|its|his|always|sometimes|perhaps|as|is|was|has|does)"
)
GENERAL_SUBJECT = re.compile(
    rf"^\W*(?:(?!your\b)\w+ )?(?!{PARTS}\b)\w+[^\W\ds]s"
    rf" (?:(?:(?:for|of|in|to|with) (?:\w+ ){{1,4}})?{VERB}\b|(?=$))",
    re.IGNORECASE,
)
NEGATED = re.compile(
    r"\b(?:not|never|avoid|without|refrain from|cannot|\w+n['’]t) "
    r"(?:(?!(?:except|but|other|than|besides|unless|forget|hesitate|fail|only|just)\b)\w+ ){0,2}$",
    re.IGNORECASE,
)


def is_order(prompt: str, start: int, end: int) -> bool:
    """Whether the words there bind every answer: no condition, quotation or other subject."""
    if _is_quoted(prompt, start, end):
        return False
    before, after = _sentence(prompt, start, end)
    before, after = QUOTATION.sub("…", before), QUOTATION.sub("…", after)
    return not (
        CONDITION_BEFORE.search(before)
        or CONDITION_AFTER.search(after)
        or REPORTED.search(before)
        or GENERAL_SUBJECT.search(before)
        or _is_of_something_else(prompt, before)
        or CONDITION_BEFORE.search(_heading(prompt, start))
    )


def is_negated(prompt: str, start: int) -> bool:
    """Whether the words that begin there are what must not be done."""
    return bool(NEGATED.search(prompt[max(0, start - 80) : start]))


def _sentence(prompt: str, start: int, end: int) -> tuple[str, str]:
    """What stands in the sentence before and after some of its words; lines may wrap."""
    head, tail = prompt[max(0, start - 400) : start], prompt[end : end + 300]
    begin = max((m.end() for m in SENTENCE_START.finditer(head)), default=0)
    stop = SENTENCE_STOP.search(tail)
    return head[begin:], tail[: stop.start()] if stop else tail


def _is_of_something_else(prompt: str, before: str) -> bool:
    subject = ELSE_SUBJECT.search(before)
    if subject is None:
        return False
    text = subject["text"]
    return text is None or not re.search(WRITE + re.escape(text), prompt, re.IGNORECASE)


def _is_quoted(prompt: str, start: int, end: int) -> bool:
    """Whether a quotation is open before the words and closes after them in the same line."""
    before = prompt[:start].rpartition("\n")[2]
    after = prompt[end:].partition("\n")[0]
    opened = before.count('"') % 2 == 1 or before.count("“") > before.count("”")
    return opened and ('"' in after or "”" in after)


def _heading(prompt: str, start: int) -> str:
    """The line with a colon above a list, of the list's item that holds the place."""
    lines = prompt[max(0, start - 2_000) : start].split("\n")
    if not LISTED.match(lines[-1]):
        return ""
    above = (line for line in reversed(lines[:-1]) if line.strip() and not LISTED.match(line))
    heading = next(above, "").strip()
    return heading if heading.endswith(":") else ""
