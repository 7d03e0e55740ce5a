"""When an agent says what it was asked for, it must say what it was really asked for."""

import re
from collections.abc import Iterator

from evaluators.evaluator import evaluator
from evaluators.numbers import (
    DATE,
    MONTHS,
    figures_of,
    stated_months,
    stated_numbers,
    strange_dates,
)
from evaluators.surroundings import ALONE, Surroundings, answer_text
from evaluators.text import WORD, Span, quote
from waypost.records import Evidence, Kind, Score, Step, Trajectory

RESTATES = re.compile(
    r"(?:you(?:['’]d| would)? (?:want|like|asked|need|are asking|requested)(?: me)?(?: to| for)?"
    r"|(?:the |your |my )(?:goal|task|request|objective|user(?:['’]s)? (?:request|goal|wants?))"
    r"(?: is| was)?(?: to)?|(?:the )?user (?:wants|asks|asked|needs|requested)(?: me)?(?: to| for)?"
    r"|(?:as i understand|so,? you|following user request))[^.\n?]{10,300}",
    re.IGNORECASE,
)
NAME = re.compile(
    r"(?<=[a-z,] )[A-Z][a-z]{2,}\b|#?\b(?=\w*\d)(?=\w*[A-Z])\w{4,}\b|\"[^\"\n]{3,60}\""
)
NEGATION = re.compile(r"\b(?:not|never|don['’]t|do not|without|except|no)\b", re.IGNORECASE)
EARLY_STEPS = 2


@evaluator(version=2)
def goal_restatement(run: Trajectory, around: Surroundings = ALONE) -> Score | None:
    """Fail when an early restatement of the goal holds numbers or names the user never said."""
    stated = list(_restatements(run))
    if not stated:
        return Score.abstained("the run does not restate its goal") if run.steps else None
    for step, span in stated:
        strange = _strange(span.text, around)
        if strange:
            evidence = Evidence(step.id, "output", quote(span.text), span.start, span.end)
            return Score.failed(
                f"the goal is restated with {quote(', '.join(strange[:3]), 100)},"
                " which was never asked for",
                label="misstated",
                step=step.id,
                evidence=(evidence,),
            )
    return Score.passed(f"{len(stated)} restatements agree with the request")


def _restatements(run: Trajectory) -> Iterator[tuple[Step, Span]]:
    early = [s for s in run.steps if s.kind in (Kind.LLM, Kind.PLAN)][:EARLY_STEPS]
    for step in early:
        for match in RESTATES.finditer(answer_text(step)[:4000]):
            yield step, Span(match.group(), *match.span())


def _strange(text: str, around: Surroundings) -> list[str]:
    """Numbers, dates, names and quotations that neither the goal nor anything read holds."""
    goal, ledger = around.goal, around.ledger
    numbers = stated_numbers(goal) | set(ledger.numbers)
    found = strange_dates(text, goal, numbers)
    for written, readings in figures_of(DATE.sub(" ", text)):
        if len(written) > 1 and not readings & numbers:
            found.append(written)
    known = set(WORD.findall(goal.lower())) | set(ledger.first)
    known |= {name for n in stated_months(goal) for name in (MONTHS[n - 1], MONTHS[n - 1][:3])}
    for name in NAME.findall(text):
        if not all(w in known for w in WORD.findall(name.lower())):
            found.append(name)
    return found
