"""PagerDuty's Events API v2; one incident there for one here."""

import orjson

from evaluators.alerts.channel import Notice, Target, channel, post
from waypost.outgoing import Outgoing

_URL = "https://events.pagerduty.com/v2/enqueue"


@channel(needs=("routing_key",), takes=("url",))
def pagerduty(notice: Notice, target: Target, out: Outgoing) -> None:
    """Trigger or resolve an event; the incident is its deduplication key."""
    body = {
        "routing_key": target["routing_key"],
        "event_action": "resolve" if notice.is_over else "trigger",
        "dedup_key": notice.thread,
        "client": "Waypost",
        "payload": {
            "summary": notice.title[:1024],
            "source": str(notice.message.get("project", "waypost")),
            "severity": str(notice.message.get("severity", "warning")),
            "component": str(notice.message.get("rule", "")),
            "custom_details": {"text": notice.rest, "where": notice.message.get("where", {})},
        },
        "links": [
            *([{"href": notice.link, "text": "Dashboard"}] if notice.link else []),
            *({"href": run, "text": f"Run {n}"} for n, run in enumerate(notice.runs, 1)),
        ],
    }
    post(out, target.get("url") or _URL, orjson.dumps(body))
