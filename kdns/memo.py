"""Whole answers by packet: the shortest way from a query to its reply.

A reply whose chain said that it may be sent again (`Reply.keep`) is kept as octets under the packet that asked for it,
both without the ID. It leaves when one of the index names that it was made from changes, when its time is up, or when
room is needed.

**Two generations** keep a flood of random names from driving out what is asked all the time: a new answer is `young`;
asked for again, it moves to `hot`, the dict that the listeners look into. A full `young` is emptied; a full `hot` loses
the answers not asked for since the last sweep. Both are bounded in octets.

**Ageing**: a reply whose TTLs count down is not made anew each second; its octets are patched when the next one begins.

**Variants**: an answer that has several good forms (loadbalance's orders) stays young until all of them are collected,
then they are sent in turn.
"""

from collections.abc import Iterable

from kdns.chain import Keep
from kdns.wire import ttl
from kdns.wire.names import Name

OVERHEAD = 400  # octets that an entry costs besides its packets, measured on CPython 3.11


class Entry:
    """One kept answer: `tails` are the replies without ID, `hits` counts how often they were sent."""

    __slots__ = ("hits", "keep", "size", "swept", "tails", "tallied", "until")

    def __init__(self, key: bytes, tail: bytes, keep: Keep) -> None:
        self.tails = [tail]
        self.keep = keep
        self.until = keep.until
        self.hits = 0
        self.tallied = 0  # hits already reported
        self.swept = 0  # hits at the last sweep
        self.size = len(key) + len(tail) + OVERHEAD

    def age(self, now: float) -> bool:
        """Go on with lower TTLs behind `until`; False if only the chain knows what comes now."""
        ageing = self.keep.ageing
        if ageing is None:
            return False
        self.settle()  # whether there is a next time may depend on the hits so far
        next_ = ageing.next(now)
        if next_ is None:
            return False
        seconds, until = next_
        tails = [aged for tail in self.tails if (aged := ttl.aged(tail, ageing.seconds, seconds)) is not None]
        if len(tails) < len(self.tails):
            return False
        self.tails, self.until = tails, until
        self.keep = self.keep._replace(ageing=ageing._replace(seconds=seconds))
        return True

    def goes_with(self, keep: Keep) -> bool:
        """Whether a reply kept so is a variant of this one."""
        return self.keep.names == keep.names and self.keep.ageing == keep.ageing

    def settle(self) -> None:
        """Report the hits since the last time to those that count."""
        fresh = self.hits - self.tallied
        self.tallied = self.hits
        if fresh:
            for tally in self.keep.tallies:
                tally(fresh)


class Memo:
    """The kept answers of one listener socket. `budget` is its bound in octets, both generations together."""

    def __init__(self, budget: int) -> None:
        self.hot: dict[bytes, Entry] = {}
        self._young: dict[bytes, Entry] = {}
        self._by_name: dict[Name, set[bytes]] = {}
        self._hot_budget = budget * 3 // 4
        self._young_budget = budget // 4
        self._hot_size = self._young_size = 0
        self.changes = 0  # calls of `forget` so far: an answer that was begun before one of them is not kept

    def __len__(self) -> int:
        return len(self.hot) + len(self._young)

    @property
    def size(self) -> int:
        """Octets in use, by the count that the budget bounds."""
        return self._hot_size + self._young_size

    def find(self, key: bytes, now: float) -> bytes | None:
        """The reply (without ID) to a packet (without ID) that is not fresh in `hot`, or None: ask the chain.

        `now` in monotonic seconds. A young answer that is complete becomes hot by being found.
        """
        entry = self.hot.get(key) or self._young.get(key)
        if entry is None:
            return None
        if now >= entry.until and not entry.age(now):
            self._drop(key)
            return None
        if len(entry.tails) < entry.keep.variants:
            return None
        if key in self._young:
            self._promote(key, entry)
        entry.hits += 1
        return entry.tails[entry.hits % len(entry.tails)]

    def add(self, key: bytes, tail: bytes, keep: Keep) -> None:
        """Keep a reply that the chain just gave, or one more variant of it."""
        entry = self._young.get(key)
        if entry is not None and entry.goes_with(keep):
            if len(entry.tails) < keep.variants:
                entry.tails.append(tail)
                entry.until = min(entry.until, keep.until)
                entry.size += len(tail)
                self._young_size += len(tail)
            return
        self._drop(key)
        entry = self._young[key] = Entry(key, tail, keep)
        self._young_size += entry.size
        for name in keep.names:
            self._by_name.setdefault(name, set()).add(key)
        if self._young_size > self._young_budget:
            self._empty_young()

    def forget(self, names: Iterable[Name]) -> None:
        """Drop every answer that was made from one of these index keys."""
        self.changes += 1
        for name in names:
            for key in self._by_name.pop(name, ()):
                self._drop(key)

    def settle(self) -> None:
        """Tally all hits so far: called before the metrics are read."""
        for entry in self.hot.values():
            entry.settle()

    def clear(self) -> None:
        """Drop everything (the configuration changed)."""
        self.changes += 1
        for key in [*self.hot, *self._young]:
            self._drop(key)

    def _promote(self, key: bytes, entry: Entry) -> None:
        del self._young[key]
        self._young_size -= entry.size
        entry.swept = entry.hits + 1  # the hit that promotes it does not count: a second one must come
        self.hot[key] = entry
        self._hot_size += entry.size
        if self._hot_size > self._hot_budget:
            self._sweep(spare=key)

    def _sweep(self, spare: bytes) -> None:
        """Make room: the answers without a hit since the last sweep go; if none is, the oldest half goes."""
        idle = [key for key, entry in self.hot.items() if entry.hits == entry.swept and key != spare]
        for key in idle or [key for key in self.hot if key != spare][: len(self.hot) // 2 + 1]:
            self._drop(key)
        for entry in self.hot.values():
            entry.swept = entry.hits

    def _empty_young(self) -> None:
        for key in [*self._young]:
            self._drop(key)

    def _drop(self, key: bytes) -> None:
        entry = self.hot.pop(key, None)
        if entry is not None:
            self._hot_size -= entry.size
        else:
            entry = self._young.pop(key, None)
            if entry is None:
                return
            self._young_size -= entry.size
        entry.settle()
        for name in entry.keep.names:
            keys = self._by_name.get(name)
            if keys is not None:
                keys.discard(key)
                if not keys:
                    del self._by_name[name]
