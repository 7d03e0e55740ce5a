"""The tables as SQLAlchemy Core sees them; a test holds them equal to the migrated schema."""

from waypost.store.tables import alerts, projects, reviews, runs, scores
from waypost.store.tables.columns import metadata

PARTITIONED = ("trajectory", "step", "message", "content", "feedback", "score")

__all__ = ["PARTITIONED", "alerts", "metadata", "projects", "reviews", "runs", "scores"]
