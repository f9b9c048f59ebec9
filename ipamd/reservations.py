"""Addresses of a pool that only one owner gets, or nobody who does not ask for them by name.

Strategy: what is reserved is withheld from everybody in the pool's free set. A `Reserved` keeps one reservation's
blocks that are leased; there are few, so it looks at all of them.
"""

from collections.abc import Iterator, Sequence

from ipamd.freesets import aligned
from ipamd.model import Owner, Reservation
from ipamd.ranges import Cidr, read_span

Key = tuple[str, str, str]  # kind, namespace and name of an owner


class Reserved:
    """One reservation within one CIDR of a pool; offsets count from the CIDR's base."""

    def __init__(self, reservation: Reservation, first: int, last: int) -> None:
        self.reservation = reservation
        self.first = first
        self.last = last
        self._taken: list[tuple[int, int]] = []

    @property
    def size(self) -> int:
        """How many addresses are reserved."""
        return self.last - self.first + 1

    def holds(self, offset: int, bits: int) -> bool:
        """Whether the whole block is reserved here."""
        return self.first <= offset and offset + (1 << bits) - 1 <= self.last

    def is_for(self, owner: Owner | None) -> bool:
        """Whether an owner may have what is reserved: the one that is named, or whoever asks if nobody is."""
        meant = self.reservation
        if not meant.kind:
            return True
        return owner is not None and (owner.kind, owner.namespace, owner.name) == (
            meant.kind,
            meant.namespace,
            meant.name,
        )

    def is_free(self, offset: int, bits: int) -> bool:
        """Whether nothing of the block is leased."""
        end = offset + (1 << bits)
        return not any(offset < taken + (1 << size) and taken < end for taken, size in self._taken)

    def next_free(self, bits: int) -> int | None:
        """The first free block, or None."""
        offset = aligned(self.first, bits)
        while self.holds(offset, bits):
            if self.is_free(offset, bits):
                return offset
            offset += 1 << bits
        return None

    def take(self, offset: int, bits: int) -> None:
        """Make the block leased."""
        self._taken.append((offset, bits))

    def give(self, offset: int, bits: int) -> None:
        """Make the block free again."""
        self._taken.remove((offset, bits))


def within(reservations: Sequence[Reservation], cidr: Cidr) -> Iterator[Reserved]:
    """The reservations that lie in a CIDR."""
    for each in reservations:
        family, first, last = read_span(each.addresses)
        if family == cidr.family and cidr.base <= first and last <= cidr.last:
            yield Reserved(each, first - cidr.base, last - cidr.base)
