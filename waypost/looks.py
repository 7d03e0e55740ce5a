"""Looks at a whole text that tell, for next to nothing, what cannot be in it."""

import re
from typing import Final

from waypost import patterns

_ENDS: Final = "|".join(sorted(patterns.SECRET_ENDS, key=len, reverse=True))
# A name of secrets and what gives it a value, also as JSON within JSON has it.
_NAMED: Final = re.compile(rf"(?:{_ENDS})[\s\"'\\]*[:=]")
_EXPONENT: Final = re.compile(r"[0-9][eE]\+?[0-9]")
_NOT_ASCII: Final = re.compile(r"\\u(?!00[0-7]|017[fF]|212[aA])[0-9a-fA-F]{4}")
# Escapes that stand for another sign than themselves, or for none.
_ESCAPE: Final = re.compile(r"\\(?:[^\"'\\nrtbf]|\\\\)")
_ESCAPED_IBAN: Final = re.compile(r"\\[nrtbf][A-Za-z]{2}[0-9]{2}")
_LINE_END: Final = re.compile(r"\\[nrtbf]")
_MARKS: Final = ("@", "PRIVATE KEY", "AccountKey=", "hooks.slack.com", "\u017f")


def is_harmless(text: str) -> bool:
    """Whether standard redaction finds nothing in the text, nor in what its JSON holds.

    It may say no to a harmless text, but never yes to another: every rule of `waypost.redact`
    needs something that is looked for here, and no escape may hide it.
    """
    escapes = "\\" in text
    if escapes:
        text = _NOT_ASCII.sub("·", text)
        if _ESCAPE.search(text):
            return False
    if any(map(text.__contains__, _MARKS)) or ("://" in text and "?" in text):
        return False
    if has_stem(text) and _may_name_secret(text.lower()):
        return False
    if ":" in text and patterns.IPV6_LIKELY.search(text):
        return False
    return not _may_hold_codes(text, escapes=escapes)


def _may_name_secret(lower: str) -> bool:
    return "bearer" in lower or "basic" in lower or _NAMED.search(lower) is not None


def _may_hold_codes(text: str, *, escapes: bool) -> bool:
    """Whether a key, an IBAN or a number that could be somebody's may be in the text."""
    shape = text.encode("ascii", "replace")
    words = shape.translate(patterns.WORDS)
    if patterns.LONG in words and (
        "eyJ" in text
        or any(may_hold_key(text, w.start(), w.end()) for w in patterns.LONG_WORD.finditer(words))
    ):
        return True
    letters = b" " + shape.translate(patterns.IBAN_SHAPE)
    if patterns.IBAN_HEAD in letters or (escapes and _ESCAPED_IBAN.search(text)):
        return True
    if b"0a" in letters and _EXPONENT.search(text):
        return True
    return patterns.SEVEN in shape.translate(patterns.NUMBERS) and any(
        _may_be_somebodys(text, match) for match in patterns.DIGITS.finditer(text)
    )


def _may_be_somebodys(text: str, match: re.Match[str]) -> bool:
    start, run = match.start(), match.group()
    before = text[start - 1 : start] if start else ""
    if is_part_of_word(text, start, end_of_digits(text, match)):
        return False
    if run.count(".") >= 3 or patterns.CARD.search(run) or patterns.SSN.search(run):
        return True
    digits = sum(map(str.isdigit, run))
    if digits not in patterns.PHONE_DIGITS or len(run) > 30 or patterns.DATE.search(run):
        return False
    return before in ("+", "(") or patterns.PHONE_SHAPE.match(run) is not None or _calls(text)


def _calls(text: str) -> bool:
    """Whether a word stands anywhere that may introduce a phone number."""
    words = _LINE_END.sub(" ", text)
    return bool(patterns.PHONE_WORD.search(words) or patterns.PHONE_HINT.search(words))


def end_of_digits(text: str, match: re.Match[str]) -> int:
    """Where a run of digits ends, with the extension of a phone."""
    extension = patterns.EXTENSION.match(text, match.end())
    return extension.end() if extension else match.end()


def is_part_of_word(text: str, start: int, stop: int) -> bool:
    """Whether a letter touches this piece; the `n` of an escaped line end is none."""
    before, after = text[start - 1 : start] if start else "", text[stop : stop + 1]
    if after.isalnum() or after == "_":
        return True
    within = before.isalnum() or before == "_"
    return within and not _LINE_END.match(text, max(0, start - 2))


def may_hold_key(text: str, start: int, end: int) -> bool:
    """Whether a vendor's prefix stands where a key could begin in this word."""
    behind = start + 1 if text[start - 1 : start] == "\\" else start
    return (
        text.startswith(patterns.VENDOR_STARTS, start)
        or text.startswith(patterns.VENDOR_STARTS, behind)
        or patterns.VENDOR_INSIDE.search(text, start, end) is not None
    )


def has_stem(text: str) -> bool:
    """Whether a word of secrets stands in the text, and something that could give it a value."""
    lower = text.lower()
    return ("=" in lower or ":" in lower or "bearer" in lower or "basic" in lower) and any(
        map(lower.__contains__, patterns.SECRET_STEMS)
    )
