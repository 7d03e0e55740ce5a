"""Stored rows back into steps: inputs put together, bodies restored, gaps named."""

import datetime as dt
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.canon import digest, loads
from waypost.records import Content, Json, Message, Step
from waypost.store.codec import (
    KINDS,
    STATUSES,
    Codec,
    refs_of,
    split_hashes,
    unpack_detail,
    unpack_tokens,
)
from waypost.store.rows import at_ns, span_text

_ROW = tuple[str, int]
_Found = sa.Row[tuple[object, ...]]
_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Stored:
    """Everything kept of some traces, as it was read when it arrived."""

    steps: tuple[Step, ...]
    contents: tuple[Content, ...]


def of_traces(
    connection: Connection, project_id: int, trace_ids: Sequence[str], since: dt.date
) -> Stored:
    """The spans of these traces that started on or after the day `since`."""
    values = {
        "project_id": project_id,
        "traces": [uuid.UUID(t) for t in trace_ids],
        "since": dt.datetime.combine(since, dt.time(), dt.UTC),
        "day": since,
    }
    rows = connection.execute(_STEPS, values).all()
    codec, bodies = Codec(), _Bodies()
    bodies.add(codec, connection.execute(_MESSAGES, values))
    reader = _Reader(bodies, rows)
    return Stored(
        tuple(reader.step(*found) for found in _restored(codec, rows, "detail")),
        tuple(
            _content(*found) for found in _restored(codec, connection.execute(_CONTENTS, values))
        ),
    )


def between(
    connection: Connection,
    project_id: int,
    trace_ids: Sequence[str],
    since: dt.date,
    ends: tuple[dt.datetime, dt.datetime],
) -> Stored:
    """The spans of these traces that started between two moments, and the scopes of the run."""
    values: dict[str, object] = {
        "project_id": project_id,
        "traces": [uuid.UUID(t) for t in trace_ids],
        "since": dt.datetime.combine(since, dt.time(), dt.UTC),
        "day": since,
        "first": ends[0],
        "last": ends[1],
        "scopes": [code for code, kind in enumerate(KINDS) if kind.is_scope],
    }
    rows = connection.execute(_BETWEEN, values).all()
    values["spans"] = [row.span_id for row in rows]
    values["bases"] = [row.base_id for row in rows if row.base_id is not None]
    bases = connection.execute(_BASES, values).all()
    codec, bodies = Codec(), _Bodies()
    reader = _Reader(bodies, [*bases, *rows])
    details = list(_restored(codec, rows, "detail"))
    values["hashes"] = list({name for found in details for name in reader.names(*found)})
    bodies.add(codec, connection.execute(_NAMED, values))
    contents = _restored(codec, connection.execute(_SOME_CONTENTS, values))
    return Stored(
        tuple(reader.step(*found) for found in details),
        tuple(_content(*found) for found in contents),
    )


_COLUMNS = """
    select trace_id, span_id, started_at, parent_id, started_ns, duration_ns, kind, status,
      marker, name, tool, model, prompt_version, tokens_in, tokens_out, cost_usd, base_id, keep,
      add, sum, output, enc, detail
    from step
    where project_id = :project_id and trace_id = any(:traces) and started_at >= :since"""
_STEPS = sa.text(f"{_COLUMNS} order by started_at, started_ns, span_id")
_BETWEEN = sa.text(f"""
    ({_COLUMNS} and started_at between :first and :last)
    union all
    ({_COLUMNS} and kind = any(:scopes) and not started_at between :first and :last
     order by started_at limit 2000)
    order by started_at, started_ns, span_id""")
_BASES = sa.text("""
    with recursive chain as (
      select trace_id, span_id, base_id, keep, add, sum from step
      where project_id = :project_id and trace_id = any(:traces) and span_id = any(:bases)
        and started_at >= :since
      union
      select s.trace_id, s.span_id, s.base_id, s.keep, s.add, s.sum
      from chain c join step s on s.trace_id = c.trace_id and s.span_id = c.base_id
      where s.project_id = :project_id and s.started_at >= :since
    )
    select * from chain""")
_NAMED = sa.text("""
    select trace_id, hash, enc, body from message
    where project_id = :project_id and trace_id = any(:traces) and hash = any(:hashes)
      and day >= :day""")
_SOME_CONTENTS = sa.text("""
    select trace_id, span_id, at, direction, enc, body from content
    where project_id = :project_id and trace_id = any(:traces) and span_id = any(:spans)
      and at >= :since
    order by at, hash""")
_MESSAGES = sa.text("""
    select trace_id, hash, enc, body from message
    where project_id = :project_id and trace_id = any(:traces) and day >= :day""")
_CONTENTS = sa.text("""
    select trace_id, span_id, at, direction, enc, body from content
    where project_id = :project_id and trace_id = any(:traces) and at >= :since
    order by at, hash""")


class _Bodies:
    """Bodies by hash. Every trace has its own copy of a prompt; it is unpacked and read once."""

    def __init__(self) -> None:
        self._held: set[tuple[str, bytes]] = set()
        self._bodies: dict[bytes, bytes] = {}
        self._values: dict[bytes, Json] = {}
        self._messages: dict[bytes, Message] = {}

    def add(self, codec: Codec, rows: Iterable[_Found]) -> None:
        fresh: dict[bytes, _Found] = {}
        for row in rows:
            name = bytes(row.hash)
            self._held.add((row.trace_id.hex, name))
            if name not in self._bodies:
                fresh[name] = row
        for row, body in _restored(codec, fresh.values()):
            self._bodies[bytes(row.hash)] = body

    def value(self, trace: str, name: bytes) -> Json:
        """A payload; None when the trace has none of that hash."""
        if (trace, name) not in self._held:
            return None
        if name not in self._values:
            self._values[name] = loads(self._bodies[name])
        return self._values[name]

    def message(self, trace: str, name: bytes) -> Message | None:
        """A message; None when the trace has none of that hash."""
        if (trace, name) not in self._held:
            return None
        if name not in self._messages:
            self._messages[name] = _as_message(loads(self._bodies[name]))
        return self._messages[name]


class _Reader:
    def __init__(self, bodies: _Bodies, rows: Iterable[_Found]) -> None:
        self._bodies = bodies
        self._rows = {(row.trace_id.hex, row.span_id): row for row in rows}
        self._inputs: dict[_ROW, list[bytes] | None] = {}

    def names(self, row: _Found, body: bytes) -> list[bytes]:
        """The hashes of all bodies that a row refers to."""
        detail = loads(body)
        assert isinstance(detail, dict)
        given = self._hashes((row.trace_id.hex, row.span_id))
        if given is None:
            given = split_hashes(row.add)
        refs = [bytes.fromhex(ref) for ref in refs_of(detail).values()]
        return [*given, *split_hashes(row.output), *refs]

    def step(self, row: _Found, body: bytes) -> Step:
        trace = row.trace_id.hex
        detail = loads(body)
        assert isinstance(detail, dict)
        fields = unpack_detail(detail, lambda name: self._bodies.value(trace, name))
        given, complete = self._input(trace, row.span_id)
        output, whole = self._read(trace, split_hashes(row.output))
        if not whole:
            fields["notes"] = (*fields.get("notes", ()), "missing=output")
        started = at_ns(row.started_at) + row.started_ns
        tokens = unpack_tokens(row.tokens_in, row.tokens_out, detail)
        fields |= {
            "name": detail.get("name") or row.name,
            "tool": detail.get("tool") or row.tool,
            "model": detail.get("model", row.model),
            "prompt_version": detail.get("prompt_version") or row.prompt_version,
            "cost_usd": row.cost_usd,
            "tokens": tokens,
            "input": given,
            "output": output,
            "input_complete": complete and fields.get("input_complete", True),
        }
        return Step(
            trace_id=trace,
            span_id=span_text(row.span_id),
            parent_id=None if row.parent_id is None else span_text(row.parent_id),
            kind=KINDS[row.kind],
            started_at=started,
            ended_at=started + row.duration_ns,
            status=STATUSES[row.status],
            marker=row.marker,
            **fields,
        )

    def _input(self, trace: str, span: int) -> tuple[tuple[Message, ...], bool]:
        hashes = self._hashes((trace, span))
        row = self._rows[trace, span]
        if hashes is None:
            partial, _ = self._read(trace, split_hashes(row.add))
            return partial, False
        messages, whole = self._read(trace, hashes)
        return messages, whole

    def _hashes(self, key: _ROW) -> list[bytes] | None:
        """The whole list of an input, or None when a base is missing or not what it was.

        Walked without recursion: a forged chain may be long or closed.
        """
        chain: list[_ROW] = []
        current = key
        while current not in self._inputs:
            row = self._rows.get(current)
            if row is None or current in chain:
                self._inputs[current] = None
                break
            chain.append(current)
            if row.base_id is None:
                break
            current = (current[0], row.base_id)
        for known in reversed(chain):
            if known not in self._inputs:
                self._inputs[known] = self._extended(known)
        return self._inputs[key]

    def _extended(self, key: _ROW) -> list[bytes] | None:
        row = self._rows[key]
        hashes = split_hashes(row.add)
        if row.base_id is not None:
            base = self._inputs.get((key[0], row.base_id))
            if base is None:
                return None
            hashes = base[: row.keep] + hashes
        if row.sum is not None and digest(b"".join(hashes)) != bytes(row.sum):
            return None
        return hashes

    def _read(self, trace: str, hashes: list[bytes]) -> tuple[tuple[Message, ...], bool]:
        found = [self._bodies.message(trace, name) for name in hashes]
        messages = tuple(m for m in found if m is not None)
        return messages, len(messages) == len(found)


def _as_message(value: Json) -> Message:
    assert isinstance(value, dict)
    return Message.from_json(value)


def _content(row: _Found, body: bytes) -> Content:
    return Content(
        trace_id=row.trace_id.hex,
        span_id=span_text(row.span_id),
        at=at_ns(row.at),
        direction=row.direction,
        message=_as_message(loads(body)),
    )


def _restored(
    codec: Codec, rows: Iterable[_Found], name: str = "body"
) -> Iterator[tuple[_Found, bytes]]:
    """Rows with the body of that name restored, some at a time."""
    left = iter(rows)
    while some := list(islice(left, _AT_ONCE)):
        yield from zip(
            some, codec.restore_all([(r.enc, bytes(getattr(r, name))) for r in some]), strict=True
        )
