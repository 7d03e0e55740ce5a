"""A Slack channel, through an incoming webhook."""

import orjson

from evaluators.alerts.channel import Notice, Target, channel, post
from waypost.outgoing import Outgoing
from waypost.records import Json

_MOST = 2900


@channel(needs=("url",))
def slack(notice: Notice, target: Target, out: Outgoing) -> None:
    """Post the message to an incoming webhook; nothing in it is read as Slack's markup."""
    lines = notice.text.split("\n", 1)
    rest = lines[1] if len(lines) > 1 else ""
    blocks: list[Json] = [
        {"type": "header", "text": {"type": "plain_text", "text": notice.title[:150]}},
        {"type": "section", "text": {"type": "plain_text", "text": rest[:_MOST] or "–"}},
    ]
    if notice.link:
        button: Json = {"type": "plain_text", "text": "Open the cell"}
        blocks.append(
            {"type": "actions", "elements": [
                {"type": "button", "text": button, "url": notice.link}]}
        )  # fmt: skip
    body = orjson.dumps({"text": _escaped(notice.title), "blocks": blocks})
    post(out, target["url"], body)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
