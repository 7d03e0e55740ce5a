"""Addresses of the dashboard's pages, for messages and answers that lead there."""

import datetime as dt
from collections.abc import Mapping
from urllib.parse import quote, urlencode

WINDOWS = {
    "1h": dt.timedelta(hours=1),
    "24h": dt.timedelta(hours=24),
    "7d": dt.timedelta(days=7),
    "30d": dt.timedelta(days=30),
}
VALUE = "k."


def cell_query(
    evaluator: str | None,
    values: Mapping[str, str | None],
    *,
    window: str = "24h",
    until: dt.datetime | None = None,
    project: str | None = None,
) -> dict[str, str]:
    """The query that opens the home page on one cell; a key without a value has an empty text."""
    query = {} if project is None else {"project": project}
    query |= {"win": window, "by": ",".join(values)}
    query |= {VALUE + key: value or "" for key, value in values.items()}
    if evaluator is not None:
        query["evaluator"] = evaluator
    if until is not None:
        query["until"] = str(int(until.timestamp()))
    return query


def cell_link(
    base: str,
    evaluator: str | None,
    values: Mapping[str, str | None],
    *,
    window: str = "24h",
    until: dt.datetime | None = None,
    project: str | None = None,
) -> str:
    """The home page with this cell chosen."""
    query = cell_query(evaluator, values, window=window, until=until, project=project)
    return f"{base.rstrip('/')}/?{urlencode(query)}"


def incident_link(base: str, incident_id: int, *, project: str | None = None) -> str:
    """An incident on its page, with what was found about it."""
    query = {"incident": str(incident_id)} | ({} if project is None else {"project": project})
    return f"{base.rstrip('/')}/alerts?{urlencode(query)}"


def step_link(
    base: str, trace_id: str, step: int | None = None, *, project: str | None = None
) -> str:
    """A run opened at a step; without one, at its first bad step."""
    path = f"/t/{quote(trace_id, safe='')}" + (f"/{step}" if step else "")
    query = f"?{urlencode({'project': project})}" if project else ""
    return base.rstrip("/") + path + query
