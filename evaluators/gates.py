"""The release gate: conditions over a trial's cases, and yes, no, or how many cases are missing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from evaluators.conditions import DIFFERENCES, ERRORS, EXPECTATION, Condition
from evaluators.tried import Fate, Standing, Tried, standing
from waypost.pairs import Pairs
from waypost.rates import Rate, first_enough, of_many, plural
from waypost.records import Json
from waypost.store.trials import Word

_VERBS = {
    EXPECTATION: "the expectation is not met in",
    ERRORS: "errors end",
    DIFFERENCES: "the run differs from the recorded one in",
}


@dataclass(frozen=True, slots=True)
class Compared:
    """The same cases by baseline and trial; keys of those that fail only now, or only before."""

    pairs: Pairs
    low: float
    high: float
    regressed: tuple[str, ...]
    mended: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """A condition with what became of it."""

    condition: Condition
    word: Word
    rate: Rate
    sentence: str
    failing: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, int] = field(default_factory=dict)
    apart: Mapping[str, int] = field(default_factory=dict)
    needed: int | None = None
    compared: Compared | None = None

    def as_json(self) -> dict[str, Json]:
        """As it is stored and printed."""
        found: dict[str, Json] = {
            "measure": self.condition.measure,
            "verdict": str(self.word),
            "sentence": self.sentence,
            "failed": int(self.rate.k),
            "judged": int(self.rate.n),
            "low": self.rate.low,
            "high": self.rate.high,
            "confidence": self.condition.confidence,
            "max_fail_rate": self.condition.limit,
            "max_worse_than_baseline": self.condition.worse,
            "min_cases": self.condition.min_cases,
            "more_cases_needed": self.needed,
            "missing": dict(self.missing),
            "apart": dict(self.apart),
            "failing": dict(self.failing),
        }
        if self.compared is not None:
            found["compared"] = {
                "cases": int(self.compared.pairs.n),
                "difference": self.compared.pairs.difference,
                "low": self.compared.low,
                "high": self.compared.high,
                "p": self.compared.pairs.p,
                "regressed": list(self.compared.regressed),
                "mended": list(self.compared.mended),
            }
        return found


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says of a trial."""

    word: Word
    sentence: str
    judged: tuple[Judged, ...]

    @property
    def failing(self) -> dict[str, list[str]]:
        """Every case that fails something, with all it fails."""
        found: dict[str, list[str]] = {}
        for one in self.judged:
            for key, why in one.failing.items():
                if why not in found.setdefault(key, []):
                    found[key].append(why)
        return found


def decide(
    conditions: Sequence[Condition], cases: Sequence[Tried], baseline: Sequence[Tried] | None = None
) -> Verdict:
    """Judge every condition: yes when all are met, no when one is not, else it cannot be known."""
    judged = tuple(judge(one, cases, baseline) for one in conditions)
    words = [one.word for one in judged]
    word = next((w for w in (Word.NO, Word.UNKNOWN) if w in words), Word.YES)
    if word is Word.YES:
        met = (
            "the condition is met" if len(judged) == 1 else f"all {len(judged)} conditions are met"
        )
        return Verdict(word, f"Yes: {met} over {_judged_of(judged, len(cases))}.", judged)
    lead = next(one for one in judged if one.word is word)
    begin = "No" if word is Word.NO else "Cannot know"
    return Verdict(word, f"{begin}: {lead.sentence}", judged)


def _judged_of(judged: Sequence[Judged], of: int) -> str:
    """How many cases a yes rests on, by the conditions with fewest and most verdicts."""
    counts = sorted(int(one.rate.n) for one in judged) or [of]
    least, most = counts[0], counts[-1]
    if least == of:
        return plural(of, "case")
    begin = "" if least == most else f"{least:,} to "
    return f"{begin}{plural(most, 'judged case')} of {of:,}"


def judge(
    condition: Condition, cases: Sequence[Tried], baseline: Sequence[Tried] | None = None
) -> Judged:
    """Judge one condition.

    A case without a verdict could be either: for a yes the missing ones count as failed, for a
    no as passed. What has nothing to say by this measure is counted apart.
    """
    found = {case.key: standing(condition, case) for case in cases}
    failing = {key: one.why for key, one in found.items() if one.fate is Fate.FAILED}
    missing, apart = _reasons(found, Fate.MISSING), _reasons(found, Fate.APART)
    passed = sum(one.fate is Fate.PASSED for one in found.values())
    tally = _Tally(condition, len(failing), passed, sum(missing.values()))
    compared = None if baseline is None else _compare(condition, found, cases, baseline)
    words, said, needed = _bounded(tally)
    if condition.worse is not None:
        more, told, also = _not_worse(tally, found, cases, baseline or ())
        words, said = [*words, more], [*said, told]
        needed = max((n for n in (needed, also) if n is not None), default=None)
    elif compared is not None:
        said = [*said, _difference(compared.pairs, condition.confidence)]
    word = next((w for w in (Word.NO, Word.UNKNOWN) if w in words), Word.YES)
    sentence = "; ".join(part for part in (*said, *_left_out(missing, apart)) if part) + "."
    return Judged(
        condition, word, tally.rate, sentence, failing, missing, apart,
        needed if word is Word.UNKNOWN else None, compared,
    )  # fmt: skip


def _reasons(found: Mapping[str, Standing], fate: Fate) -> dict[str, int]:
    return dict(Counter(one.why for one in found.values() if one.fate is fate))


@dataclass(frozen=True, slots=True)
class _Tally:
    """The cases of one condition, counted."""

    condition: Condition
    failed: int
    passed: int
    missing: int

    @property
    def n(self) -> int:
        return self.failed + self.passed

    @property
    def rate(self) -> Rate:
        return self.of(self.failed, self.n)

    def of(self, k: float, n: float) -> Rate:
        return Rate.of(k, n, confidence=self.condition.confidence)


def _bounded(tally: _Tally) -> tuple[list[Word], list[str], int | None]:
    """Whether the fail rate keeps under its limit, in words, and how many cases are missing."""
    limit, measure = tally.condition.limit, tally.condition.measure
    said = f"no case has a verdict of {measure}"
    if tally.rate.share is not None:
        said = f"{_VERBS.get(measure, f'{measure} fails in')} {_counted(tally.rate)}"
    if limit is None:
        return [], [said], None
    allowed = f"{said}, {_allowed(limit)}"
    if not tally.n and not tally.missing:
        return [Word.UNKNOWN], [f"{allowed}: is it switched on?"], None
    word = _word(tally, limit)
    if word is not Word.UNKNOWN:
        return [word], [allowed], None
    needed, told = _needed(tally, limit)
    return [word], [f"{allowed}: {told}"], needed


def _word(tally: _Tally, limit: float) -> Word:
    k, n, missing = tally.failed, tally.n, tally.missing
    if limit == 0:
        is_no, is_yes = k > 0, k + missing == 0
    else:
        is_no = tally.of(k, n + missing).low > limit
        is_yes = tally.of(k + missing, n + missing).high <= limit
    if is_no:
        return Word.NO
    return Word.YES if is_yes and n >= max(1, tally.condition.min_cases) else Word.UNKNOWN


def _needed(tally: _Tally, limit: float) -> tuple[int | None, str]:
    """How many more judged cases would make it a yes, and that in words."""
    k, n, least = tally.failed, tally.n, max(tally.n, tally.condition.min_cases, 1)
    if limit == 0:
        short = max(tally.missing, least - n)
        return short, f"{plural(short, 'more verdict')} needed"
    share = k / n if n else 0.0
    enough = None
    if share <= limit:
        enough = first_enough(lambda m: tally.of(share * m, m).high <= limit, least)
    if enough is not None:
        return _short_of(enough, tally, "at this rate" if k else "with no failure")
    clean = first_enough(lambda m: tally.of(k, m).high <= limit, least)
    told = "not reachable at this rate"
    if clean is not None:
        told += f"; {_short_of(clean, tally, 'with no further failure')[1]}"
    return None, told


def _short_of(enough: int, tally: _Tally, how: str) -> tuple[int, str]:
    short = max(enough - tally.n, 0)
    if not short:  # there are enough, if only all had a verdict
        return 0, f"{plural(tally.missing, 'case')} must have a verdict first"
    return short, f"{plural(short, 'more case')} needed {how}"


def _not_worse(
    tally: _Tally,
    found: Mapping[str, Standing],
    cases: Sequence[Tried],
    baseline: Sequence[Tried],
) -> tuple[Word, str, int | None]:
    """Whether the fail rate keeps close enough to the baseline's over the same cases.

    A case without a verdict in the baseline counts as passed there for a yes, as failed for a no.
    """
    condition = tally.condition
    limit, confidence = condition.worse or 0.0, condition.confidence
    before = _before(condition, cases, baseline)
    fates = {key: one.fate for key, one in found.items() if one.fate is not Fate.APART}
    both = [(before[key], fate) for key, fate in fates.items() if key in before]
    pairs = Pairs.of(
        (was is Fate.FAILED, fate is Fate.FAILED)
        for was, fate in both
        if Fate.MISSING not in (was, fate)
    )
    best = Pairs.of((was is not Fate.PASSED, fate is Fate.FAILED) for was, fate in both)
    worst = Pairs.of((was is Fate.FAILED, fate is not Fate.PASSED) for was, fate in both)
    missing = sum(fate is not Fate.PASSED for key, fate in fates.items() if key not in before)
    # Where nothing may be worse, what passes now is well whatever the baseline was.
    missing += sum(
        fate is Fate.MISSING or (was is Fate.MISSING and (limit > 0 or fate is Fate.FAILED))
        for was, fate in both
    )
    said = _difference(pairs, confidence)
    if limit == 0:
        said = f"{said}, no case that passed may fail"
        is_no, is_yes = pairs.now > 0, not pairs.now and not missing
    else:
        said = f"{said}, at most {_percent(limit)} worse allowed"
        is_no = best.interval(confidence)[0] > limit
        is_yes = worst.interval(confidence)[1] <= limit
    if is_no:
        return Word.NO, said, None
    if is_yes and pairs.n >= max(1, condition.min_cases):
        return Word.YES, said, None
    short, told = _pairs_short(pairs, limit, condition, missing)
    return Word.UNKNOWN, f"{said}: {told}", short


def _pairs_short(
    pairs: Pairs, limit: float, condition: Condition, missing: int
) -> tuple[int | None, str]:
    """How many more cases with a verdict in both trials would make it a yes, and that in words."""
    least = max(int(pairs.n), condition.min_cases)
    enough: int | None = least
    if limit:
        enough = None
        if pairs.n and pairs.difference <= limit:
            enough = first_enough(
                lambda n: pairs.scaled(n).interval(condition.confidence)[1] <= limit, least
            )
    if enough is None:
        return None, "not reachable at these rates"
    short = enough - int(pairs.n)
    if not short:
        return 0, f"{plural(max(missing, 1), 'case')} must have a verdict in both first"
    return short, f"{plural(short, 'more case')} needed at these rates"


def _before(
    condition: Condition, cases: Sequence[Tried], baseline: Sequence[Tried]
) -> dict[str, Fate]:
    """How each case fared in the baseline, held against what is expected of it today."""
    expected = {case.key: case.expectation for case in cases}
    found = {
        case.key: standing(condition, _with(case, expected[case.key])).fate
        for case in baseline
        if case.key in expected
    }
    return {key: fate for key, fate in found.items() if fate is not Fate.APART}


def _with(case: Tried, expectation: Mapping[str, Json]) -> Tried:
    return replace(case, expectation=expectation)


def _compare(
    condition: Condition,
    found: Mapping[str, Standing],
    cases: Sequence[Tried],
    baseline: Sequence[Tried],
) -> Compared:
    fates = _before(condition, cases, baseline)
    before = {k: fate is Fate.FAILED for k, fate in fates.items() if fate in _JUDGED}
    now = {k: s.fate is Fate.FAILED for k, s in found.items() if s.fate in _JUDGED and k in before}
    pairs = Pairs.of((before[k], now[k]) for k in now)
    low, high = pairs.interval(condition.confidence)
    return Compared(
        pairs, low, high,
        tuple(k for k in now if now[k] and not before[k]),
        tuple(k for k in now if before[k] and not now[k]),
    )  # fmt: skip


_JUDGED = (Fate.FAILED, Fate.PASSED)


# ---------------------------------------------------------------- words


def _counted(rate: Rate) -> str:
    return (
        f"{rate.k:,.0f} of {plural(rate.n, 'case')}, {_percent(rate.share or 0.0)}"
        f" (interval {_number(rate.low)}–{_percent(rate.high)})"
    )


def _allowed(limit: float) -> str:
    return "no case may fail" if limit == 0 else f"at most {_percent(limit)} allowed"


def _difference(pairs: Pairs, confidence: float) -> str:
    if not pairs.n:
        return "no case was judged in both trials"
    low, high = pairs.interval(confidence)
    return (
        f"against the baseline {_signed(pairs.difference)} % over {plural(pairs.n, 'case')}"
        f" (interval {_signed(low)} to {_signed(high)} %),"
        f" {pairs.now:,.0f} fail only now and {pairs.before:,.0f} only before (p = {pairs.p:.2g})"
    )


def _left_out(missing: Mapping[str, int], apart: Mapping[str, int]) -> list[str]:
    told = [f"{plural(n, 'case')} {of_many(n, why)}" for why, n in missing.items()]
    return told + [f"{n:,} {why}" for why, n in apart.items()]


def _number(share: float) -> str:
    return f"{share * 100:.1f}".removesuffix(".0")


def _signed(share: float) -> str:
    return f"{share * 100:+.1f}".removesuffix(".0")


def _percent(share: float) -> str:
    return f"{_number(share)} %"
