"""A tool that keeps failing must not be called again and again as if nothing had happened."""

from collections.abc import Iterator

from evaluators.actions import has_failed
from evaluators.evaluator import evaluator
from evaluators.text import as_text, quote
from waypost.records import Evidence, Score, Step, Trajectory


@evaluator(version=2)
def retry_storm(run: Trajectory, *, limit: int = 3) -> Score | None:
    """Fail when one tool fails more than `limit` times without a success in between."""
    tools = [s for s in run.tool_steps if s.executed]
    if not tools:
        return None
    worst = max(_storms(tools), key=len, default=[])
    if len(worst) <= limit and max(s.attempt for s in tools) <= limit + 1:
        return Score.passed(f"at most {len(worst)} failures of one tool in a row")
    if len(worst) <= limit:
        worst = [max(tools, key=lambda s: s.attempt)]
    blamed = worst[min(limit, len(worst) - 1)]
    return Score.failed(
        f"{blamed.tool} failed {max(len(worst), blamed.attempt)} times in a row",
        value=min(1.0, limit / max(len(worst), blamed.attempt)),
        label="retry_storm",
        step=blamed.id,
        evidence=tuple(
            Evidence(step=s.id, where="result", quote=quote(as_text(s.result), 120))
            for s in worst[:10]
        ),
    )


def _storms(tools: list[Step]) -> Iterator[list[Step]]:
    """The failures of each tool that no success of that tool divides."""
    open_storms: dict[str | None, list[Step]] = {}
    for step in tools:
        if has_failed(step):
            open_storms.setdefault(step.tool, []).append(step)
        elif step.tool in open_storms:
            yield open_storms.pop(step.tool)
    yield from open_storms.values()
