"""A run must stay with what it was asked for."""

from evaluators.actions import is_console, name_words
from evaluators.evaluator import evaluator
from evaluators.language import language_of
from evaluators.surroundings import ALONE, Surroundings, answer_text
from evaluators.text import as_text, content_words, quote
from waypost.rates import percent
from waypost.records import Evidence, Kind, Score, Step, Trajectory

LEAST_STEPS = 6
LEAST_WORDS = 12
LEAST_SAID = 4
NEAR = 0.5
FILES = frozenset({"edit", "file", "patch"})


@evaluator(version=3)
def goal_drift(
    run: Trajectory, around: Surroundings = ALONE, *, window: int = 4, threshold: float = 0.9
) -> Score | None:
    """Fail when `window` steps in a row share almost no word with the goal and what led here."""
    acts = [s for s in run.steps if len(_words(s)) >= LEAST_SAID]
    goal = set(content_words(around.goal))
    if len(goal) < LEAST_WORDS:
        return Score.abstained("the goal is too short to measure a distance to it")
    if len(acts) < LEAST_STEPS:
        return Score.abstained(f"only {len(acts)} steps say enough; {LEAST_STEPS} are needed")
    distances = _distances(acts, goal, around)
    means = [sum(distances[n : n + window]) / window for n in range(1, len(distances) - window + 1)]
    worst = max(means, default=0.0)
    if worst <= threshold:
        return Score.passed(f"at most {percent(worst)} away from the goal", value=1 - worst)
    place = next(n for n, mean in enumerate(means, 1) if mean > threshold)
    if not _speak_alike(around.goal, acts[place : place + window]):
        return Score.abstained("the steps are in another language than the goal")
    first = acts[place]
    words = quote(" ".join(_text(first).split()), 160)
    return Score.failed(
        f"{percent(worst)} away from the goal over {window} steps",
        value=1 - worst,
        label="drift",
        step=first.id,
        evidence=(
            Evidence(step=first.id, where="output", quote=words, note="first drifting step"),
        ),
    )


def _speak_alike(goal: str, acts: list[Step]) -> bool:
    """Whether words of the goal could come again in the steps: terse ones are taken for English."""
    mine = language_of(goal) or "english"
    return mine == (language_of(" ".join(_text(s) for s in acts)) or "english")


def _text(step: Step) -> str:
    if step.kind is Kind.TOOL:
        if is_console(step) or not FILES.isdisjoint(name_words(step.tool or "")):
            return ""  # commands and code are no words that could be near a goal
        return f"{(step.tool or '').replace('_', ' ')} {as_text(step.arguments)}"
    return step.query or answer_text(step) or (step.memory.query or "" if step.memory else "")


def _words(step: Step) -> set[str]:
    return set(content_words(_text(step)[:4000]))


def _distances(acts: list[Step], goal: set[str], around: Surroundings) -> list[float]:
    """How little of each step comes from the goal, its prompts, or steps that were still near."""
    near = set(goal)
    told = [(p, t) for p, origin, t in around.ledger.entries if origin == "user"]
    distances, heard = [], 0
    for step in acts:
        place = around.place(step)
        while heard < len(told) and told[heard][0] < place:
            near |= set(content_words(told[heard][1][:20_000]))
            heard += 1
        mine = _words(step)
        distance = 1 - min(1.0, 2 * len(mine & near) / max(1, len(mine)))
        distances.append(distance)
        if distance < NEAR:
            near |= mine | set(content_words(as_text(step.result)[:4000]))
    return distances
