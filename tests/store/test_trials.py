"""A trial holds one result a case of its dataset's version, and what the gate said of it."""

import json
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from sqlalchemy.engine import Connection, Engine

from tests.store.test_datasets import ANA, run
from waypost.cli import waypost
from waypost.errors import NotAllowed, NotFound, WrongUse
from waypost.records import Json
from waypost.roles import Person, Role
from waypost.store import audit, datasets, trials
from waypost.store.trials import Word

TRACE = "a" * 32


def filled(connection: Connection, cases: int = 3) -> int:
    made = datasets.create(connection, 1, "refunds", by=ANA)
    datasets.add(connection, 1, made, [run(n) for n in range(cases)], by=ANA)
    return made


def test_a_trial_takes_one_result_a_case_and_the_last_counts(engine: Engine) -> None:
    with engine.begin() as connection:
        made = filled(connection)
        trial = trials.begin(connection, 1, made, name="v16", note="the fix", by=ANA)
        trials.record(connection, 1, trial.id, run(1).id, trace_id=None, error="timeout", by=ANA)
        trials.record(connection, 1, trial.id, run(0).id, trace_id=TRACE, answer="yes", by=ANA)
        trials.record(
            connection, 1, trial.id, run(1).id, trace_id=TRACE, differences={"n": 1}, by=ANA
        )
        trials.finish(connection, 1, trial.id, by=ANA)
        now = trials.named(connection, 1, made, "v16")
        came = trials.results(connection, 1, trial.id)
    assert (now.version, now.cases, now.results, now.errors, now.note) == (1, 3, 2, 0, "the fix")
    assert now.finished_at is not None
    assert [r.key for r in came] == [run(0).id, run(1).id]
    assert [(r.trace_id, r.answer, r.error) for r in came] == [(TRACE, "yes", ""), (TRACE, "", "")]
    assert came[1].differences == {"n": 1}


def test_a_name_is_taken_once_a_dataset_and_a_viewer_begins_none(engine: Engine) -> None:
    with engine.begin() as connection:
        made = filled(connection)
        other = datasets.create(connection, 1, "other", by=ANA)
        trials.begin(connection, 1, made, name="v16", by=ANA)
        trials.begin(connection, 1, other, name="v16", by=ANA)
        with pytest.raises(WrongUse, match="a name of its own"):
            trials.begin(connection, 1, made, name=" v16 ", by=ANA)
        with pytest.raises(WrongUse, match="cannot name a trial"):
            trials.begin(connection, 1, made, name="v\x1b[31m", by=ANA)
        with pytest.raises(NotAllowed):
            trials.begin(connection, 1, made, name="v17", by=Person("vic", Role.VIEWER))
        assert [e.action for e in audit.latest(connection, 1)][:2] == ["trial.begin"] * 2


def test_a_trial_is_of_the_version_it_began_with(engine: Engine) -> None:
    with engine.begin() as connection:
        made = filled(connection)
        datasets.remove(connection, 1, made, [run(0).id], by=ANA)
        old = trials.begin(connection, 1, made, name="old", version=1, by=ANA)
        new = trials.begin(connection, 1, made, name="new", by=ANA)
        trials.record(connection, 1, old.id, run(0).id, trace_id=TRACE, by=ANA)
        with pytest.raises(NotFound, match="not in the version"):
            trials.record(connection, 1, new.id, run(0).id, trace_id=TRACE, by=ANA)
        with pytest.raises(NotFound, match="no version 9"):
            trials.begin(connection, 1, made, name="x", version=9, by=ANA)
        held = [(t.name, t.cases) for t in trials.every(connection, 1, made)]
    assert held == [("new", 2), ("old", 3)]


def test_a_finished_trial_takes_no_more(engine: Engine) -> None:
    with engine.begin() as connection:
        trial = trials.begin(connection, 1, filled(connection), name="v16", by=ANA)
        trials.finish(connection, 1, trial.id, by=ANA)
        with pytest.raises(WrongUse, match="begin another"):
            trials.record(connection, 1, trial.id, run(0).id, trace_id=TRACE, by=ANA)


def test_a_viewer_records_and_finishes_no_trial(engine: Engine) -> None:
    vic = Person("vic", Role.VIEWER)
    with engine.begin() as connection:
        trial = trials.begin(connection, 1, filled(connection), name="v16", by=ANA)
        with pytest.raises(NotAllowed):
            trials.record(connection, 1, trial.id, run(0).id, trace_id=TRACE, by=vic)
        with pytest.raises(NotAllowed):
            trials.finish(connection, 1, trial.id, by=vic)
        assert trials.results(connection, 1, trial.id) == []


def test_another_project_sees_and_changes_nothing(engine: Engine) -> None:
    with engine.begin() as connection:
        made = filled(connection)
        trial = trials.begin(connection, 1, made, name="v16", by=ANA)
        trials.record(connection, 1, trial.id, run(0).id, trace_id=TRACE, by=ANA)
        wrong: list[Any] = [
            lambda: trials.begin(connection, 2, made, name="x", by=ANA),
            lambda: trials.named(connection, 2, made, "v16"),
            lambda: trials.record(connection, 2, trial.id, run(0).id, trace_id=None, by=ANA),
            lambda: trials.finish(connection, 2, trial.id, by=ANA),
            lambda: trials.decide(
                connection, 2, trial.id, Word.YES, sentence="", conditions=[], by=ANA
            ),
        ]
        for call in wrong:
            with pytest.raises(NotFound):
                call()
        assert trials.every(connection, 2, made) == []
        assert trials.results(connection, 2, trial.id) == []
        assert trials.decisions(connection, 2, trial.id) == []
        assert trials.named(connection, 1, made, "v16").finished_at is None


def test_what_the_gate_said_last_is_shown_and_what_it_said_before_stays(engine: Engine) -> None:
    with engine.begin() as connection:
        made = filled(connection)
        trial = trials.begin(connection, 1, made, name="v16", by=ANA)
        for word in (Word.UNKNOWN, Word.NO):
            trials.decide(
                connection, 1, trial.id, word, sentence=f"{word}!", conditions=[{"k": 7}],
                baseline="v15", by=ANA,
            )  # fmt: skip
        said = trials.named(connection, 1, made, "v16").decision
        words = [d.word for d in trials.decisions(connection, 1, trial.id)]
    assert said is not None
    assert (said.word, said.sentence, said.by) == (Word.NO, "no!", "ana")
    assert (said.baseline, said.conditions) == ("v15", ({"k": 7},))
    assert words == [Word.NO, Word.UNKNOWN]


def test_only_the_results_asked_for_are_read(engine: Engine) -> None:
    with engine.begin() as connection:
        trial = trials.begin(connection, 1, filled(connection), name="v16", by=ANA)
        for n in range(3):
            trials.record(
                connection,
                1,
                trial.id,
                run(n).id,
                trace_id=None,
                answer="yes",
                differences={"n": n},
                by=ANA,
            )
        (second,) = trials.results(connection, 1, trial.id, after=run(0).id, most=1)
        (third,) = trials.results(connection, 1, trial.id, keys=[run(2).id], shown=2)
    assert (second.key, second.answer, second.differences) == (run(1).id, "yes", {"n": 1})
    assert (third.key, third.answer, third.differences) == (run(2).id, "ye", None)


def test_a_decision_over_a_great_many_cases_keeps_its_conditions(engine: Engine) -> None:
    keys: list[Json] = [f"{n:064}" for n in range(20_000)]
    failing: Json = {str(key): "does not say " * 100 for key in keys}
    one: dict[str, Json] = {"measure": "errors", "failed": 20_000, "failing": failing}
    one["compared"] = {"regressed": keys, "mended": []}
    with engine.begin() as connection:
        made = filled(connection)
        trial = trials.begin(connection, 1, made, name="v16", by=ANA)
        trials.decide(connection, 1, trial.id, Word.NO, sentence="No", conditions=[one], by=ANA)
        said = trials.named(connection, 1, made, "v16").decision
    assert said is not None
    (kept,) = said.conditions
    assert (kept["measure"], kept["failed"], kept["failing_left_out"]) == ("errors", 20_000, 19_000)
    assert {len(str(why)) for why in dict(kept["failing"]).values()} == {200}  # type: ignore[arg-type]  # a mapping
    assert kept["compared"] == {
        "regressed": keys[:1000], "regressed_left_out": 19_000, "mended": [],
    }  # fmt: skip


def test_whatever_an_agent_answers_is_stored(engine: Engine) -> None:
    deep: Any = "x"
    for _ in range(500):
        deep = [deep]
    nasty = {"a\0b": "\ud800", "n": float("nan"), "big": 1 << 90, "deep": deep, "o": object()}
    with engine.begin() as connection:
        trial = trials.begin(connection, 1, filled(connection), name="v16", by=ANA)
        trials.record(
            connection, 1, trial.id, run(0).id, trace_id=None, answer="a\0\ud800" + "x" * 200_000,
            error="\0" * 9000, differences=nasty, by=ANA,
        )  # fmt: skip
        trials.record(
            connection, 1, trial.id, run(1).id, trace_id=None,
            differences={"x": ["y" * 99_999] * 9}, by=ANA,
        )  # fmt: skip
        first, second = trials.results(connection, 1, trial.id)
    assert (first.answer[:3], len(first.answer), len(first.error)) == ("a␀?", 100_000, 4000)
    assert first.differences is not None
    assert first.differences["a␀b"] == "?"
    assert second.differences == {"left_out": "900,025 bytes"}


def test_what_a_candidate_said_is_masked_before_it_is_stored(engine: Engine) -> None:
    secret = "write to maria.k@example.com"
    with engine.begin() as connection:
        trial = trials.begin(connection, 1, filled(connection), name="v16", by=ANA)
        trials.record(
            connection, 1, trial.id, run(0).id, trace_id=None, answer=secret, error=secret,
            differences={"answer": [{"recorded": secret, "new": "no"}], "password": "hunter22"},
            by=ANA,
        )  # fmt: skip
        (came,) = trials.results(connection, 1, trial.id)
    clean = "write to [EMAIL]"
    assert (came.answer, came.error) == (clean, clean)
    assert came.differences == {
        "answer": [{"recorded": clean, "new": "no"}], "password": "[SECRET]",
    }  # fmt: skip


def test_a_dataset_that_goes_takes_its_trials_along(engine: Engine) -> None:
    with engine.begin() as connection:
        trial = trials.begin(connection, 1, filled(connection), name="v16", by=ANA)
        trials.record(connection, 1, trial.id, run(0).id, trace_id=TRACE, by=ANA)
        trials.decide(connection, 1, trial.id, Word.YES, sentence="", conditions=[], by=ANA)
        connection.execute(sa.text("delete from dataset"))
        for table in ("trial", "trial_result", "decision"):
            assert connection.execute(sa.text(f"select count(*) from {table}")).scalar() == 0


def record(engine: Engine, *given: object, name: str = "v16") -> Result:
    body = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in given)
    url = engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    return CliRunner().invoke(
        waypost, ["dataset", "record", "refunds", "--trial", name, "-"], input=body,
        env={"WAYPOST_DATABASE_URL": url}, standalone_mode=False,
    )  # fmt: skip


def test_what_a_suite_of_ones_own_ran_is_recorded_as_a_trial(engine: Engine) -> None:
    with engine.begin() as connection:
        made = filled(connection)
    said = {"key": run(0).id, "trace_id": TRACE, "answer": "yes"}
    done = record(engine, said, {"key": run(1).id, "trace_id": None, "error": "boom"})
    assert done.stdout.splitlines() == [
        "2 of 3 cases recorded, 1 ended in an error.", "Next: waypost gate refunds --trial v16",
    ]  # fmt: skip
    with engine.connect() as connection:
        trial = trials.named(connection, 1, made, "v16")
        (first, _) = trials.results(connection, 1, trial.id)
    assert trial.finished_at is not None
    assert (first.trace_id, first.answer) == (TRACE, "yes")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "it is not JSON"),
        ("7", "must be an object"),
        ({}, "names no case"),
        ({"key": "x"}, "not in the version"),
        ({"key": "x", "trace_id": "y"}, "is not a trace id"),
        ({"key": "x", "answer": 7}, "must be a text"),
        ({"key": "x", "anwser": "y"}, "'anwser' is unknown"),
    ],
)
def test_a_line_that_does_not_fit_is_named_and_nothing_is_recorded(
    engine: Engine, line: object, why: str
) -> None:
    with engine.begin() as connection:
        made = filled(connection)
    done = record(engine, {"key": run(0).id}, line)
    assert isinstance(done.exception, WrongUse)
    assert str(done.exception).startswith("Line 2: ")
    assert why in str(done.exception)
    with engine.connect() as connection:
        assert trials.every(connection, 1, made) == []
