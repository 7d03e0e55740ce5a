"""Judges of steps, the worker that runs them, gates, alerts."""
