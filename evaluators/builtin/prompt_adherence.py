"""An answer must follow the instructions in its prompt that a machine can check."""

from evaluators.evaluator import evaluator
from evaluators.instructions import Instruction, find_instructions
from evaluators.surroundings import ALONE, Surroundings, answer_text, last_request
from evaluators.text import quote
from waypost.records import Evidence, Kind, Score, Step


@evaluator(version=2, kinds=(Kind.LLM,))
def prompt_adherence(step: Step, around: Surroundings = ALONE) -> Score | None:
    """Fail when a checkable instruction of the system prompt or request is broken."""
    answer = answer_text(step)
    if not answer.strip() or any(m.tool_calls for m in step.output):
        return None
    prompts = (around.system_text(step), last_request(step))
    asked = [i for prompt in prompts for i in find_instructions(prompt)]
    if not asked:
        return Score.abstained("no instruction that a machine can check")
    verdicts = [(i, i.check(answer)) for i in asked]
    told = [(i, kept) for i, kept in verdicts if kept is not None]
    if not told:
        return Score.abstained("the answer is too short to check its instructions")
    broken = [i for i, kept in told if not kept]
    summary = f"{len(told) - len(broken)} of {len(told)} checkable instructions followed"
    if not broken:
        return Score.passed(summary)
    return Score.failed(
        f"{summary}; broken: {quote(broken[0].quote, 120)}",
        value=(len(told) - len(broken)) / len(told),
        label=broken[0].kind,
        evidence=tuple(_cited(step, i) for i in broken[:5]),
    )


def _cited(step: Step, instruction: Instruction) -> Evidence:
    return Evidence(
        step=step.id, where="input", quote=quote(instruction.quote), note=instruction.kind
    )
