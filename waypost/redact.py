"""Secrets and personal data out of texts and JSON, for the tracer and for the collector."""

import hashlib
import hmac
import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final, Literal, TypeAlias

from waypost import patterns
from waypost.errors import BadSetting
from waypost.looks import end_of_digits, has_stem, is_part_of_word, may_hold_key
from waypost.records import Json

Level: TypeAlias = Literal["off", "standard", "strict"]
Counts: TypeAlias = dict[str, int]
Replace: TypeAlias = Callable[[str, str], str]
IsSecret: TypeAlias = Callable[[str], bool]

LEVELS: Final = ("off", "standard", "strict")
# A hash of letters only: digits in it could be taken for a number by the next reader.
_LETTERS: Final = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
_DEPTH: Final = 64
_JSON_IN_JSON: Final = 4


class Redactor:
    """Takes secrets and personal data out of texts and JSON values and counts what it took.

    `level` is off, standard or strict. With a `key`, a placeholder carries a keyed hash of what
    it replaces (`[EMAIL:5f1c…]`), so that equal values still join. Time is linear in the text,
    and what is already redacted stays as it is.
    """

    __slots__ = ("_key", "_names", "level")

    def __init__(self, level: str = "standard", *, key: bytes | None = None) -> None:
        if level not in LEVELS:
            raise BadSetting(f"Redaction level {level!r} is not one of {', '.join(LEVELS)}.")
        self.level = level
        self._key = key
        self._names: dict[str, bool] = {}

    def text(self, text: str) -> tuple[str, Counts]:
        """The text without what must not leave, and how many of each kind were taken out."""
        if _is_word(text):
            return text, {}
        counts: Counts = {}
        return self._string(text, counts, _JSON_IN_JSON), counts

    def value(self, value: Json) -> tuple[Json, Counts]:
        """The JSON value cleaned all the way down: names like `password`, JSON in strings.

        What holds nothing to take out is returned as the same object.
        """
        counts: Counts = {}
        return self._walk(value, counts, _JSON_IN_JSON, _DEPTH), counts

    def is_secret_name(self, name: str) -> bool:
        """Whether a field or attribute of that name holds a secret, whatever it looks like."""
        known = self._names.get(name)
        if known is None:
            known = len(name) <= 256 and bool(
                patterns.SECRET_KEY.fullmatch(patterns.CAMEL.sub("_", name))
            )
            if len(self._names) < 4096:
                self._names[name] = known
        return known

    def _walk(self, value: Json, counts: Counts, nested: int, depth: int) -> Json:
        if self.level == "off" or depth <= 0:
            return value
        if isinstance(value, str):
            return value if _is_word(value) else self._string(value, counts, nested)
        if isinstance(value, dict):
            return self._mapping(value, counts, nested, depth - 1)
        if isinstance(value, list | tuple):
            clean = [self._walk(item, counts, nested, depth - 1) for item in value]
            return value if all(map(_is, clean, value)) else clean
        if isinstance(value, int | float) and 10**11 < value < 10**19:
            return self._number(value, counts)
        return value

    def _number(self, value: float, counts: Counts) -> Json:
        """A card as a number; JSON from protobuf's Struct knows floats only."""
        digits = str(int(value))
        return self._replace(counts, "CARD", digits) if _is_card(digits) else value

    def _mapping(self, value: dict[str, Json], counts: Counts, nested: int, depth: int) -> Json:
        clean: dict[str, Json] = {}
        changed = False
        for name, item in value.items():
            label = name if _is_word(name) else self._string(name, counts, 0)
            if self.is_secret_name(name):
                kept = self._hide(item, counts)
            else:
                kept = self._walk(item, counts, nested, depth)
            changed = changed or kept is not item or label is not name
            clean[label] = kept
        return clean if changed else value

    def _hide(self, value: Json, counts: Counts) -> Json:
        """A secret by its name: every text and number in it goes, flags and empty values stay."""
        if isinstance(value, dict) and isinstance(value.get("type"), str):
            return self._walk(value, counts, 0, _DEPTH)  # a JSON schema's property, not its value
        if isinstance(value, dict):
            return {name: self._hide(item, counts) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._hide(item, counts) for item in value]
        if value is None or isinstance(value, bool) or value == "":
            return value
        if isinstance(value, str) and patterns.PLACEHOLDER.fullmatch(value):
            return value
        return self._replace(counts, "SECRET", str(value))

    def _string(self, text: str, counts: Counts, nested: int) -> str:
        if self.level == "off" or _is_media(text):
            return text
        found: Counts = {}
        clean = self._around_media(text, found)
        if (
            nested > 0
            and _may_be_json(text)
            and (found or _names_secret(text, self.is_secret_name))
        ):
            whole = self._json(text, counts, nested - 1)
            if whole is not None:
                return whole
        for kind, number in found.items():
            counts[kind] = counts.get(kind, 0) + number
        return clean if found else text

    def _json(self, text: str, counts: Counts, nested: int) -> str | None:
        """JSON inside a string, cleaned as a value so that it stays JSON; None if it is none."""
        try:
            value: Json = json.loads(text)
        except (ValueError, RecursionError):
            return None
        clean = self._walk(value, counts, nested, _DEPTH)
        if clean is value:
            return text
        compact = ": " not in text
        separators = (",", ":") if compact else (", ", ": ")
        return json.dumps(clean, ensure_ascii=False, separators=separators)

    def _around_media(self, text: str, counts: Counts) -> str:
        if ";base64," not in text:
            return self._plain(text, counts)
        parts: list[str] = []
        end = 0
        for match in patterns.DATA_URL.finditer(text):
            parts += [self._plain(text[end : match.start()], counts), match.group()]
            end = match.end()
        return "".join(parts) + self._plain(text[end:], counts)

    def _plain(self, text: str, counts: Counts) -> str:
        replace = partial(self._replace, counts)
        text = _secrets(text, replace, self.is_secret_name)
        if "@" in text:
            text = _emails(text, replace)
        if ":" in text and patterns.IPV6_LIKELY.search(text):
            text = patterns.IPV6.sub(lambda m: _ip(m.group(), replace), text)
        shape = text.encode("ascii", "replace")
        if "\\" in text or patterns.IBAN_HEAD in b" " + shape.translate(patterns.IBAN_SHAPE):
            text = _ibans(text, replace)
        if patterns.SEVEN in shape.translate(patterns.NUMBERS):
            text = _numbers(text, replace, strict=self.level == "strict")
        return _strict(text, replace) if self.level == "strict" else text

    def _replace(self, counts: Counts, kind: str, found: str) -> str:
        counts[kind] = counts.get(kind, 0) + 1
        if self._key is None:
            return f"[{kind}]"
        digest = hmac.new(self._key, found.encode("utf-8", "replace"), hashlib.sha256)
        return f"[{kind}:{digest.hexdigest()[:12].translate(_LETTERS)}]"


def merge_counts(into: Counts, more: Mapping[str, int]) -> None:
    """Add the second counts to the first."""
    for kind, number in more.items():
        into[kind] = into.get(kind, 0) + number


def _is(one: object, other: object) -> bool:
    return one is other


def _is_word(text: str) -> bool:
    """Too short for anything to take out, or one short word: an IBAN has fifteen characters."""
    return len(text) < 6 or (len(text) < 15 and text.isidentifier())


def _is_media(text: str) -> bool:
    return len(text) > 512 and patterns.BASE64.fullmatch(text) is not None


def _may_be_json(text: str) -> bool:
    return text[:1] in ("{", "[") or (text[:1].isspace() and text.lstrip()[:1] in ("{", "["))


def _secrets(text: str, replace: Replace, is_secret: IsSecret) -> str:
    if "PRIVATE KEY" in text:
        text = _private_keys(text, replace)
    if "://" in text:
        text = _in_urls(text, replace)
    if "AccountKey=" in text:
        text = patterns.AZURE.sub(lambda m: replace("API_KEY", m.group()), text)
    text = _long_words(text, replace)
    if has_stem(text):
        text = _assignments(text, replace, is_secret)
        text = patterns.BEARER.sub(partial(_value_only, replace), text)
    return text


def _in_urls(text: str, replace: Replace) -> str:
    if "@" in text:
        text = patterns.URL_LOGIN.sub(lambda m: f"://{_keep_or('URL_LOGIN', m, replace)}@", text)
    if "hooks.slack.com" in text:
        text = patterns.SLACK_HOOK.sub(lambda m: replace("API_KEY", m.group()), text)
    if "?" in text:
        text = patterns.QUERY.sub(partial(_value_only, replace), text)
    return text


def _long_words(text: str, replace: Replace) -> str:
    """Keys and tokens known by how they begin; a text without a long word costs nothing."""
    words = text.encode("ascii", "replace").translate(patterns.WORDS)
    if patterns.LONG not in words:
        return text
    if "eyJ" in text:
        text = patterns.JWT.sub(lambda m: replace("JWT", m.group()), text)
        words = text.encode("ascii", "replace").translate(patterns.WORDS)
    parts: list[str] = []
    end = 0
    for word in patterns.LONG_WORD.finditer(words):
        if not may_hold_key(text, word.start(), word.end()):
            continue
        for match in patterns.VENDOR.finditer(text, word.start(), word.end()):
            parts += [text[end : match.start()], replace("API_KEY", match.group())]
            end = match.end()
    return "".join(parts) + text[end:] if parts else text


def _names_secret(text: str, is_secret: IsSecret) -> bool:
    return has_stem(text) and next(_secret_separators(text, is_secret), None) is not None


def _secret_separators(text: str, is_secret: IsSecret) -> Iterator[int]:
    """Where a `:` or `=` stands behind a name like `password`."""
    for match in patterns.SEPARATOR.finditer(text):
        at = match.start()
        before = text[max(0, at - 40) : at].rstrip(" \"'\\")
        if before.lower().endswith(patterns.SECRET_ENDS):
            name = patterns.NAME.search(before.replace("\\n", "\\ "))
            if name and name.group().lower() != "token" and is_secret(name.group()):
                start = at - len(name.group()) - 1
                if not (start >= 0 and patterns.PLACEHOLDER.match(text, start)):
                    yield at


def _assignments(text: str, replace: Replace, is_secret: IsSecret) -> str:
    parts: list[str] = []
    end = 0
    for at in _secret_separators(text, is_secret):
        match = patterns.ASSIGNED.match(text, at)
        if match is None or at < end or _is_plain(match["value"]):
            continue
        parts += [text[end : match.start("value")], replace("SECRET", match["value"])]
        end = match.end()
    return "".join(parts) + text[end:] if parts else text


def _is_plain(value: str) -> bool:
    """Not a secret: already taken out, or a word that stands for none."""
    words = ("null", "none", "true", "false", "required", "optional", "string")
    return value.lower() in words or patterns.PLACEHOLDER.search(value) is not None


def _keep_or(kind: str, match: re.Match[str], replace: Replace) -> str:
    value = match["value"]
    return value if patterns.PLACEHOLDER.search(value) else replace(kind, value)


def _value_only(replace: Replace, match: re.Match[str]) -> str:
    head = match.group()[: match.start("value") - match.start()]
    return head + _keep_or("SECRET", match, replace)


def _private_keys(text: str, replace: Replace) -> str:
    """PEM blocks; one that was cut off goes up to the end of its base64."""
    parts: list[str] = []
    end = 0
    for match in patterns.KEY_BEGIN.finditer(text):
        if match.start() < end:
            continue
        body = patterns.KEY_BODY.match(text, match.end())
        stop = body.end() if body else match.end()
        close = patterns.KEY_END.match(text, stop)
        stop = close.end() if close else stop
        parts += [text[end : match.start()], replace("PRIVATE_KEY", text[match.start() : stop])]
        end = stop
    return "".join(parts) + text[end:]


def _emails(text: str, replace: Replace) -> str:
    parts: list[str] = []
    end = 0
    for match in patterns.AT.finditer(text):
        local = patterns.LOCAL.search(text[max(end, match.start() - 64) : match.start()])
        if local is None:
            continue
        start = match.start() - len(local.group().lstrip(".'`"))
        parts += [text[end:start], replace("EMAIL", text[start : match.end()])]
        end = match.end()
    return "".join(parts) + text[end:]


def _ip(found: str, replace: Replace) -> str:
    if found.count(":") < 2 and found.count(".") != 3:
        return found
    try:
        address = ipaddress.ip_address(found)
    except ValueError:
        return found
    return found if address.is_loopback or address.is_unspecified else replace("IP", found)


def _ibans(text: str, replace: Replace) -> str:
    parts: list[str] = []
    end = 0
    for match in patterns.IBAN.finditer(text):
        start = match.start() - 2
        stop = _iban_end(text, start)
        if start >= end and stop:
            parts += [text[end:start], replace("IBAN", text[start:stop])]
            end = stop
    return "".join(parts) + text[end:] if parts else text


def _iban_end(text: str, start: int) -> int:
    """Where the IBAN that may begin at `start` ends; 0 if the check digits say it is none."""
    length = patterns.IBAN_LENGTHS.get(text[start : start + 2].upper())
    if length is None:
        return 0
    taken: list[str] = []
    at = start
    while at < len(text) and len(taken) < length and at - start < 48:
        if text[at] != " ":
            taken.append(text[at])
        at += 1
    code = "".join(taken).upper()
    if (
        len(code) != length
        or not (code.isascii() and code.isalnum())
        or text[at : at + 1].isalnum()
    ):
        return 0
    number = "".join(str(int(char, 36)) for char in code[4:] + code[:4])
    return at if int(number) % 97 == 1 else 0


def _is_card(digits: str) -> bool:
    """A known issuer's prefix and length, and Luhn's check digit."""
    if not patterns.CARD_PREFIXES.match(digits):
        return False
    total = 0
    for place, char in enumerate(reversed(digits)):
        number = int(char) * (1 + place % 2)
        total += number - 9 if number > 9 else number
    return total % 10 == 0


def _numbers(text: str, replace: Replace, *, strict: bool) -> str:
    """Cards, addresses, social security and phone numbers: whatever is written in digits."""
    parts: list[str] = []
    end = 0
    for match in patterns.DIGITS.finditer(text):
        start = match.start()
        while start > max(end, match.start() - 2) and text[start - 1] in "+(":
            start -= 1
        stop = end_of_digits(text, match)
        run = text[start:stop]
        clean = _run(text, start, stop, replace, strict=strict)
        if clean != run:
            parts += [text[end:start], clean]
            end = stop
    return "".join(parts) + text[end:] if parts else text


def _run(text: str, start: int, stop: int, replace: Replace, *, strict: bool) -> str:
    run = text[start:stop]
    if is_part_of_word(text, start, stop):
        return run
    before, after = text[start - 1 : start] if start else "", text[stop : stop + 1]
    clean = (
        patterns.IPV4.sub(lambda m: _ip(m.group(), replace), run) if run.count(".") >= 3 else run
    )
    clean = patterns.CARD.sub(partial(_card, replace), clean)
    if before != "-" and after != "-":
        clean = patterns.SSN.sub(lambda m: replace("SSN", m.group()), clean)
    if clean == run:
        return _phones(text, start, run, replace, strict=strict)
    return _numbers(clean, replace, strict=strict)  # what stands beside a card may be a phone


def _card(replace: Replace, match: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", match.group())
    return replace("CARD", match.group()) if _is_card(digits) else match.group()


def _phones(text: str, start: int, run: str, replace: Replace, *, strict: bool) -> str:
    if len(run) > 30 or patterns.DATE.search(run):
        return run
    digits = sum(map(str.isdigit, run.partition("x")[0]))
    if digits not in patterns.PHONE_DIGITS or (
        start and text[start - 1] in "-/.#:$€£=" and text[start - 2 : start - 1].isalnum()
    ):
        return run
    split = any(char in run for char in " -.()/")
    shaped = patterns.PHONE_SHAPE.match(run) is not None and run.count(".") != 1
    near = partial(_stands_near, text, start, start + len(run))
    sure = shaped or near(patterns.PHONE_WORD) or (split and (strict or near(patterns.PHONE_HINT)))
    return replace("PHONE", run) if sure else run


def _stands_near(text: str, start: int, stop: int, pattern: re.Pattern[str]) -> bool:
    """Whether it stands shortly before or right behind this piece, in whole words."""
    end = patterns.WORD.match(text, min(stop + 12, len(text)))
    ends = end.end() if end else stop
    return bool(pattern.search(text, max(0, start - 40), start) or pattern.search(text, stop, ends))


def _strict(text: str, replace: Replace) -> str:
    for kind, marks, pattern in patterns.STRICT:
        if any(mark in text for mark in marks):
            text = pattern.sub(partial(_strictly, kind, replace), text)
    return "".join(_tokens(text, replace))


def _strictly(kind: str, replace: Replace, match: re.Match[str]) -> str:
    return replace(kind, match.group())


def _tokens(text: str, replace: Replace) -> Iterator[str]:
    """Words that look random: long, mixed case, with digits."""
    for word in re.split(r"([^A-Za-z0-9_+/=-]+)", text):
        random = 32 <= len(word) <= 4096 and patterns.LONG_TOKEN.fullmatch(word) is not None
        yield replace("TOKEN", word) if random else word
