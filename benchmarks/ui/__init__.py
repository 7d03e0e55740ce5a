"""How long pages take at five million scores, and what they ask of Postgres."""
