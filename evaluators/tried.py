"""One case of a trial as it is judged: what came out of it, and how it fares by each measure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from evaluators.conditions import DIFFERENCES, ERRORS, EXPECTATION, Condition
from waypost.records import Json

_SHOWN = 120


class Fate(StrEnum):
    """How a case fares: `missing` could be either, `apart` has nothing to say by this measure."""

    PASSED = "passed"
    FAILED = "failed"
    MISSING = "missing"
    APART = "apart"


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How many scores of a run by one evaluator failed, passed and abstained."""

    failed: int = 0
    passed: int = 0
    abstained: int = 0

    def __add__(self, other: "Outcomes") -> "Outcomes":
        return Outcomes(
            self.failed + other.failed,
            self.passed + other.passed,
            self.abstained + other.abstained,
        )


@dataclass(frozen=True, slots=True)
class Tried:
    """A case and what its new run came to.

    `ran` is False without a result. `waiting` and `given_up` name evaluators that have yet to
    judge the run, or could not; an empty name means all of them.
    """

    key: str
    title: str = ""
    expectation: Mapping[str, Json] = field(default_factory=dict)
    recorded: str | None = None
    ran: bool = True
    trace_id: str | None = None
    arrived: bool = True
    answer: str = ""
    error: str = ""
    broke: bool = False
    differences: Mapping[str, Json] | None = None
    scores: Mapping[str, Outcomes] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()
    given_up: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Standing:
    """How one case fares, and why."""

    fate: Fate
    why: str = ""


def standing(condition: Condition, case: Tried) -> Standing:
    """How the case fares by the condition's measure."""
    if not case.ran:
        return Standing(Fate.MISSING, "has not run")
    if condition.measure == EXPECTATION:
        return _expected(case)
    if condition.measure == ERRORS:
        return _ended(case)
    if condition.measure == DIFFERENCES:
        return _compared(case)
    return _scored(condition, case)


def _ended(case: Tried) -> Standing:
    if case.error:
        return Standing(Fate.FAILED, _short(case.error))
    if case.broke:
        return Standing(Fate.FAILED, "its run broke")
    return _awaited(case) or Standing(Fate.PASSED)


def _awaited(case: Tried) -> Standing | None:
    """Why how the run ended cannot be known yet; None when it can."""
    if not case.arrived:
        return Standing(Fate.MISSING, "its run did not arrive")
    if "" in case.waiting:
        return Standing(Fate.MISSING, "is not judged yet")
    return Standing(Fate.MISSING, "could not be judged") if "" in case.given_up else None


def _compared(case: Tried) -> Standing:
    if case.error:
        return Standing(Fate.MISSING, "ended in an error")
    if case.differences is None:
        return Standing(Fate.APART, "not compared")
    differs = [name for name, value in case.differences.items() if value]
    if differs:
        return Standing(Fate.FAILED, "differs in " + _short(", ".join(differs)))
    return Standing(Fate.PASSED)


def _scored(condition: Condition, case: Tried) -> Standing:
    found = Outcomes()
    for name, outcomes in case.scores.items():
        found = found + outcomes if condition.covers(name) else found
    if found.failed:
        return Standing(Fate.FAILED, f"{condition.measure} failed")
    if case.error:
        return Standing(Fate.MISSING, "ended in an error")
    if not case.arrived:
        return Standing(Fate.MISSING, "its run did not arrive")
    if any(not name or condition.covers(name) for name in case.waiting):
        return Standing(Fate.MISSING, "is not judged yet")
    if found.passed:
        return Standing(Fate.PASSED)
    if any(not name or condition.covers(name) for name in case.given_up):
        return Standing(Fate.MISSING, "could not be judged")
    return Standing(Fate.APART, "abstained" if found.abstained else "not scored")


def _expected(case: Tried) -> Standing:
    if case.error:
        return Standing(Fate.FAILED, f"ended in an error: {_short(case.error)}")
    wanted = {name: texts_of(case.expectation.get(name)) for name in _READ}
    if any(texts is None for texts in wanted.values()):
        return Standing(Fate.MISSING, "has an expectation that cannot be read")
    if not any(wanted.values()):
        return Standing(Fate.APART, "without an expectation")
    must, must_not, names = (wanted[name] or () for name in _READ)
    wrong, missing = [], []
    awaited = None if case.answer else _awaited(case)
    if awaited is None:
        wrong += [f"does not say {_short(text)!r}" for text in must if text not in case.answer]
        wrong += [f"says {_short(text)!r}" for text in must_not if text in case.answer]
    elif must or must_not:
        missing.append(awaited.why)
    for judged in _each(names, case):
        if judged.fate is Fate.FAILED:
            wrong.append(judged.why)
        elif judged.fate is not Fate.PASSED:
            missing.append(judged.why)
    if wrong:
        return Standing(Fate.FAILED, ", ".join(wrong))
    return Standing(Fate.MISSING, missing[0]) if missing else Standing(Fate.PASSED)


_READ = ("must", "must_not", "evaluators")


def _each(names: tuple[str, ...], case: Tried) -> Iterator[Standing]:
    for name in names:
        found = _scored(Condition(name), case)
        apart = found.fate is Fate.APART
        yield Standing(found.fate, f"has no verdict of {name}") if apart else found


def texts_of(value: Json) -> tuple[str, ...] | None:
    """The texts in a text or a list of texts, empty ones left out; None for anything else."""
    if value is None:
        return ()
    given = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in given):
        return None
    return tuple(one for one in given if isinstance(one, str) and one)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
