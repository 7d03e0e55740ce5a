"""The plugs: one screen a file."""
