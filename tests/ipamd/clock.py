"""A clock that tests move."""


class Clock:
    """A clock that a test moves. Seconds since the epoch."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now
