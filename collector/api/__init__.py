"""REST on the collector's HTTP port: `app(engine)` is mounted at /api/v1."""

from collector.api.application import app

__all__ = ["app"]
