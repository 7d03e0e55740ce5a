"""The plugs: one judge a file."""
