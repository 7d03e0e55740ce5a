"""MLflow on its own SQLite."""

import urllib.request
from collections.abc import Mapping, Sequence

from benchmarks.peers.peer import Peer, post_json, rows_in

_PLACE = [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}]


class MLflow(Peer):
    """MLflow as `mlflow server` starts it, with one worker."""

    name = "MLflow"
    package = "mlflow"

    def command(self) -> Sequence[str]:
        return [
            str(self.environment / "bin" / "mlflow"), "server",
            "--backend-store-uri", f"sqlite:///{self.folder / 'mlflow.db'}",
            "--artifacts-destination", str(self.folder / "artifacts"),
            "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1",
        ]  # fmt: skip

    def headers(self) -> Mapping[str, str]:
        return {"x-mlflow-experiment-id": "0"}

    def count(self) -> int:
        urllib.request.urlopen(f"{self.url}/health", timeout=5).close()
        return rows_in(self.folder / "mlflow.db", "spans")

    def asks(self, trace_id: str) -> Mapping[str, urllib.request.Request]:
        search = f"{self.url}/api/3.0/mlflow/traces/search"
        page: dict[str, object] = {"locations": _PLACE, "max_results": 100}
        return {
            "list": post_json(search, page),
            "filter": post_json(search, {**page, "filter": "tag.`service.name` = 'benefits'"}),
            "open": urllib.request.Request(
                f"{self.url}/api/3.0/mlflow/traces/get?trace_id=tr-{trace_id}"
            ),
        }
