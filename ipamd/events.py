"""What has happened that an operator wants to know of: pools that fill up, what was freed without being asked to.

Strategy: a bounded list in memory, each event with a number, so that who asks again gets what is new. What has to be
kept is in the history; this is for looking on.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ipamd.allocator import Space
from ipamd.model import LEASE
from ipamd.pools import Pools
from ipamd.stores import Change

KEPT = 1000  # events
LEVELS = (80, 90, 100)  # percent of a pool in use, at each of which it is told once


class Event(NamedTuple):
    """Something that happened, at a time in seconds since the epoch; `subject` is what it is about."""

    number: int
    time: float
    kind: str
    subject: str
    text: str


class Events:
    """The last events. `clock` gives seconds since the epoch."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: deque[Event] = deque(maxlen=KEPT)
        self._number = 0

    def tell(self, kind: str, subject: str, text: str) -> None:
        """Add an event."""
        self._number += 1
        self._kept.append(Event(self._number, self._clock(), kind, subject, text))

    def after(self, number: int) -> Iterator[Event]:
        """The events behind that number, the oldest first."""
        return (event for event in self._kept if event.number > number)


class Fullness:
    """Tells when a pool reaches one of the levels, and when it falls below. To listen to a store."""

    def __init__(self, pools: Pools, events: Events) -> None:
        self._pools = pools
        self._events = events
        self._levels = {space.pool.name: level_of(space) for space in pools}

    def committed(self, changes: Sequence[Change], _seconds: float) -> None:
        """Look at the pools in which leases have changed."""
        for name in {change.namespace for change in changes if change.kind == LEASE}:
            space = self._pools.get(name)
            if space is not None:
                self._look(space)

    def _look(self, space: Space) -> None:
        name, level = space.pool.name, level_of(space)
        before = self._levels.get(name, 0)
        self._levels[name] = level
        counts = f"{space.capacity} addresses: {space.used} used, {space.cooling} cooling, {space.free} free"
        if level > before:
            self._events.tell("exhausted" if level == 100 else "filling", f"pool {name}", f"{level} % of {counts}")
        elif level < before:
            self._events.tell("emptying", f"pool {name}", f"less than {before} % of {counts}")


def level_of(space: Space) -> int:
    """The highest level that is reached, in percent; 0 for none."""
    taken = space.capacity - space.free - space.reserved
    return max((level for level in LEVELS if space.capacity and taken * 100 >= level * space.capacity), default=0)
