"""Steps, read one by one, put together into the trajectory they belong to."""
