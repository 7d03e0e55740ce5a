"""What an agent says must be supported by what it retrieved or was told by its tools."""

from evaluators.evaluator import evaluator
from evaluators.language import language_of
from evaluators.ledger import SOURCES
from evaluators.support import Claim, claims
from evaluators.support import Evidence as Known
from evaluators.surroundings import ALONE, Surroundings, answer_text
from evaluators.text import quote
from waypost.rates import percent
from waypost.records import Evidence, Kind, Score, Step


@evaluator(version=3, kinds=(Kind.LLM,))
def groundedness(
    step: Step, around: Surroundings = ALONE, *, threshold: float = 0.32
) -> Score | None:
    """Fail when too many of an answer's words appear in no document, tool result or memory."""
    answer = answer_text(step)
    if not answer.strip() or any(m.tool_calls for m in step.output):
        return None
    place, ledger = around.place(step), around.ledger
    if not ledger.has(place, SOURCES):
        return Score.abstained("nothing was retrieved or returned by a tool before this answer")
    if ledger.prose >= place:
        return Score.abstained("the evidence is records, not text; see hallucination")
    spoken, written = language_of(answer), language_of("\n".join(ledger.texts(place, SOURCES)))
    if spoken is not None and written is not None and spoken != written:
        return Score.abstained(f"the answer is in {spoken} and the evidence in {written}")
    known = Known(ledger.evidence, ledger.evidence_stems, place)
    stated = list(claims(answer, known))
    if not stated:
        return Score.abstained("the answer makes no statement that could be supported")
    novelty = sum(c.novelty * c.weight for c in stated) / sum(c.weight for c in stated)
    weak = [c for c in stated if c.novelty > threshold]
    told = f"{len(stated) - len(weak)} of {len(stated)} statements supported"
    if novelty <= threshold:
        return Score.passed(told, value=1 - novelty)
    return Score.failed(
        told, value=1 - novelty, label="ungrounded", evidence=_quoted(step, weak or stated)
    )


def _quoted(step: Step, weak: list[Claim]) -> tuple[Evidence, ...]:
    worst = sorted(weak, key=lambda c: -c.novelty)[:5]
    return tuple(
        Evidence(
            step=step.id,
            where="output",
            quote=quote(c.span.text),
            start=c.span.start,
            end=c.span.end,
            note=f"{percent(c.novelty)} of its words are in no evidence",
        )
        for c in worst
    )
