"""Runs as the replay, the comparison and the queue see them."""

import datetime as dt
from dataclasses import replace

import pytest

from tests import seed
from tests.factories import NOW_NS, SECOND, make_run, make_tool
from ui import align, export, payload, queue, ranking
from ui.outline import Judged, depths, judged, label_of, outline
from ui.payload import Payloads
from waypost.assembly import assemble
from waypost.rates import Rate, change
from waypost.records import Json, Message, Outcome, Score, Status, Step, Trajectory
from waypost.store.rates import Compared
from waypost.store.reviews import Candidate
from waypost.store.scores import StoredScore

AT = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)


def run_of(steps: list[Step]) -> Trajectory:
    return assemble(steps, cohort_keys=seed.KEYS)


def scored(step: Step, score: Score) -> StoredScore:
    given = replace(score, step=step.span_id)
    return StoredScore(step.trace_id, step.started_at, 1, 1, AT, given)


def plan_run(**fields: object) -> Trajectory:
    plan = replace(seed.plans(AT, 5)[0], **fields)  # type: ignore[arg-type]  # Plan's own fields
    return run_of(seed.build(plan))


def test_the_first_bad_step_is_the_first_that_failed() -> None:
    run = plan_run(broken=True, bad=True)
    plain = judged(run, [])
    assert plain.first_bad is None
    assert plain.first_error == next(s.number for s in run.steps if s.status is Status.ERROR)
    failed = judged(run, [scored(run.steps[-1], Score.failed("no"))])
    assert failed.first_bad == len(run.steps)
    assert judged(run_of(make_run(2)), []).first_bad is None


def test_sub_agents_are_indented() -> None:
    run = plan_run(delegates=True)
    inner = [d for s, d in zip(run.steps, depths(run), strict=True) if s.agent == "payroll agent"]
    assert inner == [1, 1]
    assert depths(run)[0] == 0


def test_an_outline_has_a_row_a_step_with_its_verdict() -> None:
    run = plan_run()
    rows = outline(judged(run, [scored(run.steps[1], Score.failed("no"))]))
    assert len(rows) == len(run.steps)
    assert [row[4] for row in rows if isinstance(row, list)][:2] == ["", "f"]


def test_every_kind_of_step_has_a_label() -> None:
    run = plan_run(delegates=True)
    assert all(label_of(step) for step in (*run.steps, *run.scopes, *run.others))


def test_only_what_is_new_to_a_step_is_sent_with_it() -> None:
    run = run_of(make_run(50))
    last = Payloads(judged(run, [])).one(run.model_steps[-1])
    assert isinstance(last, dict)
    assert last["kept"] == 98
    assert len(last["messages"]) == 1  # type: ignore[arg-type]  # a list of messages
    whole = Payloads(judged(run, [])).one(run.model_steps[-1], whole=True)
    assert isinstance(whole, dict)
    assert len(whole["messages"]) == 99  # type: ignore[arg-type]  # as above


def test_a_second_call_shows_the_one_before() -> None:
    run = run_of(make_run(3))
    (second,) = [
        p for p in Payloads(judged(run, [])).window(4, 1) if isinstance(p, dict)
    ]  # fmt: skip
    assert second["previous"] == {"n": 2, "arguments": '{\n  "order_id": "A-0"\n}'}


def test_spans_below_a_step_are_shown_with_it() -> None:
    run = plan_run()
    payloads = Payloads(judged(run, [])).window(1, len(run.steps))
    below = [p["others"] for p in payloads if isinstance(p, dict) and p["others"]]
    assert "GET https://search.internal/query" in str(below)


def test_a_tool_s_answer_says_that_it_is_an_error() -> None:
    gone: dict[str, Json] = {"type": "tool_call_response", "response": "gone", "status": "error"}
    said = (Message("tool", (gone,)), Message("tool", ({**gone, "status": "ok"},)))
    step = replace(make_run(1)[1], input=said, number=1)
    shown = Payloads(judged(Trajectory("t", ("t",), steps=(step,)), [])).one(step, whole=True)
    texts = str(shown)
    assert texts.count("'failed': True") == texts.count("'failed': False") == 1


def test_long_texts_are_cut_and_say_so() -> None:
    text = payload.cut("x" * 30_000, 100)
    assert text.endswith("29,900 more characters")


def test_find_reads_arguments_results_and_messages_whatever_the_case() -> None:
    run = run_of(make_run(20))
    assert payload.find(run, '"a-7"') == [16]
    assert payload.find(run, "ANSWER 3 OF") == [7]
    assert payload.find(run, "") == []


def test_a_closed_ring_of_parents_does_not_hang() -> None:
    steps = [
        make_tool("a", span_id="a" * 16, parent_id="b" * 16),
        make_tool("b", span_id="b" * 16, parent_id="a" * 16, started_at=NOW_NS + SECOND),
    ]
    numbered = tuple(replace(s, number=i + 1) for i, s in enumerate(steps))
    loose = make_tool("c", span_id="c" * 16, parent_id="c" * 16)
    run = Trajectory("t", ("t",), steps=numbered, others=(loose,))
    assert len(Payloads(judged(run, [])).window(1, 2)) == 2
    assert depths(run) == [0, 0]


def test_equal_runs_have_no_difference() -> None:
    pairs = align.align(plan_run(), plan_run())
    assert {p.side for p in pairs} == {align.Side.SAME}
    assert align.first_difference(pairs) is None


def test_inserted_deleted_and_changed_steps_stand_out() -> None:
    one, other = plan_run(broken=False), plan_run(broken=True, delegates=True)
    sides = [p.side for p in align.align(one, other)]
    assert align.Side.ONLY_RIGHT in sides
    back = [p.side for p in align.align(other, one)]
    assert align.Side.ONLY_LEFT in back
    assert align.first_difference(align.align(one, other)) is not None


def test_changed_arguments_are_one_changed_step() -> None:
    def calling(value: int) -> Trajectory:
        step = make_tool("pay", arguments={"amount": value})
        return Trajectory("t", ("t",), steps=(replace(step, number=1),))

    (pair,) = align.align(calling(1), calling(2))
    assert (pair.side, pair.why) == (align.Side.CHANGED, "arguments")
    assert align.unified("a\nb", "a\nc") == "@@ -1,2 +1,2 @@\n a\n-b\n+c"


def candidate(name: str = "tone", **fields: object) -> Candidate:
    given: dict[str, object] = {
        "trace_id": "t", "span_id": "s", "started_at": AT, "evaluator": name, "version": "1",
        "outcome": Outcome.FAILED, "value": 0.1, "failed_there": 1, "judged_there": 1,
        "contradicted": 0,
    }  # fmt: skip
    return Candidate(**{**given, **fields})  # type: ignore[arg-type]  # Candidate's own fields


def test_what_people_contradict_comes_first_then_disagreement_then_doubt() -> None:
    calm, doubted = candidate(), candidate(value=0.45)
    alone = candidate(judged_there=5, failed_there=1)
    denied = candidate(contradicted=1, judged_there=5, failed_there=5)
    found = queue.ordered([calm, doubted, alone, denied])
    assert found[0] is denied
    assert found[-1] is calm


def test_a_guard_s_failure_comes_before_another_s() -> None:
    guard, other = candidate("content_safety"), candidate("tone")
    assert queue.ordered([other, guard])[0] is guard


def test_the_same_evaluator_does_not_come_four_times_in_a_row() -> None:
    many = [candidate("a", value=0.4) for _ in range(5)] + [candidate("b", value=0.05)]
    assert [c.evaluator for c in queue.ordered(many)][3] == "b"


def compared(k: int, n: int, was: tuple[int, int], region: str = "eu", name: str = "g") -> Compared:
    return Compared(name, {"region": region}, change(Rate.of(*was), Rate.of(k, n)))


def test_a_cell_that_got_worse_leads_the_sentence() -> None:
    found = [compared(340, 1000, (40, 1000)), compared(40, 1000, (40, 1000), "us")]
    (finding,) = ranking.out_of_line(found)
    assert finding.sentence("14:20") == (
        "G is failing in eu: 34 % of 1,000, since 14:20 (was 4.0 %)"
    )


def test_a_new_cohort_is_held_against_the_others() -> None:
    found = [compared(20, 50, (0, 0), "eu"), compared(40, 1000, (40, 1000), "us")]
    (finding,) = ranking.out_of_line(found)
    assert finding.is_new
    assert "(elsewhere 4.0 %)" in finding.sentence()


def test_elsewhere_is_every_other_cohort_however_small() -> None:
    small = [compared(1, 10, (0, 0), f"r{n}") for n in range(20)]
    found = [compared(40, 50, (0, 0), "eu"), compared(0, 100, (0, 0), "us"), *small]
    (finding,) = ranking.out_of_line(found)
    assert "(elsewhere 6.7 %)" in finding.sentence()


@pytest.mark.parametrize("few", [3, 19])
def test_a_handful_of_verdicts_raises_no_flag(few: int) -> None:
    assert (
        ranking.out_of_line([compared(few, few, (0, 100)), compared(0, 500, (0, 500), "us")]) == []
    )


def test_no_failures_are_said_with_numbers() -> None:
    said = ranking.all_well([compared(0, 2841, (0, 100))])
    assert said == "0 of 2,841 verdicts failed; the interval reaches to 0.1 %."


def test_people_s_verdicts_are_no_column() -> None:
    rows, names = ranking.grid([compared(1, 9, (0, 0)), compared(1, 9, (0, 0), name="review:g")])
    assert names == ["g"]
    assert len(rows) == 1


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_no_cell_of_an_export_is_a_formula(text: str) -> None:
    body = export.as_csv([{text: text, "n": 3}]).decode("utf-8-sig")
    assert "'" + text.strip("\t") in body.replace("\t", "")
    assert export.cell(-3) == -3
    assert export.as_json([{"a": text}]).startswith(b"[")


def test_judged_keeps_scores_of_the_whole_run_apart() -> None:
    run = plan_run()
    whole = StoredScore(run.traces[0], 0, 1, 1, AT, Score.failed("goal"))
    found: Judged = judged(run, [whole])
    assert found.on_run == [whole]
    assert found.failing == [len(run.steps)]
