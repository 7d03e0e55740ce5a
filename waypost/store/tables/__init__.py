"""The tables as SQLAlchemy Core sees them; a test holds them equal to the migrated schema."""

from waypost.store.tables import alerts, evaluators, projects, reviews, runs, scores, trials
from waypost.store.tables.columns import metadata

PARTITIONED = ("trajectory", "step", "message", "content", "feedback", "score")

__all__ = [
    "PARTITIONED",
    "alerts",
    "evaluators",
    "metadata",
    "projects",
    "reviews",
    "runs",
    "scores",
    "trials",
]
