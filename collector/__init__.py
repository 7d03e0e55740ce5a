"""OTLP in, one dialect read, steps written."""
