"""Texts that try to take an agent over: set phrases, noise, and orders hidden in what it reads."""

# ruff: noqa: E501  a pattern reads better whole

import re
from collections.abc import Iterator

from evaluators.text import Span

OVERRIDE = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass|skip)\s+(?:\w+\s+){0,3}?"
    r"(?:previous|prior|above|earlier|preceding|system|everyth?ing|all)\b"
    r"(?:\s+\w+){0,3}?\s*(?:instructions?|prompts?|rules?|guidelines?|told|messages?|above|of)?"
    r"|\bnew (?:system )?(?:instructions?|prompt|rules?)\s*[:;]"
    r"|\b(?:system|developer|admin|maintenance|debug|dan|god|sudo|root)[ -]?mode\b"
    r"|\b(?:you are|you're|act as|pretend to be) (?:now )?(?:in )?(?:dan\b|an? (?:unrestricted"
    r"|unfiltered|amoral|evil|jailbroken)\b)"
    r"|<\|(?:im_start|system|endoftext)\|>|\[/?INST\]|<<SYS>>|</?system>"
    r"|\b(?:do not|don't|never) (?:tell|inform|mention (?:this|it) to|alert) the (?:user|human|owner)",
    re.IGNORECASE,
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
    """Phrases that claim authority over the agent."""
    for match in OVERRIDE.finditer(text):
        yield Span(match.group(), *match.span())


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
