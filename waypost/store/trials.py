"""Trials: a candidate of the agent run over one version of a dataset, and the gate's word."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.errors import NotFound, WrongUse
from waypost.records import Json
from waypost.redact import Redactor
from waypost.roles import Person, Role
from waypost.store import audit, datasets, projects

_ANSWER, _ERROR, _NOTE, _SENTENCE = 100_000, 4000, 2000, 4000
_DIFFERENCES, _DECISION = 256 << 10, 1 << 20
_NAMED = (1000, 100, 10, 0)
_WHY = 200
_DEPTH = 64


class Word(StrEnum):
    """What a gate says: release, do not, or that there is too little to go by."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate said of a trial: its word, the sentence, and every condition as judged."""

    word: Word
    sentence: str
    baseline: str | None
    conditions: Sequence[Mapping[str, Json]]
    at: dt.datetime
    by: str


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate's run over a dataset's version; `cases` are those of that version."""

    id: int
    dataset_id: int
    name: str
    version: int
    note: str
    by: str
    began_at: dt.datetime
    finished_at: dt.datetime | None
    cases: int
    results: int
    errors: int
    decision: Decision | None


@dataclass(frozen=True, slots=True)
class Result:
    """What came out of one case: the new run, its final answer, or why there is none.

    `differences` says how the run left the recorded one, where the runner compared them.
    """

    key: str
    trace_id: str | None
    answer: str
    error: str
    differences: Mapping[str, Json] | None
    at: dt.datetime


def begin(
    connection: Connection,
    project_id: int,
    dataset_id: int,
    *,
    name: str,
    version: int | None = None,
    note: str = "",
    by: Person,
) -> Trial:
    """A new trial of a version of the dataset, the newest by default.

    Its name says what is tried, such as a prompt's version or a commit; WrongUse when it is taken
    or cannot be one, NotFound when there is no such dataset or version.
    """
    by.must_be(Role.REVIEWER, "Beginning a trial")
    name = name.strip()
    if not name or len(name) > 100 or not name.isprintable():
        raise WrongUse(f"{name!r} cannot name a trial; use 1 to 100 printable characters.")
    number = datasets.version_of(connection, project_id, dataset_id, version)
    made = connection.execute(
        sa.text("""
            insert into trial (dataset_id, name, version, note, made_by)
            values (:dataset_id, :name, :version, :note, :by)
            on conflict (dataset_id, name) do nothing returning id"""),
        {
            "dataset_id": dataset_id, "name": name, "version": number,
            "note": _text(note, _NOTE), "by": by.name,
        },
    ).scalar()  # fmt: skip
    if made is None:
        raise WrongUse(
            f"A trial {name!r} of this dataset exists already; give this one a name of its own, "
            "such as the prompt's version or the commit."
        )
    actor = audit.Actor(by.name, by.origin)
    said = {"dataset": dataset_id, "version": number}
    audit.note(connection, project_id, actor, "trial.begin", name, after=said)
    return named(connection, project_id, dataset_id, name)


def every(connection: Connection, project_id: int, dataset_id: int) -> list[Trial]:
    """The trials of a dataset, newest first, each with what the gate said last."""
    rows = connection.execute(
        _EVERY, {"project_id": project_id, "dataset_id": dataset_id, "name": None}
    )
    return [_trial(row) for row in rows]


def named(connection: Connection, project_id: int, dataset_id: int, name: str) -> Trial:
    """The trial of that name; NotFound otherwise."""
    row = connection.execute(
        _EVERY, {"project_id": project_id, "dataset_id": dataset_id, "name": name}
    ).one_or_none()
    if row is None:
        known = connection.execute(
            _NEWEST, {"project_id": project_id, "dataset_id": dataset_id}
        ).scalars()
        there = ", ".join(repr(one) for one in known)
        raise NotFound(
            f"There is no trial {name!r} of this dataset; "
            + (f"the newest are {there}." if there else "`waypost replay` makes one.")
        )
    return _trial(row)


_NEWEST = sa.text("""
    select t.name from trial t join dataset d on d.id = t.dataset_id
    where d.project_id = :project_id and d.id = :dataset_id
    order by t.id desc limit 5""")


_EVERY = sa.text("""
    select t.id, t.dataset_id, t.name, t.version, t.note, t.made_by, t.began_at, t.finished_at,
      held.cases, came.results, came.errors,
      said.verdict, said.sentence, said.baseline, said.conditions, said.at, said.decided_by
    from trial t join dataset d on d.id = t.dataset_id
    cross join lateral (
      select count(*) as cases from dataset_case c
      where c.dataset_id = t.dataset_id and c.since <= t.version
        and coalesce(c.until, 2147483647) > t.version) held
    cross join lateral (
      select count(*) as results, count(*) filter (where r.error <> '') as errors
      from trial_result r where r.trial_id = t.id) came
    left join lateral (
      select * from decision g where g.trial_id = t.id order by g.id desc limit 1) said on true
    where d.project_id = :project_id and t.dataset_id = :dataset_id
      and t.name = coalesce(:name, t.name)
    order by t.id desc""")


def _trial(row: sa.Row[tuple[Any, ...]]) -> Trial:
    return Trial(
        row.id, row.dataset_id, row.name, row.version, row.note, row.made_by, row.began_at,
        row.finished_at, int(row.cases), int(row.results), int(row.errors),
        None if row.verdict is None else _decision(row),
    )  # fmt: skip


def _decision(row: sa.Row[tuple[Any, ...]]) -> Decision:
    return Decision(
        Word(row.verdict), row.sentence, row.baseline,
        tuple(one for one in row.conditions if isinstance(one, dict)), row.at, row.decided_by,
    )  # fmt: skip


def record(  # noqa: PLR0913 - a result has this many parts
    connection: Connection,
    project_id: int,
    trial_id: int,
    key: str,
    *,
    trace_id: str | None,
    answer: str = "",
    error: str = "",
    differences: Mapping[str, Json] | None = None,
    by: Person,
) -> None:
    """Keep what came out of a case; a second result of the same case replaces the first.

    It is masked as what arrives in the project is. NotFound when the trial is not of this project
    or its version has no such case, WrongUse when it is finished.
    """
    by.must_be(Role.REVIEWER, "Recording a trial")
    masker = Redactor(projects.get(connection, project_id).masking)
    said = None if differences is None else masker.value(orjson.loads(_dumped(differences)))[0]
    done = connection.execute(
        _RECORD,
        {
            "project_id": project_id,
            "trial_id": trial_id,
            "key": key,
            "trace_id": None if trace_id is None else uuid.UUID(trace_id),
            "answer": _text(masker.text(answer)[0], _ANSWER),
            "error": _text(masker.text(error)[0], _ERROR),
            "differences": None if said is None else _json(said),
        },
    ).scalar()
    if done is None:
        _must_run(connection, project_id, trial_id)
        raise NotFound(
            f"Case {key!r} is not in the version of the dataset that is tried; "
            "`waypost dataset export` prints the keys."
        )


_RECORD = sa.text("""
    insert into trial_result (trial_id, key, trace_id, answer, error, differences)
    select t.id, c.key, cast(:trace_id as uuid), :answer, :error, cast(:differences as jsonb)
    from trial t join dataset d on d.id = t.dataset_id
    join dataset_case c on c.dataset_id = t.dataset_id and c.key = :key and c.since <= t.version
      and coalesce(c.until, 2147483647) > t.version
    where d.project_id = :project_id and t.id = :trial_id and t.finished_at is null
    on conflict (trial_id, key) do update set at = now(), trace_id = excluded.trace_id,
      answer = excluded.answer, error = excluded.error, differences = excluded.differences
    returning trial_id""")


def _must_run(connection: Connection, project_id: int, trial_id: int) -> None:
    row = connection.execute(
        sa.text("""
            select t.name, t.finished_at from trial t join dataset d on d.id = t.dataset_id
            where d.project_id = :project_id and t.id = :id"""),
        {"project_id": project_id, "id": trial_id},
    ).one_or_none()
    if row is None:
        raise NotFound(f"There is no trial {trial_id} in this project.")
    if row.finished_at is not None:
        raise WrongUse(f"Trial {row.name!r} is finished; begin another under a new name.")


def finish(connection: Connection, project_id: int, trial_id: int, *, by: Person) -> None:
    """Say that no more results come; a second time changes nothing."""
    by.must_be(Role.REVIEWER, "Finishing a trial")
    done = connection.execute(
        sa.text("""
            update trial t set finished_at = coalesce(t.finished_at, now())
            from dataset d
            where d.id = t.dataset_id and d.project_id = :project_id and t.id = :id
            returning t.id"""),
        {"project_id": project_id, "id": trial_id},
    ).scalar()
    if done is None:
        raise NotFound(f"There is no trial {trial_id} in this project.")


def results(
    connection: Connection,
    project_id: int,
    trial_id: int,
    *,
    keys: Sequence[str] | None = None,
    after: str | None = None,
    most: int | None = None,
    shown: int | None = None,
) -> list[Result]:
    """The results of a trial in the order its cases came into the dataset.

    Of these `keys` only, behind the case `after`, no more than `most`. `shown` cuts answers at so
    many characters and leaves the differences out.
    """
    rows = connection.execute(
        _RESULTS,
        {
            "project_id": project_id, "id": trial_id, "keys": None if keys is None else list(keys),
            "after": after, "most": most, "shown": shown,
        },
    )  # fmt: skip
    return [
        Result(
            row.key, None if row.trace_id is None else row.trace_id.hex, row.answer, row.error,
            row.differences, row.at,
        )
        for row in rows
    ]  # fmt: skip


_RESULTS = sa.text("""
    select r.key, r.trace_id, r.error, r.at,
      coalesce(left(r.answer, cast(:shown as integer)), r.answer) as answer,
      case when cast(:shown as integer) is null then r.differences end as differences
    from trial_result r join trial t on t.id = r.trial_id
    join dataset d on d.id = t.dataset_id
    join dataset_case c on c.dataset_id = t.dataset_id and c.key = r.key
      and c.since <= t.version and coalesce(c.until, 2147483647) > t.version
    where d.project_id = :project_id and r.trial_id = :id
      and (cast(:keys as text[]) is null or r.key = any(cast(:keys as text[])))
      and (cast(:after as text) is null or c.id > coalesce((
        select b.id from dataset_case b
        where b.dataset_id = t.dataset_id and b.key = cast(:after as text)
          and b.since <= t.version and coalesce(b.until, 2147483647) > t.version), 0))
    order by c.id limit cast(:most as bigint)""")


def decide(
    connection: Connection,
    project_id: int,
    trial_id: int,
    word: Word,
    *,
    sentence: str,
    conditions: Sequence[Mapping[str, Json]],
    baseline: str | None = None,
    by: Person,
) -> None:
    """Keep what the gate said of a trial; what it said before stays, and the newest is shown."""
    by.must_be(Role.REVIEWER, "Deciding a release")
    done = connection.execute(
        sa.text("""
            insert into decision (trial_id, decided_by, verdict, sentence, baseline, conditions)
            select t.id, :by, :word, :sentence, :baseline, cast(:conditions as jsonb)
            from trial t join dataset d on d.id = t.dataset_id
            where d.project_id = :project_id and t.id = :id returning id"""),
        {
            "project_id": project_id,
            "id": trial_id,
            "by": by.name,
            "word": str(word),
            "sentence": _text(sentence, _SENTENCE),
            "baseline": baseline,
            "conditions": _conditions(conditions),
        },
    ).scalar()
    if done is None:
        raise NotFound(f"There is no trial {trial_id} in this project.")
    actor = audit.Actor(by.name, by.origin)
    said = {"verdict": str(word), "baseline": baseline}
    audit.note(connection, project_id, actor, "trial.decide", str(trial_id), after=said)


def decisions(connection: Connection, project_id: int, trial_id: int) -> list[Decision]:
    """All that the gate said of a trial, newest first."""
    rows = connection.execute(
        sa.text("""
            select g.verdict, g.sentence, g.baseline, g.conditions, g.at, g.decided_by
            from decision g join trial t on t.id = g.trial_id
            join dataset d on d.id = t.dataset_id
            where d.project_id = :project_id and g.trial_id = :id order by g.id desc"""),
        {"project_id": project_id, "id": trial_id},
    )
    return [_decision(row) for row in rows]


def _text(value: str, most: int) -> str:
    """The text as Postgres takes it, no longer than it may be."""
    plain = value.encode("utf-8", "replace").decode().replace("\0", "␀")
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def _json(value: object) -> str:
    """JSON as Postgres takes it; what is too large is left out and says so."""
    body = _dumped(value)
    if len(body) > _DIFFERENCES:
        body = orjson.dumps({"left_out": f"{len(body):,} bytes"})
    return body.decode()


def _conditions(given: Sequence[Mapping[str, Json]]) -> str:
    """The conditions as JSON; too many cases to name are left out of each, and counted."""
    body = _dumped(given)
    for most in _NAMED:
        if len(body) <= _DECISION:
            break
        body = _dumped([_shortened(one, most) for one in given])
    return body.decode()


def _shortened(condition: Mapping[str, Json], most: int) -> dict[str, Json]:
    found = dict(condition)
    for name in ("failing", "regressed", "mended"):
        cases = found.get(name)
        if isinstance(cases, dict):
            found[name] = {k: _text(str(why), _WHY) for k, why in list(cases.items())[:most]}
        elif isinstance(cases, list):
            found[name] = cases[:most]
        if isinstance(cases, dict | list) and len(cases) > most:
            found[f"{name}_left_out"] = len(cases) - most
    compared = found.get("compared")
    if isinstance(compared, dict):
        found["compared"] = _shortened(compared, most)
    return found


def _dumped(value: object) -> bytes:
    return orjson.dumps(_storable(value), option=orjson.OPT_NON_STR_KEYS, default=str)


def _storable(value: object, depth: int = 0) -> object:
    if depth > _DEPTH:
        return "…"
    match value:
        case str():
            return _text(value, _ANSWER)
        case Mapping():
            return {_text(str(k), _ERROR): _storable(v, depth + 1) for k, v in value.items()}
        case list() | tuple():
            return [_storable(v, depth + 1) for v in value]
        case int() if not -(2**63) <= value < 2**63:
            return str(value)
    return value
