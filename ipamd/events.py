"""What has happened that an operator wants to know of: pools that fill up, what was freed without being asked to.

Strategy: a bounded list in memory, each event with a number, so that who asks again gets what is new. What has to be
kept is in the history; this is for looking on.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple, get_args

from ipamd.allocator import Space
from ipamd.model import LEASE, POOL
from ipamd.pools import Pools
from ipamd.stores import Change

KEPT = 1000  # events
LEVELS = (80, 90, 100)  # percent of a pool in use, at each of which it is told once

SEEN = (LEASE, POOL)  # the kinds of changes that fill a pool or empty it

Kind = Literal["filling", "exhausted", "emptying", "reconciled", "rolled-back"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Event(NamedTuple):
    """Something that happened, at a time in seconds since the epoch; `subject` is what it is about."""

    number: int
    time: float
    kind: Kind
    subject: str
    text: str


class Events:
    """The last events. `clock` gives seconds since the epoch."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: deque[Event] = deque(maxlen=KEPT)
        self._number = 0
        self.counts: Counter[Kind] = Counter()  # of all that were told, kept or not

    def tell(self, kind: Kind, subject: str, text: str) -> None:
        """Add an event."""
        self._number += 1
        self.counts[kind] += 1
        self._kept.append(Event(self._number, self._clock(), kind, subject, text))

    def after(self, number: int) -> Iterator[Event]:
        """The events behind that number, the oldest first."""
        return (event for event in self._kept if event.number > number)


class Fullness:
    """Tells when a pool reaches one of the levels, and when it falls below. To listen to a store.

    What cools is free one day without a change in the log: a pool at a level is looked at as long as any of it cools.
    """

    def __init__(self, pools: Pools, events: Events) -> None:
        self._pools = pools
        self._events = events
        self._levels = {space.pool.name: level_of(space) for space in pools}
        self._cooling = {space.pool.name for space in pools if space.cooling}

    def committed(self, changes: Sequence[Change], _seconds: float) -> None:
        """Look at the pools that have changed, or in which leases have."""
        names = {change.namespace if change.kind == LEASE else change.name for change in changes if change.kind in SEEN}
        for name in names | self._cooling:
            space = self._pools.get(name)
            if space is None:
                self._levels.pop(name, None)  # another one of that name begins anew
                self._cooling.discard(name)
            else:
                self._look(space)

    def _look(self, space: Space) -> None:
        name, level = space.pool.name, level_of(space)
        before = self._levels.get(name, 0)
        self._levels[name] = level
        if level and space.cooling:
            self._cooling.add(name)
        else:
            self._cooling.discard(name)
        counts = f"{space.capacity} addresses: {space.used} used, {space.cooling} cooling, {space.free} free"
        if level > before:
            self._events.tell("exhausted" if level == 100 else "filling", f"pool {name}", f"{level} % of {counts}")
        elif level < before:
            self._events.tell("emptying", f"pool {name}", f"less than {before} % of {counts}")


def level_of(space: Space) -> int:
    """The highest level that is reached, in percent; 0 for none."""
    taken = space.capacity - space.free - space.reserved
    return max((level for level in LEVELS if space.capacity and taken * 100 >= level * space.capacity), default=0)
