"""What a project sets for its evaluators, judges and policies, laid over the file's own tables."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.errors import BadSetting, NotFound, WrongUse
from waypost.store import audit

PARTS = ("evaluators", "judges", "policies")
Table: TypeAlias = Mapping[str, Any]
Tables: TypeAlias = Mapping[str, Mapping[str, Table]]
Check: TypeAlias = Callable[[Tables], None]


@dataclass(frozen=True, slots=True)
class Setting:
    """One table of waypost.toml (origin `file`), or of the project itself (origin `store`)."""

    part: str
    name: str
    origin: str
    body: Table
    changed_at: dt.datetime


def every(connection: Connection, project_id: int) -> list[Setting]:
    """Everything that is set for a project, the file's tables first."""
    rows = connection.execute(
        sa.text("""
            select part, name, origin, body, changed_at from evaluator_setting
            where project_id = :project_id order by origin, part, name"""),
        {"project_id": project_id},
    )
    return [Setting(*row) for row in rows]


def of_origin(settings: Iterable[Setting], origin: str) -> dict[str, dict[str, Table]]:
    """The tables of one origin, by part and name."""
    found: dict[str, dict[str, Table]] = {}
    for setting in settings:
        if setting.origin == origin:
            found.setdefault(setting.part, {})[setting.name] = setting.body
    return found


def laid_over(file: Tables, own: Tables) -> dict[str, dict[str, Table]]:
    """What is in force: a project's table wins key by key, parameters by name, policies whole."""
    return {
        part: {
            name: _joined(part, file.get(part, {}).get(name), own.get(part, {}).get(name))
            for name in {**file.get(part, {}), **own.get(part, {})}
        }
        for part in PARTS
        if part in file or part in own
    }


def _joined(part: str, file: Table | None, own: Table | None) -> Table:
    if file is None or own is None or part == "policies":
        return own if own is not None else file or {}
    joined = {**file, **own}
    wide, narrow = file.get("parameters"), own.get("parameters")
    if isinstance(wide, Mapping) and isinstance(narrow, Mapping):
        joined["parameters"] = {**wide, **narrow}
    return joined


def in_force(connection: Connection, project_id: int) -> dict[str, dict[str, Table]]:
    """The project's tables over those of the file, as a worker last read it."""
    return laid_over(*_tables(connection, project_id))


def _tables(
    connection: Connection, project_id: int
) -> tuple[dict[str, dict[str, Table]], dict[str, dict[str, Table]]]:
    known = every(connection, project_id)
    return of_origin(known, "file"), of_origin(known, "store")


def _check_storable(body: Table) -> None:
    """BadSetting for what Postgres cannot hold."""
    try:
        text = orjson.dumps(body)
    except TypeError as error:
        raise BadSetting(f"The table cannot be stored: {error}.") from error
    if b"\\u0000" in text:
        raise BadSetting("The table holds a NUL, which cannot be stored.")


def put(
    connection: Connection,
    project_id: int,
    part: str,
    name: str,
    body: Table,
    *,
    by: audit.Actor,
    check: Check,
) -> None:
    """Set a project's table whole; BadSetting from `check` when what is then in force is off.

    The change is in the audit log.
    """
    if part not in PARTS:
        raise WrongUse(f"There is no part {part!r}; choose from {', '.join(PARTS)}.")
    before = _body(connection, project_id, part, name)
    if before == body:
        return
    _check_storable(body)
    file, own = _tables(connection, project_id)
    own.setdefault(part, {})[name] = body
    check(laid_over(file, own))
    _write(connection, project_id, part, name, origin="store", body=body)
    audit.note(
        connection, project_id, by, "evaluator.set", f"{part}.{name}", before=before, after=body
    )


def remove(
    connection: Connection, project_id: int, part: str, name: str, *, by: audit.Actor, check: Check
) -> None:
    """Take a project's table away, so that the file's holds again; NotFound when there is none."""
    before = _body(connection, project_id, part, name)
    if before is None:
        raise NotFound(
            f"The project sets nothing for {part}.{name}; `waypost evaluators settings` shows what "
            "it sets."
        )
    file, own = _tables(connection, project_id)
    del own[part][name]
    check(laid_over(file, own))
    _delete(connection, project_id, part, name, "store")
    audit.note(connection, project_id, by, "evaluator.unset", f"{part}.{name}", before=before)


def sync_file(connection: Connection, project_id: int, tables: Tables) -> None:
    """Show the file's tables beside the project's own; one that left the file goes."""
    known = of_origin(every(connection, project_id), "file")
    for part in PARTS:
        ours, theirs = known.get(part, {}), tables.get(part, {})
        for name in sorted(ours.keys() - theirs.keys()):
            _delete(connection, project_id, part, name, "file")
        for name, body in sorted(theirs.items()):
            if ours.get(name) != body:
                _write(connection, project_id, part, name, origin="file", body=body)


def _body(connection: Connection, project_id: int, part: str, name: str) -> Table | None:
    row = connection.execute(
        sa.text("""
            select body from evaluator_setting
            where project_id = :project_id and part = :part and name = :name and origin = 'store'
            for update"""),
        {"project_id": project_id, "part": part, "name": name},
    ).one_or_none()
    return None if row is None else row.body


def _write(
    connection: Connection, project_id: int, part: str, name: str, *, origin: str, body: Table
) -> None:
    connection.execute(
        sa.text("""
            insert into evaluator_setting (project_id, part, name, origin, body)
            values (:project_id, :part, :name, :origin, cast(:body as jsonb))
            on conflict (project_id, part, name, origin) do update set
              body = excluded.body, changed_at = now()"""),
        {
            "project_id": project_id, "part": part, "name": name, "origin": origin,
            "body": orjson.dumps(body).decode(),
        },
    )  # fmt: skip


def _delete(connection: Connection, project_id: int, part: str, name: str, origin: str) -> None:
    connection.execute(
        sa.text("""
            delete from evaluator_setting
            where project_id = :project_id and part = :part and name = :name
              and origin = :origin"""),
        {"project_id": project_id, "part": part, "name": name, "origin": origin},
    )
