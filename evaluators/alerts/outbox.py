"""Sends what the outbox holds: every message until it arrives or never can, each once.

A message is leased before it is sent and marked afterwards. A process that dies in between
leaves it to the next, which sends it under the same key and says that it may be a repeat.
"""

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from evaluators.alerts.apart import alone
from evaluators.alerts.channel import Channel, Notice, Target
from waypost.errors import ChannelFailed
from waypost.outgoing import Outgoing
from waypost.store import deliveries
from waypost.store.deliveries import Delivery
from waypost.store.engine import Connection, Engine

# A third of it may pass before the last message is begun: SMTP with every answer late takes long.
LEASE = dt.timedelta(minutes=2)
GIVE_UP = dt.timedelta(hours=24)
_FIRST_WAIT, _LONGEST_WAIT = 5, 1800


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
    """Send what is due, each channel beside the others: a slow one holds up its own messages."""
    moment = now or dt.datetime.now(dt.UTC)
    with engine.begin() as connection:
        claimed = deliveries.claim(connection, now=moment, lease=LEASE)
    done = Sent()
    if not claimed:
        return done
    ordered = sorted(claimed, key=attrgetter("channel", "id"))
    queues = [list(group) for _, group in groupby(ordered, attrgetter("channel"))]
    with ThreadPoolExecutor(len(queues)) as pool:
        for some in pool.map(lambda queue: _send(engine, post, queue, moment), queues):
            done.sent += some.sent
            done.later += some.later
            done.failed += some.failed
    return done


def _send(engine: Engine, post: Post, queue: Sequence[Delivery], now: dt.datetime) -> Sent:
    """The messages of one channel, each marked at once; after a passing fault the rest waits."""
    done, is_down = Sent(), False
    ends = time.monotonic() + LEASE.total_seconds() / 3
    for delivery in queue:
        if is_down or time.monotonic() > ends:
            with engine.begin() as connection:
                deliveries.give_back(connection, delivery, run_at=now + wait(1))
            continue
        error = _carry(post, delivery)
        is_down = error is not None and not error.permanent
        with engine.begin() as connection:
            _mark(connection, delivery, error, now, done)
    return done


def _mark(
    connection: Connection, delivery: Delivery, error: ChannelFailed | None, now: dt.datetime,
    done: Sent,
) -> None:  # fmt: skip
    if error is None:
        deliveries.sent(connection, delivery, now=now)
        done.sent += 1
    elif error.permanent or now - delivery.created_at > GIVE_UP:
        deliveries.failed(connection, delivery, str(error), now=now)
        done.failed += 1
    else:
        run_at = now + wait(delivery.attempts)
        deliveries.later(connection, delivery, str(error), run_at=run_at)
        done.later += 1


def wait(attempts: int) -> dt.timedelta:
    """How long to wait after so many attempts: twice as long each time, half an hour at most."""
    return dt.timedelta(seconds=min(_FIRST_WAIT * 2 ** min(attempts - 1, 20), _LONGEST_WAIT))


def _carry(post: Post, delivery: Delivery) -> ChannelFailed | None:
    target = post.targets.get(delivery.channel)
    if target is None:
        return ChannelFailed(
            f"No channel is called {delivery.channel!r}; declare it under [alerts.channels].",
            permanent=True,
        )
    with alone(f"Channel {delivery.channel!r} broke") as fault:
        try:
            post.channels[target.kind].send(notice_of(delivery), target, post.out)
        except ChannelFailed as error:
            return error
    if fault.text is not None:
        return ChannelFailed(f"Channel {delivery.channel!r} broke: {fault.text}")
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
