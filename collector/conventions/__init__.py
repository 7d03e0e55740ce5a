"""The plugs: one dialect a file."""
