"""The recorded samples of real clients, read and assembled."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from collector.convention import Reader, read_log
from collector.decode import Encoding, decode_logs, decode_traces
from tests.shared import SAMPLES
from waypost.assembly import assemble
from waypost.records import Content, Feedback, RawSpan, Reading, Trajectory


def load(name: str) -> Any:
    return json.loads((SAMPLES / name).read_text())


def conventions() -> list[str]:
    """The names of the sample files with expected results."""
    return sorted(load("expected.json"))


def scenarios() -> list[tuple[str, str]]:
    return [(c, s) for c, found in load("expected.json").items() for s in found]


def spans_of(convention: str) -> list[RawSpan]:
    body = (SAMPLES / f"{convention}.json").read_bytes()
    return decode_traces(body, Encoding.JSON).spans


def whole(reading: Reading) -> bytes:
    """All that a reading holds, so that 1, 1.0 and True differ and the order of names does not."""
    return orjson.dumps(reading, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


@dataclass(frozen=True)
class Sample:
    """One scenario of one client: its readings, and what its log records carry."""

    readings: tuple[Reading, ...]
    contents: tuple[Content, ...]
    feedback: tuple[Feedback, ...]

    def assembled(self) -> Trajectory:
        return assemble(
            [r.step for r in self.readings], self.contents, self.feedback, cohort_keys=("region",)
        )


def traces_of(convention: str, scenario: str) -> list[str]:
    found = load("index.json")[convention]["scenarios"][scenario]["trace_ids"]
    return [str(t) for t in found]


def sample(convention: str, traces: list[str]) -> Sample:
    """The spans and log records of these traces, read."""
    reader = Reader()
    readings = [reader.read(s) for s in spans_of(convention) if s.trace_id in traces]
    contents = [c for r in readings for c in r.contents]
    feedback = [f for r in readings for f in r.feedback]
    for more, verdicts in _logs(convention, traces):
        contents += more
        feedback += verdicts
    return Sample(tuple(readings), tuple(contents), tuple(feedback))


def _logs(
    convention: str, traces: list[str]
) -> Iterator[tuple[tuple[Content, ...], tuple[Feedback, ...]]]:
    path = SAMPLES / f"{convention}.logs.json"
    if path.exists():
        for record in decode_logs(path.read_bytes(), Encoding.JSON).records:
            if record.trace_id is None or record.trace_id in traces:
                found = read_log(record)
                yield found.contents, found.feedback
