"""Numbers, times and names as people read them."""

import datetime as dt
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from math import floor, log10
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ui import asked
from waypost import rates
from waypost.rates import Rate, percent
from waypost.store import run_rates

_SHARED = ("agent", "environment", "route")
_CODE_NAME = re.compile(r"[a-z][a-z0-9_]*")
_ACRONYMS = frozenset({"api", "html", "http", "id", "json", "llm", "pii", "rag", "sql", "url"})
_UNSAFE = re.compile(r"[^\w .@/+=%–-]")


def label(text: str, longest: int = 60) -> str:
    """A name for the label of a widget, which reads Markdown: only harmless characters stay."""
    plain = _UNSAFE.sub("·", text).replace("__", "··").replace("//", "/·")
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def one_line(text: str, longest: int = 200) -> str:
    """The beginning of a text on one line, without control or direction-changing characters."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def judge(name: str) -> str:
    """An evaluator's name as a heading: `pii_leak` is PII leak; a name with capitals stays."""
    plain = name.removeprefix(run_rates.PREFIX if name in run_rates.NAMED else "review:")
    if not _CODE_NAME.fullmatch(plain):
        return one_line(name, 60)
    said = " ".join(w.upper() if w in _ACRONYMS else w for w in plain.split("_"))
    said = said[0].upper() + said[1:]
    return one_line(f"{said}, by people" if name.startswith("review:") else said, 60)


def judges(names: Sequence[str]) -> dict[str, str]:
    """Headings of several evaluators; where two would be alike, each with the name it has."""
    said = {name: judge(name) for name in names}
    counted = Counter(said.values())
    return {n: f"{h} ({one_line(n, 40)})" if counted[h] > 1 else h for n, h in said.items()}


def cohort(values: Mapping[str, str | None]) -> str:
    """A cohort's values in one line."""
    named = [one_line(v or f"no {k.replace('_', ' ')}", 80) for k, v in values.items()]
    return " · ".join(named) or "all runs"


def took(seconds: float) -> str:
    """A duration: 340 ms, 2.9 s, 41 s, 3 m 20 s, 2 h 5 m."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest} s"
    return f"{minutes // 60} h {minutes % 60} m"


def money(usd: float | None) -> str:
    """A cost: never rounded to nothing."""
    if usd is None:
        return "–"
    if usd == 0:
        return "$0"
    if usd >= 0.995:
        return f"${usd:,.2f}"
    digits = 1 - floor(log10(usd))
    return f"${usd:.{digits}f}"


def ago(at: dt.datetime, now: dt.datetime | None = None) -> str:
    """How long ago something was."""
    seconds = ((now or dt.datetime.now(dt.UTC)) - at).total_seconds()
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min ago"
    if seconds < 86_400:
        return f"{seconds // 3600:.0f} h ago"
    return f"{seconds // 86_400:.0f} days ago"


def zone() -> dt.tzinfo:
    """The reader's time zone, as the browser says."""
    name = asked.zone()
    try:
        return ZoneInfo(name) if isinstance(name, str) and name else dt.UTC
    except (ZoneInfoNotFoundError, ValueError):
        return dt.UTC


def local(at: dt.datetime) -> dt.datetime:
    return at.astimezone(zone())


def clock(at: dt.datetime, now: dt.datetime | None = None) -> str:
    """A moment in the reader's zone, as short as it can be: 14:20, or 3 Nov 14:20."""
    there = local(at)
    today = local(now or dt.datetime.now(dt.UTC)).date()
    if there.date() == today:
        return f"{there:%H:%M}"
    return f"{there.day} {there:%b %H:%M}"


def short_cohort(values: Mapping[str, str]) -> str:
    """A run's cohort without what nearly all runs share."""
    shown = {k: v for k, v in values.items() if k not in _SHARED}
    return cohort(shown) if shown else ""


def rate(given: Rate) -> str:
    """A rate with its n: 34 % of 2,841."""
    return "no data" if given.share is None else f"{percent(given.share)} of {given.n:,.0f}"


def span(low: float, high: float) -> str:
    """An interval in the fewest digits that tell its ends apart, without the sign: 28–41, 0–0.2."""
    digits = 1 if round(low * 100) == round(high * 100) and low != high else 0
    ends = (f"{end * 100:.{digits}f}" for end in (low, high))
    return "–".join(end.removesuffix(".0") for end in ends)


def interval(given: Rate) -> str:
    """The interval in words."""
    return f"{percent(given.low)} – {percent(given.high)}"


plural = rates.plural
