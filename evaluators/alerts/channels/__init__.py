"""The plugs: one channel a file."""
