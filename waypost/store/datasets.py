"""Datasets: versioned lists of cases, each a recorded trajectory with what is expected of it."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.errors import NotFound, WrongUse
from waypost.rates import plural
from waypost.records import Json, Trajectory
from waypost.roles import Person, Role
from waypost.store import audit, snapshots

_TITLE = 200


@dataclass(frozen=True, slots=True)
class Dataset:
    """A list of cases at its newest version."""

    id: int
    name: str
    note: str
    version: int
    created_at: dt.datetime
    cases: int


@dataclass(frozen=True, slots=True)
class Version:
    """One change of a dataset."""

    number: int
    at: dt.datetime
    by: str
    what: str


@dataclass(frozen=True, slots=True)
class Case:
    """One case as it is listed. `since` is the version that brought it in this form.

    An expectation is an object such as {"must": "...", "must_not": "...", "evaluators": [...],
    "first_bad_step": 4}; whoever runs the dataset reads what it knows.
    """

    key: str
    title: str
    trace_id: str | None
    steps: int
    since: int
    expectation: Mapping[str, Json]


def create(
    connection: Connection, project_id: int, name: str, *, by: Person, note: str = ""
) -> int:
    """A new empty dataset; WrongUse when the name is taken or cannot be one."""
    by.must_be(Role.REVIEWER, "Making a dataset")
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise WrongUse(f"{name!r} cannot name a dataset; use 1 to 100 printable characters.")
    made = connection.execute(
        sa.text("""
            insert into dataset (project_id, name, note) values (:project_id, :name, :note)
            on conflict (project_id, name) do nothing returning id"""),
        {"project_id": project_id, "name": name.strip(), "note": note},
    ).scalar()
    if made is None:
        raise WrongUse(f"A dataset {name!r} exists already; add to it, or choose another name.")
    audit.note(connection, project_id, _actor(by), "dataset.create", name, after={"name": name})
    return int(made)


def every(connection: Connection, project_id: int) -> list[Dataset]:
    """All datasets of a project by name."""
    return [_dataset(row) for row in connection.execute(_EVERY, {"project_id": project_id})]


def named(connection: Connection, project_id: int, name: str) -> Dataset:
    """The dataset of that name; NotFound otherwise."""
    for one in every(connection, project_id):
        if one.name == name:
            return one
    raise NotFound(
        f"There is no dataset {name!r} in this project; `waypost dataset list` shows those there "
        "are."
    )


_EVERY = sa.text("""
    select d.id, d.name, d.note, d.version, d.created_at, count(c.id) as cases
    from dataset d left join dataset_case c on c.dataset_id = d.id and c.until is null
    where d.project_id = :project_id
    group by d.id order by d.name""")


def _dataset(row: sa.Row[tuple[object, ...]]) -> Dataset:
    values = row._mapping
    return Dataset(
        values["id"], values["name"], values["note"], values["version"], values["created_at"],
        int(values["cases"]),
    )  # fmt: skip


def put(
    connection: Connection,
    project_id: int,
    name: str,
    runs: Sequence[Trajectory],
    *,
    by: Person,
    expectation: Mapping[str, Json] | None = None,
    expected: Mapping[str, Mapping[str, Json]] | None = None,
) -> int:
    """Put runs into the dataset of that name, which is made when it is new; how many were new.

    `expected` says by a run's id what is expected of it, where that is not `expectation`.
    """
    known = {one.name: one.id for one in every(connection, project_id)}
    place = known.get(name) or create(connection, project_id, name, by=by)
    return add(
        connection, project_id, place, runs, by=by, expectation=expectation, expected=expected
    )


def add(
    connection: Connection,
    project_id: int,
    dataset_id: int,
    runs: Sequence[Trajectory],
    *,
    by: Person,
    expectation: Mapping[str, Json] | None = None,
    expected: Mapping[str, Mapping[str, Json]] | None = None,
) -> int:
    """Put runs into the dataset as one new version; how many were not in it before."""
    by.must_be(Role.REVIEWER, "Adding cases")
    known = {case.key for case in cases(connection, project_id, dataset_id)}
    new = {run.id: run for run in runs if run.id not in known}
    if not new:
        return 0
    version = _next(connection, project_id, dataset_id, by, f"{plural(len(new), 'case')} added")
    for key, run in new.items():
        enc, body = snapshots.pack(run)
        wanted = (expected or {}).get(key, expectation or {})
        connection.execute(
            _INSERT,
            {
                "dataset_id": dataset_id,
                "key": key,
                "since": version,
                "trace_id": uuid.UUID(run.traces[0]) if run.traces else None,
                "expectation": orjson.dumps(dict(wanted)).decode(),
                "steps": len(run.steps),
                "title": _title(run),
                "enc": enc,
                "body": body,
            },
        )
    return len(new)


_INSERT = sa.text("""
    insert into dataset_case
      (dataset_id, key, since, trace_id, expectation, steps, title, enc, body)
    values (:dataset_id, :key, :since, :trace_id, cast(:expectation as jsonb), :steps, :title,
      :enc, :body)""")


def _title(run: Trajectory) -> str:
    asked = next((m.text for m in run.input if m.text), "") or next(
        (m.text for s in run.model_steps for m in s.input if m.role == "user" and m.text), ""
    )
    return (asked or run.name or run.id)[:_TITLE]


def expect(
    connection: Connection,
    project_id: int,
    dataset_id: int,
    key: str,
    expectation: Mapping[str, Json],
    *,
    by: Person,
) -> None:
    """Change what is expected of a case: a new version, and the old one keeps what it said."""
    by.must_be(Role.REVIEWER, "Changing an expectation")
    version = _next(connection, project_id, dataset_id, by, f"expectation of {key[:12]} changed")
    done = connection.execute(
        sa.text("""
            with old as (
              update dataset_case set until = :version
              where dataset_id = :dataset_id and key = :key and until is null
              returning key, trace_id, steps, title, enc, body)
            insert into dataset_case
              (dataset_id, key, since, trace_id, expectation, steps, title, enc, body)
            select :dataset_id, key, :version, trace_id, cast(:expectation as jsonb), steps, title,
              enc, body
            from old returning id"""),
        {
            "dataset_id": dataset_id,
            "key": key,
            "version": version,
            "expectation": orjson.dumps(dict(expectation)).decode(),
        },
    ).scalar()
    if done is None:
        raise NotFound("That case is not in the dataset any more.")


def remove(
    connection: Connection, project_id: int, dataset_id: int, keys: Sequence[str], *, by: Person
) -> int:
    """Take cases out as one new version; earlier versions keep them."""
    by.must_be(Role.REVIEWER, "Removing cases")
    current = {case.key for case in cases(connection, project_id, dataset_id)}
    gone = sorted(current & set(keys))
    if not gone:
        return 0
    version = _next(connection, project_id, dataset_id, by, f"{plural(len(gone), 'case')} removed")
    connection.execute(
        sa.text("""
            update dataset_case set until = :version
            where dataset_id = :dataset_id and key = any(:keys) and until is null"""),
        {"dataset_id": dataset_id, "keys": gone, "version": version},
    )
    return len(gone)


def delete(connection: Connection, project_id: int, dataset_id: int, *, by: Person) -> None:
    """Delete a dataset with all its versions and trials; NotFound when it is not there."""
    by.must_be(Role.ADMIN, "Deleting a dataset")
    given = {"id": dataset_id, "project_id": project_id}
    name = connection.execute(
        sa.text("delete from dataset where id = :id and project_id = :project_id returning name"),
        given,
    ).scalar()
    if name is None:
        raise NotFound(f"There is no dataset {dataset_id} in this project.")
    for table in ("dataset_case", "dataset_version"):
        children = sa.table(table, sa.column("dataset_id"))
        connection.execute(sa.delete(children).where(children.c.dataset_id == dataset_id))
    audit.note(connection, project_id, _actor(by), "dataset.delete", name, before={"name": name})


def forget(connection: Connection, project_id: int, cases: Sequence[int], *, by: Person) -> None:
    """Delete these cases from every version; each dataset says in a new one how many went."""
    rows = connection.execute(
        sa.text("""
            select c.dataset_id, array_agg(c.id) as ids, count(distinct c.key) as n
            from dataset_case c join dataset d on d.id = c.dataset_id
            where d.project_id = :project_id and c.id = any(:cases) group by 1 order by 1"""),
        {"project_id": project_id, "cases": list(cases)},
    ).all()
    for row in rows:
        _next(connection, project_id, row.dataset_id, by, f"{plural(row.n, 'case')} forgotten")
        connection.execute(
            sa.text("delete from dataset_case where dataset_id = :id and id = any(:ids)"),
            {"id": row.dataset_id, "ids": row.ids},
        )


def _next(connection: Connection, project_id: int, dataset_id: int, by: Person, what: str) -> int:
    """The number of the version that begins now."""
    version = connection.execute(
        sa.text("""
            update dataset set version = version + 1
            where id = :id and project_id = :project_id returning version"""),
        {"id": dataset_id, "project_id": project_id},
    ).scalar()
    if version is None:
        raise NotFound(f"There is no dataset {dataset_id} in this project.")
    connection.execute(
        sa.text("""
            insert into dataset_version (dataset_id, version, made_by, what)
            values (:id, :version, :by, :what)"""),
        {"id": dataset_id, "version": version, "by": by.name, "what": what},
    )
    said = {"version": int(version), "what": what}
    audit.note(connection, project_id, _actor(by), "dataset.change", str(dataset_id), after=said)
    return int(version)


def version_of(connection: Connection, project_id: int, dataset_id: int, wanted: int | None) -> int:
    """The number of that version, or of the newest; NotFound for one that there is not yet."""
    newest = connection.execute(
        sa.text("select version from dataset where id = :id and project_id = :project_id"),
        {"id": dataset_id, "project_id": project_id},
    ).scalar()
    if newest is None:
        raise NotFound(f"There is no dataset {dataset_id} in this project.")
    if wanted is not None and not 1 <= wanted <= newest:
        raise NotFound(f"The dataset has no version {wanted}; its newest is {newest}.")
    return int(newest if wanted is None else wanted)


def cases(
    connection: Connection, project_id: int, dataset_id: int, *, version: int | None = None
) -> list[Case]:
    """The cases of a version, the newest by default, in the order they came in."""
    rows = connection.execute(
        _CASES, {"project_id": project_id, "dataset_id": dataset_id, "version": version}
    )
    return [
        Case(
            row.key, row.title, None if row.trace_id is None else row.trace_id.hex, row.steps,
            row.since, row.expectation,
        )
        for row in rows
    ]  # fmt: skip


_HELD = """
    from dataset_case c join dataset d on d.id = c.dataset_id
    where d.project_id = :project_id and c.dataset_id = :dataset_id
      and c.since <= coalesce(cast(:version as int), d.version)
      and coalesce(c.until, 2147483647) > coalesce(cast(:version as int), d.version)"""
_CASES = sa.text(
    f"select c.key, c.title, c.trace_id, c.steps, c.since, c.expectation {_HELD} order by c.id"
)
_BODY = sa.text(f"select c.enc, c.body {_HELD} and c.key = :key")


def trajectory(
    connection: Connection,
    project_id: int,
    dataset_id: int,
    key: str,
    *,
    version: int | None = None,
) -> Trajectory:
    """The recorded trajectory of a case, also when the run itself is past its keep-time."""
    row = connection.execute(
        _BODY,
        {"project_id": project_id, "dataset_id": dataset_id, "version": version, "key": key},
    ).one_or_none()
    if row is None:
        raise NotFound(f"Case {key!r} is not in this version of the dataset.")
    return snapshots.unpack(row.enc, bytes(row.body))


def versions(connection: Connection, project_id: int, dataset_id: int) -> list[Version]:
    """The changes of a dataset, newest first."""
    rows = connection.execute(
        sa.text("""
            select v.version, v.at, v.made_by, v.what
            from dataset_version v join dataset d on d.id = v.dataset_id
            where d.project_id = :project_id and v.dataset_id = :dataset_id
            order by v.version desc"""),
        {"project_id": project_id, "dataset_id": dataset_id},
    )
    return [Version(*row) for row in rows]


def _actor(by: Person) -> audit.Actor:
    return audit.Actor(by.name, by.origin)
