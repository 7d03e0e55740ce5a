"""Projects: who shares keys, cohort keys, keep-time and masking."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.errors import NotFound, WrongUse
from waypost.store import audit

DEFAULT = "default"
MASKING = ("off", "standard", "strict")


@dataclass(frozen=True, slots=True)
class Project:
    """One tenant of an installation."""

    id: int
    name: str
    masking: str
    keep_days: int
    cohort_keys: tuple[str, ...]


def command(project: str, *words: str) -> str:
    """The `waypost` command that does this for the project, to be pasted."""
    return shlex.join(["waypost", *words, *(["--project", project] if project != DEFAULT else [])])


def every(connection: Connection) -> list[Project]:
    """All projects by name."""
    found = connection.execute(
        sa.text("select id, name, masking, keep_days, cohort_keys from project order by name")
    )
    return [_project(row) for row in found]


def named(connection: Connection, name: str) -> Project:
    """The project of that name; NotFound otherwise."""
    row = connection.execute(
        sa.text("""
            select id, name, masking, keep_days, cohort_keys from project where name = :name"""),
        {"name": name},
    ).one_or_none()
    if row is None:
        raise NotFound(
            f"There is no project {name!r}; `waypost project list` shows those there are."
        )
    return _project(row)


def get(connection: Connection, project_id: int) -> Project:
    """The project of that id; NotFound otherwise."""
    row = connection.execute(
        sa.text("select id, name, masking, keep_days, cohort_keys from project where id = :id"),
        {"id": project_id},
    ).one_or_none()
    if row is None:
        raise NotFound(f"There is no project with id {project_id}.")
    return _project(row)


def create(connection: Connection, name: str, *, by: audit.Actor) -> Project:
    """A new project; WrongUse when the name is taken or cannot be one."""
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise WrongUse(f"{name!r} cannot name a project; use 1 to 100 printable characters.")
    row = connection.execute(
        sa.text("""
            insert into project (name) values (:name) on conflict (name) do nothing
            returning id, name, masking, keep_days, cohort_keys"""),
        {"name": name},
    ).one_or_none()
    if row is None:
        raise WrongUse(f"A project {name!r} exists already; choose another name.")
    project = _project(row)
    audit.note(connection, project.id, by, "project.create", name, after={"name": name})
    return project


def change(
    connection: Connection,
    project_id: int,
    *,
    by: audit.Actor,
    masking: str | None = None,
    keep_days: int | None = None,
    cohort_keys: Sequence[str] | None = None,
) -> Project:
    """Change what is given and leave the rest; the change is in the audit log."""
    before = get(connection, project_id)
    _check(masking, keep_days, cohort_keys)
    row = connection.execute(
        sa.text("""
            update project set
              masking = coalesce(:masking, masking), keep_days = coalesce(:keep_days, keep_days),
              cohort_keys = coalesce(cast(:cohort_keys as text[]), cohort_keys)
            where id = :id
            returning id, name, masking, keep_days, cohort_keys"""),
        {
            "id": project_id,
            "masking": masking,
            "keep_days": keep_days,
            "cohort_keys": None if cohort_keys is None else list(cohort_keys),
        },
    ).one()
    after = _project(row)
    audit.note(
        connection, project_id, by, "project.change", after.name,
        before=_shown(before), after=_shown(after),
    )  # fmt: skip
    return after


def _check(masking: str | None, keep_days: int | None, cohort_keys: Sequence[str] | None) -> None:
    if masking is not None and masking not in MASKING:
        raise WrongUse(f"Masking {masking!r} is unknown; choose off, standard or strict.")
    if keep_days is not None and not 1 <= keep_days <= 3650:
        raise WrongUse(f"A keep-time of {keep_days} days cannot be; choose 1 to 3650.")
    if cohort_keys is not None and (
        len(cohort_keys) > 16
        or len(set(cohort_keys)) < len(cohort_keys)
        or any(not k.isprintable() or not 0 < len(k) <= 64 for k in cohort_keys)
    ):
        raise WrongUse(
            "At most 16 different cohort keys of 1 to 64 printable characters can be declared."
        )


def _shown(project: Project) -> dict[str, object]:
    return {
        "masking": project.masking,
        "keep_days": project.keep_days,
        "cohort_keys": list(project.cohort_keys),
    }


def _project(row: sa.Row[tuple[object, ...]]) -> Project:
    values = row._mapping
    return Project(
        id=values["id"],
        name=values["name"],
        masking=values["masking"],
        keep_days=values["keep_days"],
        cohort_keys=tuple(values["cohort_keys"]),
    )
