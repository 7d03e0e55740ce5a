"""Plugs that check what is set for evaluators."""
