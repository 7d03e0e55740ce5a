"""Stored rows back into steps: inputs put together, bodies restored, gaps named."""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.canon import digest, loads
from waypost.records import Content, Json, Message, Step
from waypost.store.codec import (
    KINDS,
    STATUSES,
    Codec,
    split_hashes,
    unpack_detail,
    unpack_tokens,
)
from waypost.store.rows import at_ns, span_text

_ROW = tuple[str, int]


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
    codec = Codec()
    bodies = {
        (row.trace_id.hex, bytes(row.hash)): codec.restore(row.enc, bytes(row.body))
        for row in connection.execute(_MESSAGES, values)
    }
    reader = _Reader(codec, bodies, rows)
    contents = (_content(codec, row) for row in connection.execute(_CONTENTS, values))
    return Stored(tuple(reader.step(row) for row in rows), tuple(contents))


_STEPS = sa.text("""
    select trace_id, span_id, started_at, parent_id, started_ns, duration_ns, kind, status,
      marker, name, tool, model, prompt_version, tokens_in, tokens_out, cost_usd, base_id, keep,
      add, sum, output, enc, detail
    from step
    where project_id = :project_id and trace_id = any(:traces) and started_at >= :since
    order by started_at, started_ns, span_id""")
_MESSAGES = sa.text("""
    select trace_id, hash, enc, body from message
    where project_id = :project_id and trace_id = any(:traces) and day >= :day""")
_CONTENTS = sa.text("""
    select trace_id, span_id, at, direction, enc, body from content
    where project_id = :project_id and trace_id = any(:traces) and at >= :since
    order by at, hash""")


class _Reader:
    def __init__(
        self,
        codec: Codec,
        bodies: Mapping[tuple[str, bytes], bytes],
        rows: Iterable[sa.Row[tuple[object, ...]]],
    ) -> None:
        self._codec = codec
        self._bodies = bodies
        self._messages: dict[tuple[str, bytes], Message | None] = {}
        self._rows = {(row.trace_id.hex, row.span_id): row for row in rows}
        self._inputs: dict[_ROW, list[bytes] | None] = {}

    def step(self, row: sa.Row[tuple[object, ...]]) -> Step:
        values = row._mapping
        trace = values["trace_id"].hex
        detail = loads(self._codec.restore(values["enc"], bytes(values["detail"])))
        assert isinstance(detail, dict)
        fields = unpack_detail(detail, lambda name: self._bodies.get((trace, name)))
        given, complete = self._input(trace, values["span_id"])
        output, whole = self._read(trace, split_hashes(values["output"]))
        if not whole:
            fields["notes"] = (*fields.get("notes", ()), "missing=output")
        started = at_ns(values["started_at"]) + values["started_ns"]
        tokens = unpack_tokens(values["tokens_in"], values["tokens_out"], detail)
        fields |= {
            "name": detail.get("name") or values["name"],
            "tool": detail.get("tool") or values["tool"],
            "model": detail.get("model", values["model"]),
            "prompt_version": detail.get("prompt_version") or values["prompt_version"],
            "cost_usd": values["cost_usd"],
            "tokens": tokens,
            "input": given,
            "output": output,
            "input_complete": complete and fields.get("input_complete", True),
        }
        return Step(
            trace_id=trace,
            span_id=span_text(values["span_id"]),
            parent_id=None if values["parent_id"] is None else span_text(values["parent_id"]),
            kind=KINDS[values["kind"]],
            started_at=started,
            ended_at=started + values["duration_ns"],
            status=STATUSES[values["status"]],
            marker=values["marker"],
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
        found = [self._message(trace, name) for name in hashes]
        messages = tuple(m for m in found if m is not None)
        return messages, len(messages) == len(found)

    def _message(self, trace: str, name: bytes) -> Message | None:
        key = (trace, name)
        if key not in self._messages:
            body = self._bodies.get(key)
            self._messages[key] = None if body is None else _as_message(loads(body))
        return self._messages[key]


def _as_message(value: Json) -> Message:
    assert isinstance(value, dict)
    return Message.from_json(value)


def _content(codec: Codec, row: sa.Row[tuple[object, ...]]) -> Content:
    values = row._mapping
    return Content(
        trace_id=values["trace_id"].hex,
        span_id=span_text(values["span_id"]),
        at=at_ns(values["at"]),
        direction=values["direction"],
        message=_as_message(loads(codec.restore(values["enc"], bytes(values["body"])))),
    )
