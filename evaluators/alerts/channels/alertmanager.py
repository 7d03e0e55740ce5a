"""Prometheus Alertmanager, which sends on by its own routes."""

import datetime as dt
import re
from collections.abc import Mapping

import orjson

from evaluators.alerts.channel import Notice, Target, channel, post
from waypost.outgoing import Outgoing

_LONGEST = dt.timedelta(days=30)
_NOT_A_LABEL = re.compile(r"[^a-zA-Z0-9_]")


@channel(needs=("url",))
def alertmanager(notice: Notice, target: Target, out: Outgoing) -> None:
    """Post to /api/v2/alerts; equal labels are one alert there, so repeats change nothing."""
    message = notice.message
    labels = {
        "alertname": str(message["rule"]),
        "project": str(message.get("project", "")),
        "incident": str(message.get("incident", "")),
        **{_label(k): str(v) for k, v in message.get("labels", {}).items()},
    }
    alert: dict[str, object] = {
        "labels": {k: v for k, v in labels.items() if v},
        "annotations": {"summary": notice.title, "description": notice.rest},
        "startsAt": message.get("opened_at"),
        "endsAt": message.get("resolved_at") if notice.is_over else _far(message),
    }
    if notice.link:
        alert["generatorURL"] = notice.link
    post(out, target["url"].rstrip("/") + "/api/v2/alerts", orjson.dumps([alert]))


def _label(key: str) -> str:
    return key if key == "severity" else "cohort_" + _NOT_A_LABEL.sub("_", key)


def _far(message: Mapping[str, object]) -> str:
    """Without an end Alertmanager takes an alert for over after minutes; ours says when it is."""
    return (dt.datetime.fromisoformat(str(message["opened_at"])) + _LONGEST).isoformat()
