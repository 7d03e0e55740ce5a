"""Which step a page leads to: what failed a whole run stands at the step it points to."""

import datetime as dt
from dataclasses import replace
from typing import Any

from tests.factories import make_run
from ui.outline import Judged, judged, outline
from ui.payload import Payloads
from waypost.assembly import assemble
from waypost.records import Evidence, Fault, Kind, Score, Status, Step, Trajectory
from waypost.store.scores import StoredScore

NOW = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)


def run(*, broken: int | None = None, ended: Status = Status.OK) -> Trajectory:
    """A run of six steps, one of which ended in an error."""
    steps = make_run(3)
    found = [
        replace(s, status=ended if s.kind is Kind.AGENT else Status.ERROR)
        if s.kind is Kind.AGENT or n == broken
        else s
        for n, s in enumerate(steps)
    ]
    return assemble(found)


def stored(score: Score) -> StoredScore:
    return StoredScore("0" * 32, 0, 1, 1, NOW, score)


def failed(evaluator: str, *pointed: Step, step: Step | None = None) -> StoredScore:
    evidence = tuple(Evidence(one.span_id, "step", "") for one in pointed)
    own = None if step is None else step.span_id
    return stored(Score.failed("", evaluator=evaluator, version="1", step=own, evidence=evidence))


def marks(found: Judged) -> str:
    return "".join(str(row[4]) or "·" for row in outline(found) if isinstance(row, list))


def test_a_verdict_on_the_run_stands_at_the_step_it_points_to() -> None:
    whole = run()
    found = judged(whole, [failed("loop", whole.steps[2], whole.steps[4])])
    assert (found.first_bad, found.failing, marks(found)) == (3, [3], "··f···")
    assert [s.score.evaluator for s in found.scores(whole.steps[2])] == ["loop"]


def test_one_that_points_nowhere_stands_at_the_last_step() -> None:
    assert judged(run(), [failed("step_budget")]).first_bad == 6


def test_a_guess_counts_only_where_nothing_else_failed() -> None:
    whole = run()
    guess = failed("first_bad_step", whole.steps[1])
    assert judged(whole, [guess]).first_bad == 2
    assert judged(whole, [guess, failed("goal", step=whole.steps[4])]).first_bad == 5
    assert judged(whole, [guess, failed("loop", whole.steps[3])]).first_bad == 4


def test_an_error_the_agent_got_over_did_not_break_the_run() -> None:
    over, broke = judged(run(broken=2), []), judged(run(broken=2, ended=Status.ERROR), [])
    assert (over.first_bad, over.first_error) == (None, 2)
    assert (broke.first_bad, broke.first_error) == (2, 2)


def test_evidence_names_the_step_it_lies_in_where_that_is_another() -> None:
    whole = run()
    found = judged(whole, [failed("loop", whole.steps[2], whole.steps[4])])
    shown: Any = Payloads(found).one(whole.steps[2])
    assert [e["at"] for e in shown["judges"][0]["evidence"]] == [None, 5]


def test_a_run_that_crashed_between_its_steps_knows_in_what() -> None:
    steps = make_run(1)
    root = replace(steps[0], status=Status.ERROR, error=Fault("RuntimeError", "database is down"))
    crashed = assemble([root, *steps[1:]])
    assert crashed.crash == crashed.error == root.error
    failing = replace(steps[1], status=Status.ERROR, error=Fault("Timeout"))
    known = assemble([root, failing, *steps[2:]])
    assert (known.crash, known.error) == (None, root.error)
    assert (assemble(steps).crash, assemble(steps).error) == (None, None)
    other = replace(root, trace_id="f" * 32, span_id="e" * 16, error=Fault("Later"))
    assert replace(crashed, traces=(root.trace_id, "f" * 32), scopes=(root, other)).error == (
        Fault("Later")
    )
    told = assemble([replace(root, error=None), failing, *steps[2:]])
    assert told.error == failing.error


def test_a_guess_that_blames_another_step_is_known_beside_the_first_failure() -> None:
    whole = run()
    guess = failed("first_bad_step", whole.steps[4], whole.steps[1])
    found = judged(whole, [guess, failed("leak", step=whole.steps[1])])
    assert (found.first_bad, found.blamed) == (2, 5)
    assert judged(whole, [failed("leak", step=whole.steps[1])]).blamed is None
