"""The time by which leases end and addresses cool: it never jumps.

The system's clock may be set back or ahead while the daemon runs. What runs here is read off it once, at the start, and
goes on with the time since the machine was started, which counts on while the machine sleeps. It begins no earlier than
the store's last change, so that it does not go back from one start to the next either.
"""

import time
from collections.abc import Callable


def running_time() -> float:
    """Seconds since the machine was started, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SteadyClock:
    """Seconds since the epoch. `begin` sets it going, no earlier than a given time."""

    def __init__(self, wall: Callable[[], float] = time.time, running: Callable[[], float] = running_time) -> None:
        self._running = running
        self._ahead = wall() - running()

    def begin(self, earliest: float) -> None:
        """Go on from `earliest`, if the system's clock was behind it."""
        self._ahead = max(self._ahead, earliest - self._running())

    def __call__(self) -> float:
        """Now."""
        return self._running() + self._ahead
