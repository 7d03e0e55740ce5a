"""A user's message must not be an attempt to talk the agent out of its rules."""

from evaluators.attacks import noise, overrides
from evaluators.evaluator import evaluator
from evaluators.linear import load_model, sigmoid
from evaluators.text import quote
from waypost.rates import percent
from waypost.records import Evidence, Kind, Score, Step

PHRASE_WEIGHT = 1.5
NOISE_WEIGHT = 5.0
NOISY = 0.25


@evaluator(version=2, kinds=(Kind.LLM,), fitted=("jailbreak",))
def jailbreak(step: Step, *, threshold: float = 0.6, model: str = "jailbreak") -> Score | None:
    """Fail when the newest user message reads like a known kind of jailbreak."""
    newest = step.input[-1] if step.input else None
    if newest is None or newest.role not in ("user", "human") or not newest.text.strip():
        return None
    text = newest.text
    spans = list(overrides(text))
    fitted = load_model(model)
    odd = noise(text)
    margin = fitted.margin(text) + PHRASE_WEIGHT * min(2, len(spans)) + NOISE_WEIGHT * odd
    danger = sigmoid(margin)
    if danger <= threshold:
        return Score.passed(value=1 - danger)
    span = spans[0] if spans else fitted.strongest(text)
    found = Evidence(
        step=step.id,
        where="input",
        quote=quote(span.text if span else text),
        start=span.start if span else None,
        end=span.end if span else None,
    )
    return Score.failed(
        f"the user's message is {percent(danger)} likely a jailbreak",
        value=1 - danger,
        label="noise" if odd > NOISY else "jailbreak",
        evidence=(found,),
    )
