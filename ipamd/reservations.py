"""Addresses of a pool that only one owner gets, or nobody who does not ask for them by name.

Strategy: what is reserved is withheld from everybody in the pool's free set, and every owner has a free set of its own
for what is reserved for it. Whose an address is, is found by bisection. What is never handed out stays so.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import NamedTuple

from ipamd.freesets import FreeSet, Spans, free_set, gaps, merge
from ipamd.model import Owner, Reservation
from ipamd.ranges import Cidr, read_span

Key = tuple[str, str, str]  # kind, namespace and name of an owner

ANYBODY: Key = ("", "", "")  # who is meant by a reservation for nobody: whoever asks for it


class Part(NamedTuple):
    """Offsets from `first` to `last`, both inclusive, that are reserved for one owner."""

    first: int
    last: int
    key: Key


class Reserved:
    """What is reserved in one CIDR of a pool; offsets count from the CIDR's base."""

    def __init__(self, cidr: Cidr, kept: Sequence[Part]) -> None:
        """What is kept of a CIDR, in order of the offsets."""
        self.parts = kept
        self.size = sum(part.last - part.first + 1 for part in kept)
        by_key: dict[Key, Spans] = {}
        for first, last, key in self.parts:
            by_key.setdefault(key, []).append((first, last))
        self._sets: dict[Key, FreeSet] = {
            key: free_set(cidr, [*gaps(0, cidr.size - 1, merge(spans))]) for key, spans in by_key.items()
        }

    def holder(self, offset: int, bits: int) -> Key | None:
        """For whom the whole block is reserved, or None."""
        at = bisect_left(self.parts, offset, key=attrgetter("last"))
        if at == len(self.parts) or self.parts[at].first > offset:
            return None
        key = self.parts[at].key
        return None if self._sets[key].is_withheld(offset, bits) else key

    def set_of(self, offset: int, bits: int) -> FreeSet | None:
        """The set of what is free for whom the block is reserved, or None."""
        key = self.holder(offset, bits)
        return None if key is None else self._sets[key]

    def next_free(self, owner: Owner, start: int, end: int, bits: int) -> int | None:
        """The first free block from `start` up to, but not including, `end` that is for this very owner, or None."""
        own = self._sets.get((owner.kind, owner.namespace, owner.name))
        return None if own is None else own.next_free(start, end, bits)


def parts(reservation: Reservation, cidr: Cidr, never: Spans) -> Iterable[Part]:
    """What a reservation reserves in a CIDR: not what is never handed out (merged spans)."""
    span = read_span(reservation.addresses)
    if span.family != cidr.family or span.first < cidr.base or cidr.last < span.last:
        return
    key = (reservation.kind, reservation.namespace, reservation.name) if reservation.kind else ANYBODY
    for first, last in gaps(span.first - cidr.base, span.last - cidr.base, never):
        yield Part(first, last, key)
