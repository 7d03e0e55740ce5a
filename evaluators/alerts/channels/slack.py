"""A Slack channel, through an incoming webhook."""

import orjson

from evaluators.alerts.channel import Notice, Target, channel, post
from waypost.outgoing import Outgoing
from waypost.records import Json

_MOST, _TITLE = 2900, 150


@channel(needs=("url",))
def slack(notice: Notice, target: Target, out: Outgoing) -> None:
    """Post the message to an incoming webhook; nothing in it is read as Slack's markup."""
    blocks: list[Json] = [
        {"type": "header", "text": {"type": "plain_text", "text": notice.title[:_TITLE]}}
    ]
    owner = notice.message.get("owner")
    said = "\n".join(p for p in (notice.body, f"Owner: {owner}" if owner else "") if p)
    if said:
        blocks.append({"type": "section", "text": {"type": "plain_text", "text": said[:_MOST]}})
    if notice.runs:
        # Addresses of our own making, the only place where markup is meant.
        links = " · ".join(f"<{_escaped(u)}|run {n}>" for n, u in enumerate(notice.runs, 1))
        text: Json = {"type": "mrkdwn", "text": links[:_MOST], "verbatim": True}
        blocks.append({"type": "section", "text": text})
    if notice.link:
        button: Json = {"type": "plain_text", "text": "Open the cell"}
        blocks.append(
            {"type": "actions", "elements": [
                {"type": "button", "text": button, "url": notice.link[:3000]}]}
        )  # fmt: skip
    body = orjson.dumps({"text": _escaped(notice.title), "blocks": blocks})
    post(out, target["url"], body)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
