"""Plugs that say what a rule would have done."""
