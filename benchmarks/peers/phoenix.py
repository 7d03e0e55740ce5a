"""Arize Phoenix on its own SQLite."""

import urllib.request
from collections.abc import Mapping, Sequence

from benchmarks.peers.peer import Peer, free_port, post_json, rows_in

_LIST = """{ node(id: "UHJvamVjdDox") { ... on Project {
  spans(first: 100, filterCondition: "parent_id is None%s") { edges { node {
    name startTime latencyMs statusCode cumulativeTokenCountTotal trace { traceId numSpans }
  } } } } } }"""
_OPEN = """{ node(id: "UHJvamVjdDox") { ... on Project { trace(traceId: "%s") { spans(first: 1000)
  { edges { node { name spanKind startTime endTime statusCode parentId attributes } } } } } } }"""


class Phoenix(Peer):
    """Phoenix as `phoenix serve` starts it."""

    name = "Phoenix"
    package = "arize-phoenix"

    def command(self) -> Sequence[str]:
        return [str(self.environment / "bin" / "phoenix"), "serve"]

    def variables(self) -> Mapping[str, str]:
        return {
            "PHOENIX_WORKING_DIR": str(self.folder),
            "PHOENIX_PORT": str(self.port),
            "PHOENIX_GRPC_PORT": str(free_port()),
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_TELEMETRY_ENABLED": "false",
        }

    def count(self) -> int:
        urllib.request.urlopen(f"{self.url}/v1/projects", timeout=5).close()
        return rows_in(self.folder / "phoenix.db", "spans")

    def asks(self, trace_id: str) -> Mapping[str, urllib.request.Request]:
        where = " and metadata['region'] == 'eu'"
        queries = {"list": _LIST % "", "filter": _LIST % where, "open": _OPEN % trace_id}
        return {k: post_json(f"{self.url}/graphql", {"query": q}) for k, q in queries.items()}
