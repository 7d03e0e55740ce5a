"""A coverage-guided fuzzer over decoding, reading and masking: whatever arrives, nothing raises.

`python -m benchmarks.fuzz_decode --minutes 60` starts from real requests and needs `pip install
atheris`, which nothing else uses and no lock file names. It prints how many inputs it tried.
What it finds is kept in the folder given with `--findings`.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-untyped]  # it ships no types

with atheris.instrument_imports(include=["collector", "waypost.redact", "waypost.canon"]):
    from collector.decode import Encoding
    from collector.inflate import TooLarge
    from collector.metrics import Metrics
    from collector.pipeline import LOGS, TRACES, Pipeline, Request
    from waypost.errors import Unreadable
    from waypost.store.codec import Bodies, pack_detail
    from waypost.store.projects import Project

    PIPELINE = Pipeline(Metrics(), inflated_limit=8 << 20)
    # Conventions are found, and so instrumented, when the first span is read.
    PROJECT = Project(1, "fuzz", "standard", 30, ("region", "model"))
    PIPELINE.prepare(Request(PROJECT, TRACES, b""), b"k" * 32)

from google.protobuf.json_format import MessageToJson  # type: ignore[import-untyped]  # protobuf ships no types
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.ingest_spans import DIALECTS, requests_of

_KEY = b"k" * 32
_WAYS = [(s, e) for s in (TRACES, LOGS) for e in Encoding]


def seeds(folder: Path) -> None:
    """Real requests of one span, each behind the byte that says how it is sent."""
    for dialect in DIALECTS:
        for number, body in enumerate(requests_of(dialect, 200)):
            request = ExportTraceServiceRequest.FromString(body)
            del request.resource_spans[0].scope_spans[0].spans[1:]
            (folder / f"{dialect}-{number}").write_bytes(b"\0" + request.SerializeToString())
            text = MessageToJson(request, indent=None).encode()
            (folder / f"{dialect}-{number}.json").write_bytes(b"\1" + text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--findings", type=Path, default=Path(tempfile.mkdtemp()))
    chosen = parser.parse_args()

    def try_one(data: bytes) -> None:
        if not data:
            return
        signal, encoding = _WAYS[data[0] % len(_WAYS)]
        try:
            done = PIPELINE.prepare(Request(PROJECT, signal, data[1:], encoding), _KEY)
        except (Unreadable, TooLarge):
            return
        for reading in done.parcel.readings:
            pack_detail(reading.step, Bodies())

    corpus = chosen.findings / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    seeds(corpus)
    atheris.Setup(
        [
            sys.argv[0], str(corpus), f"-artifact_prefix={chosen.findings}/", "-timeout=5",
            f"-max_total_time={int(chosen.minutes * 60)}", "-max_len=65536",
            "-print_final_stats=1", "-rss_limit_mb=2048",
        ],
        try_one,
    )  # fmt: skip
    atheris.Fuzz()


if __name__ == "__main__":
    main()
