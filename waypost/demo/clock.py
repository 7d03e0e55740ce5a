"""A clock that the demo's model and tools move, so that two days pass in seconds."""

SECOND = 1_000_000_000


class Clock:
    """Nanoseconds since 1970; each reading is a little later than the one before."""

    def __init__(self, now: int) -> None:
        self._now = now

    def __call__(self) -> int:
        self._now += 50_000
        return self._now

    def set(self, now: int) -> None:
        """Go to the start of the next run."""
        self._now = now

    def pass_seconds(self, seconds: float) -> None:
        """Let the time of a call go by."""
        self._now += int(seconds * SECOND)
