"""Replies kept for a while: one of them counted down, and a bounded store of them.

Time is an argument, in monotonic seconds. A store that is full drops an element by chance, as CoreDNS's does: there
is no order that a flood of names could exploit, and every step costs the same.
"""

from collections.abc import Callable
from math import ceil
from struct import Struct

from kdns.chain import Reply
from kdns.wire import codes, ttl
from kdns.wire.edns import DO
from kdns.wire.names import Name
from kdns.wire.question import Question

SHARDS = 256  # CoreDNS spreads its capacity over so many maps, of at least LEAST elements each
LEAST = 4


# All that an answer may depend on: the name folded, then type, class, DO and CD in 6 octets. All of it is compared.
Key = bytes
_BEHIND_NAME = Struct("!HHH")


def key_of(question: Question) -> Key:
    """The key of a question."""
    _, flags, _, name, qtype, qclass, edns, *_ = question
    bits = flags & codes.CD | (edns.flags & DO if edns is not None else 0)
    return name + _BEHIND_NAME.pack(qtype, qclass, bits)


def name_of(key: Key) -> Name:
    """The name in a key."""
    return key[: -_BEHIND_NAME.size]


class Entry:
    """A kept reply. `lifetime` in seconds from `stored`; `hits` counts how often it was asked for without a long gap.

    Its records lie one behind the other in one string of octets: a full cache drops an entry for each that comes, and
    what lies in many places takes long to be dropped.

    At most one refresh of it is under way, and after a failed one none before `retry_at`.
    """

    __slots__ = (
        "answering", "answers", "authorities", "flags", "hits", "known_good", "last", "lifetime", "next", "place",
        "rcode", "records", "refreshing", "retry_at", "stored",
    )  # fmt: skip

    def __init__(self, reply: Reply, stored: float, lifetime: int, answering: bool) -> None:
        self.rcode, answer, authority, additional, self.flags, *_ = reply
        self.answers, self.authorities = len(answer), len(authority)
        self.records = b"".join((*answer, *authority, *additional))
        self.stored = stored
        self.lifetime = lifetime
        self.answering = answering
        self.known_good: Entry | None = None  # an answering entry that this one, which is none, took the place of
        self.next: Callable[[float], tuple[int, float] | None] | None = None  # see chain.Ageing
        self.hits = 0
        self.last = stored
        self.refreshing = False
        self.retry_at = 0.0
        self.place = 0  # of its key in the store's list

    def remaining(self, now: float) -> int:
        """Seconds of its TTL that are left, rounded up; not positive when it is stale."""
        return self.lifetime - int(now - self.stored)

    def changes_at(self, now: float) -> float:
        """The time at which `remaining` next drops."""
        return self.stored + int(now - self.stored) + 1

    def is_within(self, now: float, stale: float) -> bool:
        """Whether it is fresh, or stale by less than `stale` whole seconds."""
        left = self.remaining(now)
        return left > 0 or -left < int(stale)

    def asked(self, now: float, gap: float, times: int = 1) -> None:
        """Count `times` hits; the count begins again after more than `gap` seconds without any."""
        self.hits = times if self.last < now - gap else self.hits + times
        self.last = now

    def is_due(self, now: float, amount: int, percentage: int) -> bool:
        """Whether it is asked for often enough and near enough to its end to be fetched ahead of time."""
        return self.hits >= amount and self.is_ending(now, percentage)

    def is_ending(self, now: float, percentage: int) -> bool:
        """Whether no more than so much of its lifetime is left."""
        return self.remaining(now) <= ceil(percentage / 100 * self.lifetime)

    def begin_refresh(self, now: float) -> bool:
        """Take the one refresh; False if it is taken, or too soon after a failure."""
        if self.refreshing or now < self.retry_at:
            return False
        self.refreshing = True
        return True

    def end_refresh(self, now: float, recheck: float, done: bool) -> None:
        """Give the refresh back; after a failed one the next may begin `recheck` seconds from `now`."""
        self.refreshing = False
        self.retry_at = 0.0 if done else now + recheck

    def to_reply(self, seconds: int, authenticated: bool) -> Reply:
        """The reply with all TTLs at `seconds`; AD only where the client understands it (RFC 6840 section 5.8).

        AA is always set: old stub resolvers throw away whole answers without it.
        """
        flags = codes.AA | self.flags & (codes.RA | (codes.AD if authenticated else 0))
        rrs, rest = ttl.each_in(self.records, seconds), self.answers + self.authorities
        return Reply(self.rcode, rrs[: self.answers], rrs[self.answers : rest], rrs[rest:], flags, by="cache")


class Store:
    """At most `capacity` entries, rounded as CoreDNS rounds it. `choose(n)` gives a number from 0 to n-1 by chance."""

    def __init__(self, capacity: int, choose: Callable[[int], int]) -> None:
        self.capacity = max(capacity // SHARDS, LEAST) * SHARDS
        self._choose = choose
        self.entries: dict[Key, Entry] = {}  # to be looked into; `put` and `remove` change it
        self._keys: list[Key] = []  # every key once, so that one can be chosen in one step

    def __len__(self) -> int:
        return len(self.entries)

    def get(self, key: Key) -> Entry | None:
        """The entry of a key, fresh or stale."""
        return self.entries.get(key)

    def put(self, key: Key, entry: Entry) -> bool:
        """Keep an entry, in the place of an earlier one of its key. True if another had to leave for it."""
        before = self.entries.get(key)
        if before is not None:
            entry.place = before.place
            self.entries[key] = entry
            return False
        self.entries[key] = entry
        if len(self._keys) < self.capacity:
            entry.place = len(self._keys)
            self._keys.append(key)
            return False
        entry.place = place = self._choose(len(self._keys))
        del self.entries[self._keys[place]]
        self._keys[place] = key
        return True

    def remove(self, key: Key) -> None:
        """Forget a key; nothing happens if it is not there."""
        removed = self.entries.pop(key, None)
        if removed is None:
            return
        last = self._keys.pop()
        if removed.place < len(self._keys):
            self._keys[removed.place] = last
            self.entries[last].place = removed.place
