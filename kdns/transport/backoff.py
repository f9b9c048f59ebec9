"""How long to wait before the next try: longer each time, up to a bound, and never in step with others. Pure."""

from collections.abc import Callable

FIRST, LAST = 0.1, 10.0  # seconds; the bound keeps answers at most that much older than a server that came back
MANY = 100  # failures beyond which counting ends
MOST_ASKED = 60.0  # seconds of Retry-After that are obeyed


class Backoff:
    """The waits of one row of failures. `random()` gives numbers in [0, 1)."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self.failures = 0

    def wait(self, asked: float = 0.0) -> float:
        """Seconds to wait after one more failure: `asked` (bounded) and between half and the whole of this try's share.

        The share is added to what was asked, so that clients told the same number do not come back at once together.
        """
        share = min(LAST, FIRST * 2.0**self.failures)
        self.failures = min(self.failures + 1, MANY)
        return min(asked, MOST_ASKED) + share * (0.5 + 0.5 * self._random())

    def reset(self) -> None:
        """Something worked: the next failure is the first of its row."""
        self.failures = 0
