"""Replies that a UDP socket cannot take at the moment: the newest go first, and there are never more than DEPTH.

Under overload, what a socket can still send is best spent on clients that have not given up yet. Pure: sending, and
where dropped replies are counted, are arguments.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

DEPTH = 1024  # replies: some ten milliseconds of a busy socket; more would only be staler


class Waiting(NamedTuple):
    """A reply, with the control messages and the address that it is sent with."""

    reply: bytes
    control: list[tuple[int, int, bytes]]
    address: Any


class Backlog:
    """The waiting replies of one socket. `dropped` is told what was dropped: a `query` or a `response`."""

    def __init__(self, dropped: Callable[[str], None]) -> None:
        self.dropped = dropped
        self._waiting: deque[Waiting] = deque(maxlen=DEPTH)

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether a query that is taken now would only push another's reply out."""
        return len(self._waiting) == DEPTH

    def push(self, waiting: Waiting) -> None:
        """Keep a reply for when the socket takes it; the oldest one makes room for it."""
        if self.is_full:
            self.dropped("response")
        self._waiting.append(waiting)

    def send(self, send: Callable[[Waiting], object]) -> None:
        """Send what waits, until `send` raises BlockingIOError; what it cannot send at all is dropped."""
        while self._waiting:
            newest = self._waiting.pop()
            try:
                send(newest)
            except BlockingIOError:
                self._waiting.append(newest)
                return
            except OSError:
                self.dropped("response")
