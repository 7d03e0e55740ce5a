"""Writes readings: rows, messages, summary and jobs in one transaction, each as often as sent."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from waypost.canon import digest
from waypost.records import Content, Feedback, Kind, Reading, Step
from waypost.store import rows
from waypost.store.codec import Bodies, Codec, Names, pack_detail, split_hashes
from waypost.store.engine import plainly
from waypost.store.history import Context, History
from waypost.store.partitions import FUTURE, ensure_days
from waypost.store.sql import copy_in, statement

NS_PER_DAY = 86_400 * 10**9
_AT_ONCE = 256


@dataclass(slots=True)
class Written:
    """What became of one put: new rows, repeats that changed nothing, and refusals."""

    stored: int = 0
    repeated: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)


class Writer:
    """Writes batches over one engine; one thread at a time."""

    def __init__(self, engine: Engine, *, history: History | None = None) -> None:
        self._engine = engine
        self._history = history or History()
        self._codec = Codec()
        self._names = Names()
        self._days: set[dt.date] = set()

    @contextmanager
    def batch(self) -> Iterator["Batch"]:
        """One transaction; everything put into the batch is committed when the block ends."""
        batch = Batch(self._history, self._codec, self._names)
        try:
            yield batch
            self._prepare(batch.days())
            with plainly(), self._engine.begin() as connection:
                batch.write(connection)
        except BaseException:
            self._history.forget()
            raise
        self._history.confirm()

    def _prepare(self, days: set[dt.date]) -> None:
        if days - self._days:
            with plainly():
                ensure_days(self._engine, days)
            self._days |= days


@dataclass(slots=True)
class _Part:
    """The rows of one project in a batch."""

    steps: dict[tuple[str, str, int], rows.Row] = field(default_factory=dict)
    messages: dict[tuple[bytes, dt.date, bytes], rows.Row] = field(default_factory=dict)
    contents: set[rows.Row] = field(default_factory=set)
    feedback: dict[bytes, rows.Row] = field(default_factory=dict)
    written: Written = field(default_factory=Written)


class Batch:
    """What is to be committed together; `put` for each project, then the block's end writes."""

    def __init__(self, history: History, codec: Codec, names: Names) -> None:
        self._history = history
        self._codec = codec
        self._names = names
        self._parts: dict[int, _Part] = {}
        self._days: set[dt.date] = set()

    def days(self) -> set[dt.date]:
        return self._days

    def put(
        self,
        project_id: int,
        readings: Sequence[Reading],
        *,
        contents: Sequence[Content] = (),
        feedback: Sequence[Feedback] = (),
        keep_days: int = 30,
        now: dt.datetime | None = None,
    ) -> Written:
        """Take these for the commit. `stored` and `repeated` are known once it is done."""
        part = self._parts.setdefault(project_id, _Part())
        window = _window(now or dt.datetime.now(dt.UTC), keep_days)
        for reading in readings:
            refusal = self._put_step(part, project_id, reading.step, window)
            if refusal is not None:
                part.written.refused.append((reading.step.span_id, refusal))
                continue
            contents = (*contents, *reading.contents)
            feedback = (*feedback, *reading.feedback)
        part.contents |= {self._content_row(c) for c in contents if window[0] <= c.at < window[1]}
        for given in feedback:
            row = rows.feedback_row(project_id, given, window)
            part.feedback.setdefault(row[0], row)
        self._days.update(rows.day_of(c.at) for c in contents if window[0] <= c.at < window[1])
        self._days.update(rows.day_of(rows.clamp(f.at, window)) for f in feedback)
        return part.written

    def write(self, connection: Connection) -> None:
        """Send everything to Postgres; the caller commits."""
        for project_id in sorted(self._parts):
            _write_part(connection, project_id, self._parts[project_id], self._codec)

    def _put_step(
        self, part: _Part, project_id: int, step: Step, window: tuple[int, int]
    ) -> str | None:
        if not window[0] <= step.started_at < window[1]:
            return "outside_keep_time"
        key = (step.trace_id, step.span_id, step.started_at // 1000)
        known = part.steps.get(key)
        if known is not None and not (rows.is_marker(known) and not step.marker):
            part.written.repeated += 1
            return None
        day = rows.day_of(step.started_at)
        bodies = Bodies()
        delta = self._input(project_id, step, day, bodies)
        output = bodies.put_messages(step.output)
        part.steps[key] = rows.step_row(step, delta, output, pack_detail(step, bodies))
        trace = (project_id, step.trace_id)
        _keep_bodies(part, step.trace_id, day, bodies.without(self._history.stored(trace, day)))
        self._history.send(trace, day, bodies.by_hash)
        self._days.add(day)
        return None

    def _input(
        self, project_id: int, step: Step, day: dt.date, bodies: Bodies
    ) -> rows.InputColumns:
        """The input as a delta on an earlier step's; only what is new in it becomes bodies."""
        if step.input_base is not None or not step.input:
            return rows.InputColumns(None, None, bodies.put_messages(step.input), None)
        trace = (project_id, step.trace_id)
        fresh = Bodies()
        hashes = b"".join(self._names.of(step.input, fresh))
        delta = self._history.delta(trace, day, hashes)
        bodies.put_named(step.input[delta.keep :], split_hashes(delta.add), fresh)
        if step.kind is Kind.LLM and not step.marker:
            self._history.stage(trace, Context(step.span_id, day, hashes, delta.depth))
        keep = delta.keep if delta.base is not None else None
        return rows.InputColumns(delta.base, keep, delta.add, digest(hashes))

    def _content_row(self, content: Content) -> rows.Row:
        bodies = Bodies()
        name = bodies.put_messages([content.message])
        return rows.content_row(content, name, bodies.by_hash[name])


def _window(now: dt.datetime, keep_days: int) -> tuple[int, int]:
    today = int(now.timestamp()) // 86_400
    return (today - keep_days) * NS_PER_DAY, (today + FUTURE + 1) * NS_PER_DAY


def _write_part(connection: Connection, project_id: int, part: _Part, codec: Codec) -> None:
    if part.messages:
        _copy_messages(connection, part, codec)
        connection.execute(statement("write_messages"), {"project_id": project_id})
    if part.steps:
        _copy_steps(connection, part, codec)
        done = connection.execute(statement("write_steps"), {"project_id": project_id}).one()
        part.written.stored += done.stored
        part.written.repeated += len(part.steps) - done.stored
    if part.contents:
        given = pressed(sorted(part.contents), rows.CONTENT_BODY, codec)
        copy_in(connection, "content_in", given)
        connection.execute(statement("write_contents"), {"project_id": project_id})
    if part.feedback:
        copy_in(connection, "feedback_in", _sorted(part.feedback))
        connection.execute(statement("write_feedback"), {"project_id": project_id})


def kept_traces(
    connection: Connection, project_id: int, since: dt.date, *, after: str | None, most: int
) -> dict[str, dt.date]:
    """Traces and their first days in order, from the one behind `after` on; also those unlisted."""
    found = connection.execute(
        sa.text("""
            select trace_id, min(day) as day from trajectory
            where project_id = :project_id and day >= :since
              and (cast(:after as uuid) is null or trace_id > cast(:after as uuid))
            group by trace_id order by trace_id limit :most"""),
        {"project_id": project_id, "since": since, "after": after, "most": most},
    )
    return {row.trace_id.hex: row.day for row in found}


def rewrite(connection: Connection, project_id: int, changes: Sequence[tuple[Step, Step]]) -> None:
    """Put later readings of stored steps in place of the earlier ones, and judge them again.

    Messages are added to a step that had none; those it had stay.
    """
    if not changes:
        return
    codec, part = Codec(), _Part()
    for old, step in changes:
        bodies, day = Bodies(), rows.day_of(step.started_at)
        add = bodies.put_messages(() if old.input else step.input)
        given = rows.InputColumns(None, None, add, digest(add) if add else None)
        output = bodies.put_messages(() if old.output else step.output)
        key = (step.trace_id, step.span_id, step.started_at // 1000)
        part.steps[key] = rows.step_row(step, given, output, pack_detail(step, bodies))
        _keep_bodies(part, step.trace_id, day, bodies.by_hash)
    if part.messages:
        _copy_messages(connection, part, codec)
        connection.execute(statement("write_messages"), {"project_id": project_id})
    _copy_steps(connection, part, codec)
    connection.execute(statement("rewrite_steps"), {"project_id": project_id})


def _copy_messages(connection: Connection, part: _Part, codec: Codec) -> None:
    given = pressed(sorted(part.messages.values()), rows.MESSAGE_BODY, codec)
    copy_in(connection, "message_in", given)


def _copy_steps(connection: Connection, part: _Part, codec: Codec) -> None:
    copy_in(connection, "step_in", pressed(_sorted(part.steps), rows.STEP_BODY, codec))


def pressed(given: Sequence[rows.Row], at: int, codec: Codec) -> Iterator[rows.Row]:
    """The rows with their bodies compressed, some at a time: all at once would take memory."""
    for start in range(0, len(given), _AT_ONCE):
        some = given[start : start + _AT_ONCE]
        for row, body in zip(some, codec.press_all([row[at] for row in some]), strict=True):
            yield (*row[:at], *body, *row[at + 1 :])


def _keep_bodies(part: _Part, trace_id: str, day: dt.date, bodies: Mapping[bytes, bytes]) -> None:
    trace = bytes.fromhex(trace_id)
    for name, body in bodies.items():
        if (trace, day, name) not in part.messages:
            row = (trace, rows.date_number(day), name, body)
            part.messages[trace, day, name] = row


def _sorted(rows_by_key: Mapping[Any, rows.Row]) -> list[rows.Row]:
    return [rows_by_key[key] for key in sorted(rows_by_key)]


def count_intake(
    connection: Connection, project_id: int, counts: dict[str, int], *, now: dt.datetime
) -> None:
    """Add to the hourly counts of what arrived, was refused, cut or dropped, by reason."""
    if counts:
        connection.execute(
            sa.text("""
                insert into intake (project_id, bucket, what, n)
                select :project_id, date_trunc('hour', cast(:now as timestamptz)), what, n
                from unnest(cast(:whats as text[]), cast(:ns as bigint[])) as t (what, n)
                order by what
                on conflict (project_id, bucket, what) do update set n = intake.n + excluded.n"""),
            {
                "project_id": project_id,
                "now": now,
                "whats": list(counts),
                "ns": list(counts.values()),
            },
        )
