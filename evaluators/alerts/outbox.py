"""Sends what the outbox holds: every message until it arrives or never can, each once.

A message is leased before it is sent and marked afterwards. A process that dies in between
leaves it to the next, which sends it under the same key and says that it may be a repeat.
"""

import datetime as dt
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from evaluators.alerts.channel import Channel, Notice, Target
from waypost.errors import ChannelFailed
from waypost.outgoing import Outgoing
from waypost.store import deliveries
from waypost.store.deliveries import Delivery
from waypost.store.engine import Engine

LEASE = dt.timedelta(seconds=60)
GIVE_UP = dt.timedelta(hours=24)
_FIRST_WAIT, _LONGEST_WAIT = 5, 1800
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Post:
    """The ways out of one installation."""

    channels: Mapping[str, Channel]
    targets: Mapping[str, Target]
    out: Outgoing


@dataclass(slots=True)
class Sent:
    """What became of the messages that were due."""

    sent: int = 0
    later: int = 0
    failed: int = 0


def send_due(engine: Engine, post: Post, now: dt.datetime | None = None) -> Sent:
    """Send what is due; a slow receiver holds up only its own messages."""
    moment = now or dt.datetime.now(dt.UTC)
    with engine.begin() as connection:
        claimed = deliveries.claim(connection, now=moment, lease=LEASE)
    done = Sent()
    if not claimed:
        return done
    with ThreadPoolExecutor(min(_AT_ONCE, len(claimed))) as pool:
        outcomes = list(pool.map(lambda d: _carry(post, d), claimed))
    with engine.begin() as connection:
        for delivery, error in zip(claimed, outcomes, strict=True):
            if error is None:
                deliveries.sent(connection, delivery, now=moment)
                done.sent += 1
            elif error.permanent or moment - delivery.created_at > GIVE_UP:
                deliveries.failed(connection, delivery, str(error), now=moment)
                done.failed += 1
            else:
                run_at = moment + wait(delivery.attempts)
                deliveries.later(connection, delivery, str(error), run_at=run_at)
                done.later += 1
    return done


def wait(attempts: int) -> dt.timedelta:
    """How long to wait after so many attempts: twice as long each time, half an hour at most."""
    return dt.timedelta(seconds=min(_FIRST_WAIT * 2 ** (attempts - 1), _LONGEST_WAIT))


def _carry(post: Post, delivery: Delivery) -> ChannelFailed | None:
    target = post.targets.get(delivery.channel)
    if target is None:
        return ChannelFailed(
            f"No channel is called {delivery.channel!r}; declare it under [alerts.channels].",
            permanent=True,
        )
    try:
        post.channels[target.kind].send(notice_of(delivery), target, post.out)
    except ChannelFailed as error:
        return error
    return None


def notice_of(delivery: Delivery) -> Notice:
    """What a channel gets to see of a delivery."""
    unsure = delivery.attempts > 1 and delivery.error is None
    return Notice(
        key=delivery.key,
        thread=f"waypost-incident-{delivery.incident_id}",
        kind=delivery.kind,
        message=delivery.message,
        repeated=unsure,
    )
