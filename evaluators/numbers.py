"""Numbers and dates that a text states, however it writes them: 12k, 12,000, one thousand."""

import re
from collections.abc import Iterator

from evaluators.text import NUMERAL, plain_number

_SMALL = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
UNITS = {w: n for n, w in enumerate(_SMALL.split())} | {
    w: 10 * n for n, w in enumerate(_TENS.split(), 2)
}
SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000}
SHORT = {"k": 1_000, "m": 1_000_000, **SCALES}
FIGURE = re.compile(
    rf"(?P<digits>{NUMERAL.pattern})(?:\s?(?P<scale>{'|'.join(SHORT)})\b)?", re.IGNORECASE
)
SPELLED = re.compile(r"[^\W\d_]+|[^\w\s-]|\d")
_MONTHS = """january february march april may june july august september october november
    december"""
MONTHS = tuple(_MONTHS.split())
_MONTH = "|".join(f"{name[:3]}(?:{name[3:]})?" for name in MONTHS)
NAMED_DATE = re.compile(
    rf"\d(?:st|nd|rd|th)?\.?(?: of)? (?P<after>{_MONTH})\b|\b(?P<before>{_MONTH})\.? \d",
    re.IGNORECASE,
)
DATE = re.compile(
    r"\b(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})\b"
    r"|\b(?P<one>\d{1,2})[/.](?P<two>\d{1,2})[/.](?P<last>\d{4})\b"
)


def stated_numbers(text: str) -> set[str]:
    """Every number of a text in plain form; `12k` states 12 and 12000."""
    figures = {reading for _, readings in figures_of(text) for reading in readings}
    return figures | {str(n) for n in _spelled(text.lower())}


def figures_of(text: str) -> Iterator[tuple[str, set[str]]]:
    """The numbers written in digits, each with what it may mean in plain form."""
    for match in FIGURE.finditer(text):
        digits = plain_number(match["digits"])
        readings = {digits}
        if match["scale"]:
            scaled = float(digits) * SHORT[match["scale"].lower()]
            readings.add(plain_number(f"{scaled:.2f}"))
        yield match["digits"], readings


def _spelled(text: str) -> Iterator[int]:
    total, part, begun = 0, 0, False
    for word in [*SPELLED.findall(text), ""]:
        if word == "hundred" and part >= SCALES[word]:
            yield total + part  # not one number: no product of hundreds grows without end
            total, part = 0, SCALES[word]
        elif word in UNITS:
            part, begun = part + UNITS[word], True
        elif word in SCALES:
            scaled = max(part, 1) * SCALES[word]
            total, part = (total, scaled) if word == "hundred" else (total + scaled, 0)
            begun = True
        elif begun and word != "and":
            yield total + part
            total, part, begun = 0, 0, False


def stated_months(text: str) -> set[int]:
    """The months in which the dates of a text lie."""
    named = (m["after"] or m["before"] for m in NAMED_DATE.finditer(text))
    found = {
        n for name in named for n, full in enumerate(MONTHS, 1) if full[:3] == name[:3].lower()
    }
    return found | {month for m in DATE.finditer(text) for _, month, _ in _readings(m)}


def strange_dates(text: str, asked: str, numbers: set[str]) -> list[str]:
    """The full dates of a text that are none of those asked for; a year may be filled in.

    A goal that names no date, or says `tomorrow`, contradicts none.
    """
    months = stated_months(asked)
    years = {n for n in stated_numbers(asked) if re.fullmatch(r"(?:19|20)\d\d", n)}
    return [
        match.group()
        for match in DATE.finditer(text)
        if months
        and not any(
            str(day) in numbers and month in months and (not years or str(year) in years)
            for year, month, day in _readings(match)
        )
    ]


def _readings(match: re.Match[str]) -> Iterator[tuple[int, int, int]]:
    """Year, month and day, in each order in which they can be a date."""
    if match["year"]:
        orders = [(int(match["year"]), int(match["month"]), int(match["day"]))]
    else:
        one, two, year = int(match["one"]), int(match["two"]), int(match["last"])
        orders = [(year, one, two), (year, two, one)]
    for year, month, day in orders:
        if 1 <= month <= 12 and 1 <= day <= 31:
            yield year, month, day
