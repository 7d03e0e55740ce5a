"""Alert rules, and one row of state for each rule and cohort."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.errors import NotFound, WrongUse
from waypost.store import audit, incidents

Label = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredRule:
    """A rule as it is kept: `body` is its table, `pool` what its cohorts have in common.

    `fault` is why it could not be judged the last time, in one line.
    """

    id: int
    project_id: int
    name: str
    origin: str
    body: Mapping[str, Any]
    is_enabled: bool
    pool: Mapping[str, Any] | None
    fault: str | None = None


def every(connection: Connection, project_id: int) -> list[StoredRule]:
    """The rules of a project by name."""
    rows = connection.execute(
        sa.text("""
            select id, project_id, name, origin, body, is_enabled, pool, fault from alert_rule
            where project_id = :project_id order by name"""),
        {"project_id": project_id},
    )
    return [StoredRule(*row) for row in rows]


def enabled(connection: Connection) -> dict[int, list[StoredRule]]:
    """The rules that are on, by project."""
    rows = connection.execute(
        sa.text("""
            select id, project_id, name, origin, body, is_enabled, pool, fault from alert_rule
            where is_enabled order by project_id, id""")
    )
    found: dict[int, list[StoredRule]] = {}
    for row in rows:
        found.setdefault(row.project_id, []).append(StoredRule(*row))
    return found


def named(connection: Connection, project_id: int, name: str) -> StoredRule:
    """The rule of that name; NotFound otherwise."""
    for rule in every(connection, project_id):
        if rule.name == name:
            return rule
    raise NotFound(f"There is no alert rule {name!r}; `waypost alerts list` shows those there are.")


def by_id(connection: Connection, rule_id: int) -> StoredRule | None:
    """The rule of that id, if it is still there."""
    row = connection.execute(
        sa.text("""
            select id, project_id, name, origin, body, is_enabled, pool, fault from alert_rule
            where id = :id"""),
        {"id": rule_id},
    ).one_or_none()
    return None if row is None else StoredRule(*row)


def save(
    connection: Connection,
    project_id: int,
    body: Mapping[str, Any],
    *,
    by: audit.Actor,
    origin: str = "store",
) -> StoredRule:
    """Make or change a rule; its cohorts start anew when what it watches has changed.

    Its open incidents end then, and when it is turned off. A rule of the file can only be changed
    there: WrongUse.
    """
    name = str(body["name"])
    known = {r.name: r for r in every(connection, project_id)}.get(name)
    if known is not None and known.origin == "file" and origin != "file":
        raise WrongUse(f"Alert rule {name!r} stands in waypost.toml; change it there.")
    if known is not None and known.body == body and known.origin == origin:
        return known
    row = connection.execute(
        _SAVE,
        {
            "project_id": project_id, "name": name, "origin": origin,
            "body": orjson.dumps(body).decode(), "is_enabled": bool(body.get("enabled", True)),
        },
    ).one()  # fmt: skip
    if known is not None and (_watched(known.body) != _watched(body) or not row.is_enabled):
        forget_states(connection, known.id)
        incidents.end_of_rule(connection, project_id, known.id, by=by.name)
    audit.note(
        connection, project_id, by, "alert.save", name,
        before=None if known is None else known.body, after=body,
    )  # fmt: skip
    return StoredRule(*row)


_SAVE = sa.text("""
    insert into alert_rule (project_id, name, origin, body, is_enabled)
    values (:project_id, :name, :origin, cast(:body as jsonb), :is_enabled)
    on conflict (project_id, name) do update set
      origin = excluded.origin, body = excluded.body, is_enabled = excluded.is_enabled,
      fault = null
    returning id, project_id, name, origin, body, is_enabled, pool, fault""")


def _watched(body: Mapping[str, Any]) -> list[object]:
    return [body.get(k) for k in ("evaluator", "rate", "over", "by", "where", "level")]


def remove(
    connection: Connection,
    project_id: int,
    name: str,
    *,
    by: audit.Actor,
    origin: str = "store",
) -> None:
    """Delete a rule and its state; its incidents end and stay."""
    known = named(connection, project_id, name)
    if known.origin == "file" and origin != "file":
        raise WrongUse(f"Alert rule {name!r} stands in waypost.toml; remove it there.")
    incidents.end_of_rule(connection, project_id, known.id, by=by.name)
    connection.execute(sa.text("delete from alert_rule where id = :id"), {"id": known.id})
    audit.note(connection, project_id, by, "alert.remove", name, before=known.body)


def sync_file(
    connection: Connection,
    project_id: int,
    bodies: Sequence[Mapping[str, Any]],
    *,
    by: audit.Actor,
) -> None:
    """Make the rules of the file those of the project; a rule that left the file is removed."""
    names = {str(b["name"]) for b in bodies}
    for body in bodies:
        save(connection, project_id, body, by=by, origin="file")
    for known in every(connection, project_id):
        if known.origin == "file" and known.name not in names:
            remove(connection, project_id, known.name, by=by, origin="file")


def states(connection: Connection, rule_id: int) -> dict[Label, list[float]]:
    """The state row of every cohort of a rule."""
    rows = connection.execute(
        sa.text("select label, cell from alert_state where rule_id = :id order by label"),
        {"id": rule_id},
    )
    return {tuple(row.label): list(row.cell) for row in rows}


def save_states(
    connection: Connection,
    rule_id: int,
    cells: Iterable[tuple[Label, Sequence[float]]],
    pool: Mapping[str, Any],
) -> None:
    """Keep the rows that moved, and what the cohorts have in common."""
    rows = [
        {"id": rule_id, "label": list(label), "cell": list(cell)} for label, cell in sorted(cells)
    ]
    if rows:
        connection.execute(
            sa.text("""
                insert into alert_state (rule_id, label, cell)
                values (:id, cast(:label as text[]), cast(:cell as float8[]))
                on conflict (rule_id, label) do update set cell = excluded.cell"""),
            rows,
        )
    connection.execute(
        sa.text("update alert_rule set pool = cast(:pool as jsonb) where id = :id"),
        {"id": rule_id, "pool": orjson.dumps(pool).decode()},
    )


def forget_unseen(
    connection: Connection, rule_id: int, *, before: float, seen: int, opened: int
) -> None:
    """Forget cohorts that are in line and of which nothing has come since `before`.

    `seen` and `opened` are the places in a row of the moments it was seen and went out of line.
    """
    connection.execute(
        sa.text("""
            delete from alert_state
            where rule_id = :id and cell[:seen] < :before and cell[:opened] = 0"""),
        {"id": rule_id, "seen": seen + 1, "opened": opened + 1, "before": before},
    )


def set_fault(connection: Connection, rule: StoredRule, fault: str | None) -> None:
    """Keep why a rule could not be judged, or that it could."""
    if fault != rule.fault:
        connection.execute(
            sa.text("update alert_rule set fault = :fault where id = :id"),
            {"id": rule.id, "fault": fault},
        )


def forget_states(connection: Connection, rule_id: int) -> None:
    """Start every cohort of a rule anew."""
    connection.execute(sa.text("delete from alert_state where rule_id = :id"), {"id": rule_id})
    connection.execute(sa.text("update alert_rule set pool = null where id = :id"), {"id": rule_id})
