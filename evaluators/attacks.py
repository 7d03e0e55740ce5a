"""Texts that try to take an agent over: set phrases, noise, and orders hidden in what it reads."""

# ruff: noqa: E501  a pattern reads better whole

import re
from collections.abc import Iterator

from evaluators.text import Span

Claim = tuple[tuple[str, ...], re.Pattern[str]]


def _claim(hints: str, pattern: str) -> Claim:
    return tuple(hints.split("/")), re.compile(pattern, re.IGNORECASE)


LEAVE = (
    r"\b(?=[idfobs])(?<!not )(?<!never )(?<!n't )(?<!n’t )(?:ignore|ignoring|disregard|forget|override|bypass|skip"
    r"|(?:do not|don['’]t|stop) (?:follow|obey|heed)(?:ing)?)\s+"
)
# Whose words are left: a person may take back their own, so `my` and `our` are not among them.
PRIOR = (
    r"(?:(?:all|any|every|the|your|these|those|other|of|previous|prior|above|earlier|preceding"
    r"|past|former|original|initial|existing|current|given|system|safety|security|content|ethical"
    r"|programmed|built-in|and|or|following|\w+['’]s)\s+){1,5}"
)
ORDERS = (
    r"(?:instructions?|prompts?|rules?|guidelines?|directives?|directions?|commands?|programming"
    r"|restrictions?|constraints?|safeguards?|filters?|(?<=safety )polic(?:y|ies)"
    r"|(?<=content )polic(?:y|ies)|(?<=security )polic(?:y|ies)|(?<=system )messages?"
    r"|(?<=previous )(?:inputs?|conversations?)|(?<=prior )(?:inputs?|conversations?))"
)
MODE = r"(?:system|developer|admin|maintenance|debug|dan|god|sudo|root|jailbreak|unrestricted)[ -]?mode"
AI = (
    r"(?:LLMs?|(?:large )?language models?|chat ?bots?"
    r"|AI[ -](?:\w+[ -])?(?:assistants?|agents?|models?|systems?))"
)
# What claims authority over the agent, each with the words that such a text is sure to hold.
CLAIMS = (
    _claim(
        "ignor/disregard/forget/override/bypass/skip/follow/obey/heed",
        rf"{LEAVE}(?:{PRIOR}{ORDERS}\b(?! of (?!the |your |this )\w)"
        r"|(?:what |whatever )?(?:the |your )?(?:users?|humans?|customers?|operators?|developers?)(?:['’]s?)? (?:\w+ )?"
        r"(?:questions?|requests?|quer(?:y|ies)|instructions?|prompts?|messages?|tasks?|goals?|said|says|asked|asks|wants?)\b"
        r"|(?:everything|anything|all|whatever|what)(?: (?:that|of))?(?: you)?(?:['’]ve| have| were| are)? (?:been )?(?:told|instructed|taught)\b"
        r"|(?:everything|all)(?: (?:of|that(?: is| was| came)?))?(?: the)? (?:above|prior|previous|preceding)\b(?! \w)"
        r"|(?:everything|all)\b[^.\n]{0,30}? before(?: this\b| now\b|,)"
        r"|(?:all )?(?:of )?the above(?= (?:and|then|ignore|disregard)\b))",
    ),
    _claim("new", r"\bnew (?:system )?(?:instructions?|prompt|rules?)\s*[:;]"),
    _claim(
        "system/admin/developer",
        r"(?:^|[.!?\n\"'>\]] {0,4})\[?\b(?:system|admin(?:istrator)?|developer)\]?(?: (?:message|notice|override|update))? ?:\s*"
        r"(?:new (?:directive|instruction|order|rule|task)s?|you (?:must|will|shall|are) now|from now on|override|ignore|disregard)\b",
    ),
    _claim(
        "skip/bypass/ignor/override/disregard",
        r"\byou(?:['’]re| are)(?: now| hereby| fully)* (?:authori[sz]ed|permitted|allowed|cleared|free) to (?:skip|bypass|ignore|override|disregard)\b",
    ),
    _claim(
        " ai/llm/language model/chatbot/chat bot",
        rf"\b(?:instructions?|notes?|messages?|notice|directives?) (?:for|to) (?:the |any |all |every )?{AI}\b[^.:\n]{{0,60}}: *(?=\w)"
        rf"|\b(?:attention,?|dear|hey|(?:to|for) (?:any|all|every)) (?:AIs?|{AI})\b[^.:\n]{{0,40}}[:,] *(?=\w)"
        rf"|\bif you(?:['’]re| are) (?:(?:an? |the )?{AI}\b|an ai(?=,| reading| processing))",
    ),
    _claim(
        "mode",
        r"(?:(?:^|[.!?:;\n] {0,4}|\b(?:now|please) )(?:activate|enter|engage|simulate|switch (?:in)?to)"
        r"|\b(?:you(?:['’]re| are)|i(?:['’]m| am))(?: now)? (?:in|entering)|\byou have (?:now )?entered"
        rf"|\b(?:respond|answer|act|operate|run) (?:as|in))(?: (?:the|your|to|into|an?))? ['\"‘“]?{MODE}\b"
        rf"|\b(?:dan|jailbreak) mode\b|[<\[]\s*{MODE}\s*[>\]]"
        rf"|\b(?:chatgpt|gpt|ai|assistant|model|llm|you)\b[^.\n]{{0,60}} {MODE} (?:is )?(?:now )?(?:enabled|activated|unlocked|on)\b",
    ),
    _claim(
        "dan/unrestricted/unfiltered/amoral/evil/jailbroken",
        r"\b(?:you are|you're|act as|pretend to be) (?:now )?(?:in )?(?:dan\b|an? (?:unrestricted|unfiltered|amoral|evil|jailbroken)\b)",
    ),
    _claim(
        "<|/[inst]/inst]/<<sys>>/system>",
        r"<\|(?:im_start|system|endoftext)\|>|\[/?INST\]|<<SYS>>|</?system>",
    ),
    _claim(
        "tell/inform/mention/alert",
        r"\b(?:do not|don't|never) (?:tell|inform|mention (?:this|it) to|alert) the (?:user|human|owner)",
    ),
)
SECRET = re.compile(
    r"\b(?:your|the|our|its|me|confirm|reveal|share|print|repeat|show|output)\b[^.?!\n]{0,60}"
    r"\b(?:passwords?|pass ?codes?|pass ?phrases?|secret(?: key)?s?|system prompt|hidden prompt"
    r"|initial (?:prompt|instructions)|api keys?|access (?:code|key)s?|credentials?)\b",
    re.IGNORECASE,
)
ODD = re.compile(
    r"[\[\]{}()\\|<>^~=+;#$].*[\[\]{}()\\|<>^~=+;#$*_]|\w[\[\]{}()\\|<>^~=+]+\w|[a-z][A-Z]\w*[A-Z]"
)
NOISE_WINDOW = 12


def overrides(text: str) -> Iterator[Span]:
    """Phrases that claim authority over the agent, in the order of the text."""
    lower = text.lower()
    found = [
        (match.start(), match.end())
        for hints, pattern in CLAIMS
        if any(hint in lower for hint in hints)
        for match in pattern.finditer(text)
    ]
    reached = 0
    for start, end in sorted(found):
        if start >= reached:
            yield Span(text[start:end], start, end)
            reached = end


def asks_for_secrets(text: str) -> Iterator[Span]:
    """Requests for the agent's own secrets or instructions."""
    for match in SECRET.finditer(text):
        yield Span(match.group(), *match.span())


def noise(text: str) -> float:
    """The largest share of odd tokens in any stretch, as machine-searched suffixes have."""
    tokens = text[:6_000].split()
    odd = [bool(ODD.search(t)) for t in tokens]
    if len(odd) < NOISE_WINDOW:
        return 0.0
    best = found = sum(odd[:NOISE_WINDOW])
    for leave, enter in zip(odd, odd[NOISE_WINDOW:], strict=False):
        found += enter - leave
        best = max(best, found)
    return best / NOISE_WINDOW
