"""Incidents, rules and feedback: what may be changed."""

import datetime as dt
import time
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Path, Query

from collector.api import shapes
from collector.api.access import By, needs, router
from collector.api.reads import At, Maybe, Most, cursor_of, place_of, window_of
from collector.masking import Masker
from collector.reading.feedback import source_of, verdict
from waypost import previews
from waypost.errors import NotFound, WrongUse
from waypost.records import Feedback
from waypost.store import alerts, deliveries, incidents, projects
from waypost.store.engine import Connection, plainly
from waypost.store.incidents import Incident
from waypost.store.ingest import Writer

writes = router()
_LONGEST = dt.timedelta(days=31)
Id = Annotated[int, Path(ge=1, le=2**62)]
Status = Annotated[str | None, Query(pattern="^(open|resolved)$")]
RuleName = Annotated[str, Path(min_length=1, max_length=100, pattern=shapes.NoNul)]


@writes.get("/incidents", **needs("read"))
def list_incidents(
    by: By, status: Status = None, rule: Maybe = None, cursor: Maybe = None, most: Most = 50
) -> shapes.Page[shapes.IncidentShape]:
    """The newest incidents."""
    after = place_of(cursor, lambda last: type(last) is int and 0 < last < 2**63)
    found = incidents.page(
        by.connection, by.project.id, status=status, rule=rule, after=after, most=most
    )
    known = _keys(by.connection, by.project.id)
    last = found[-1] if len(found) == most else None
    return shapes.Page(
        items=[shapes.IncidentShape(**_incident(i, known)) for i in found],
        next=None if last is None else cursor_of(last.opened_at, last.id),
    )


@writes.get("/incidents/{incident_id}", **needs("read"))
def get_incident(by: By, incident_id: Id) -> shapes.IncidentDetail:
    """An incident with its timeline and its messages."""
    incident = incidents.get(by.connection, by.project.id, incident_id)
    return shapes.IncidentDetail(
        **_incident(incident, _keys(by.connection, by.project.id)),
        events=[
            shapes.EventShape(at=e.at, what=e.what, by=e.by, detail=dict(e.detail))
            for e in incidents.events(by.connection, by.project.id, incident.id)
        ],
        deliveries=[
            shapes.DeliveryShape(
                kind=d.kind, channel=d.channel, status=d.status, attempts=d.attempts,
                created_at=d.created_at, done_at=d.done_at, error=d.error,
            )
            for d in deliveries.of_incident(by.connection, by.project.id, incident.id)
        ],
    )  # fmt: skip


@writes.post("/incidents/{incident_id}/acknowledge", **needs("admin"))
def acknowledge(by: By, incident_id: Id) -> shapes.IncidentShape:
    """Somebody looks into it: no more reminders."""
    found = incidents.acknowledge(by.connection, by.project.id, incident_id, by=by.actor)
    return shapes.IncidentShape(**_incident(found, _keys(by.connection, by.project.id)))


@writes.post("/incidents/{incident_id}/snooze", **needs("admin"))
def snooze(by: By, incident_id: Id, body: shapes.SnoozeShape) -> shapes.IncidentShape:
    """No messages for some minutes."""
    until = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=body.minutes)
    found = incidents.snooze(by.connection, by.project.id, incident_id, until, by=by.actor)
    return shapes.IncidentShape(**_incident(found, _keys(by.connection, by.project.id)))


def _keys(connection: Connection, project_id: int) -> Mapping[str, list[str]]:
    return {r.name: list(r.body.get("by", [])) for r in alerts.every(connection, project_id)}


def _incident(incident: Incident, keys: Mapping[str, list[str]]) -> dict[str, Any]:
    told_by = incident.detail.get("rule", {})
    by = told_by.get("by", []) if told_by else keys.get(incident.rule, [])
    return {
        "id": incident.id, "rule": incident.rule, "mode": incident.mode,
        "status": incident.status, "opened_at": incident.opened_at, "since": incident.began,
        "resolved_at": incident.resolved_at, "acknowledged_at": incident.acknowledged_at,
        "acknowledged_by": incident.acknowledged_by, "snoozed_until": incident.snoozed_until,
        "cohorts": [
            shapes.MemberShape(
                values=dict(zip(by, m.label, strict=False)), joined_at=m.joined_at,
                left_at=m.left_at, since=m.since, k=m.k, n=m.n, usual=m.usual,
            )
            for m in incident.members
        ],
        "message": incident.detail.get("message"),
    }  # fmt: skip


@writes.put("/cohorts", **needs("admin"))
def declare_cohorts(by: By, body: shapes.KeysIn) -> shapes.KeysIn:
    """Declare the project's cohort keys; the change is in the audit log and counts from now on."""
    found = projects.change(by.connection, by.project.id, by=by.actor, cohort_keys=body.keys)
    return shapes.KeysIn(keys=list(found.cohort_keys))


@writes.get("/rules", **needs("read"))
def list_rules(by: By) -> list[shapes.RuleShape]:
    """The alert rules."""
    return [_rule(r) for r in alerts.every(by.connection, by.project.id)]


def _rule(rule: alerts.StoredRule) -> shapes.RuleShape:
    return shapes.RuleShape(
        name=rule.name,
        origin=rule.origin,
        enabled=rule.is_enabled,
        fault=rule.fault,
        rule=dict(rule.body),
    )


@writes.put("/rules/{name}", **needs("admin"))
def save_rule(by: By, name: RuleName, body: shapes.RuleIn) -> shapes.RuleShape:
    """Make or change a rule; the change is in the audit log."""
    table = _checked({**body.rule, "name": name, "project": by.project.name})
    return _rule(alerts.save(by.connection, by.project.id, table, by=by.actor))


@writes.delete("/rules/{name}", status_code=204, **needs("admin"))
def remove_rule(by: By, name: RuleName) -> None:
    """Remove a rule; its incidents stay."""
    alerts.remove(by.connection, by.project.id, name, by=by.actor)


@writes.post("/rules/preview", **needs("read"))
def preview_rule(
    by: By, body: shapes.RuleIn, since: At = None, until: At = None
) -> list[shapes.FiredShape]:
    """When a rule would have fired on the stored history."""
    table = _checked({"name": "preview", **body.rule, "project": by.project.name})
    window = window_of(since, until, longest=_LONGEST)
    found = _preview().run(by.connection, by.project.id, table, window.since, window.until)
    keys = [str(key) for key in table.get("by", [])]
    return [
        shapes.FiredShape(at=f.at, values=dict(zip(keys, f.label, strict=True)), fired=f.fired)
        for f in found
    ]


def _preview() -> previews.Preview:
    found = previews.find()
    if found is None:
        raise NotFound("No evaluators are installed here, so rules cannot be checked.")
    return found


def _checked(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """The rule as it is stored."""
    return _preview().check(table)


@writes.post("/feedback", status_code=202, **needs("write"))
def give_feedback(by: By, body: shapes.FeedbackIn) -> shapes.Taken:
    """Store a verdict from outside; it becomes a score or a count when its run is settled."""
    if body.trace_id is None and body.session is None:
        raise WrongUse("Feedback must name a trace_id or a session.")
    if body.span_id is not None and body.trace_id is None:
        raise WrongUse("Feedback on a span must name its trace_id as well.")
    target = "step" if body.span_id else "trajectory" if body.trace_id else "session"
    given = Feedback(
        name=body.name, target=target, trace_id=body.trace_id, span_id=body.span_id,
        session=body.session, version=body.version, value=body.value, label=body.label,
        passed=verdict(body.label) if body.passed is None else body.passed,
        explanation=body.explanation, source=source_of(body.source), by=body.by,
        at=time.time_ns(),
    )  # fmt: skip
    # As the collector masks: an id that is personal data joins its session as the same hash.
    masker = Masker(by.project.masking, key=by.door.id_key(by.project.id))
    given = masker.feedback(given)
    with plainly(), Writer(by.engine).batch() as batch:
        batch.put(by.project.id, [], feedback=[given], keep_days=by.project.keep_days)
    return shapes.Taken()


@writes.post("/scores", status_code=202, **needs("write"))
def give_score(by: By, body: shapes.FeedbackIn) -> shapes.Taken:
    """Store another evaluator's verdict on a step or a run: passed, or a value, or a label."""
    if body.trace_id is None:
        raise WrongUse("A score must name a trace_id.")
    if body.passed is None and body.value is None and body.label is None:
        raise WrongUse("A score needs passed, a value or a label.")
    return give_feedback(by, body)
