"""OTLP requests to records: bounded everywhere, one bad span never takes its neighbours along."""

from enum import StrEnum

from collector import otlpjson, protobuf
from collector.clean import Limits
from collector.decoded import Decoded, DecodedLogs
from collector.runs import Runs


class Encoding(StrEnum):
    """How a request is written."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


_LIMITS = Limits()


def decode_traces(
    body: bytes,
    encoding: Encoding = Encoding.PROTOBUF,
    limits: Limits = _LIMITS,
    runs: Runs | None = None,
) -> Decoded:
    """The spans of an export request and the refused ones; Unreadable if it cannot be read.

    With `runs`, spans come without the attributes their trace sent before (see `runs`).
    """
    if encoding is Encoding.JSON:
        return otlpjson.read_traces(body, limits)
    return protobuf.read_traces(body, limits, runs)


def decode_logs(
    body: bytes, encoding: Encoding = Encoding.PROTOBUF, limits: Limits = _LIMITS
) -> DecodedLogs:
    """The log records of an export request that belong to us; Unreadable if it cannot be read."""
    if encoding is Encoding.JSON:
        return otlpjson.read_logs(body, limits)
    return protobuf.read_logs(body, limits)
