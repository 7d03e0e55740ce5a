"""Any HTTP receiver: the whole message as JSON, signed."""

import orjson

from evaluators.alerts.channel import Notice, Target, channel, post
from waypost.outgoing import Outgoing


@channel(needs=("url",), takes=("secret",))
def webhook(notice: Notice, target: Target, out: Outgoing) -> None:
    """Post the message as JSON; with a secret it is signed and dated."""
    body = orjson.dumps(
        {"key": notice.key, "thread": notice.thread, "kind": notice.kind, **notice.message}
    )
    post(out, target["url"], body, {"Idempotency-Key": notice.key}, secret=target.get("secret"))
