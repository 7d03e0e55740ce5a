"""The same spans into Waypost, Arize Phoenix and MLflow, in one run on one machine."""
