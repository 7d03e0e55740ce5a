"""Each widget draws one record; none of them asks the store."""
