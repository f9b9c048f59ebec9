"""Ends of short waits: one timer of the event loop for all that end within the same twentieth of a second.

A timer of its own for each query costs more than the query; nearly all of them are never needed. So waits are put into
buckets by the time at which they end, and leave them again when what they wait for has come. A wait may end up to TICK
seconds late, never early.
"""

import asyncio
from math import ceil
from typing import Protocol

TICK = 0.05  # seconds


class Expiring(Protocol):
    """What waits."""

    def expire(self) -> None:
        """Its time is up."""


Bucket = set[Expiring]


class Expiry:
    """See the module's head. To be used from one event loop."""

    def __init__(self) -> None:
        self._buckets: dict[int, Bucket] = {}  # by the tick at whose end they are emptied

    def add(self, waiting: Expiring, end: float) -> Bucket:
        """Call its `expire` at `end`, by the event loop's time, unless it is discarded from the bucket given back."""
        tick = ceil(end / TICK)
        bucket = self._buckets.get(tick)
        if bucket is None:
            bucket = self._buckets[tick] = set()
            asyncio.get_running_loop().call_at(tick * TICK, self._end, tick)
        bucket.add(waiting)
        return bucket

    def _end(self, tick: int) -> None:
        bucket = self._buckets.pop(tick)
        while bucket:
            bucket.pop().expire()
