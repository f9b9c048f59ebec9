"""The sets that know which addresses of one CIDR are free.

Strategy: an IPv4 CIDR keeps a Roaring bitmap of its FREE offsets, so that the next free one is a single
`next_set_bit`. An IPv6 CIDR is too large for that: it keeps bitmaps of what is USED, one for every size of block that
was ever taken (a single address is a block of one), and finds the first gap by bisection on the rank. Both sets have
the same methods; offsets count from the base of the CIDR, and a block is `2**bits` addresses, aligned to its size.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice, takewhile
from operator import gt
from typing import Protocol

from pyroaring import BitMap, BitMap64

from ipamd.ranges import Cidr

WORD = 64  # bits of a number that BitMap64 holds
LOW = (1 << WORD) - 1


class FreeSet(Protocol):
    """Which addresses of one CIDR are free, by offset from its base."""

    @property
    def capacity(self) -> int:
        """How many addresses it could ever give: the CIDR without what is withheld."""

    @property
    def count(self) -> int:
        """How many addresses are free, counted."""

    def is_free(self, first: int, bits: int) -> bool:
        """Whether every address of the block that begins at `first` is free."""

    def is_withheld(self, first: int, bits: int) -> bool:
        """Whether any address of the block is never given."""

    def next_free(self, start: int, end: int, bits: int) -> int | None:
        """The first offset of a free, aligned block in `start <= offset`, `offset + 2**bits <= end`, or None."""

    def free_singles(self, start: int, end: int, count: int) -> list[int]:
        """The first free offsets in `start <= offset < end`, at most `count`."""

    def take(self, first: int, bits: int) -> None:
        """Make the block used; it was free."""

    def give(self, first: int, bits: int) -> None:
        """Make the block free again; it was taken, as this very block."""

    def take_singles(self, offsets: Iterable[int]) -> None:
        """Make many single addresses used at once."""


Spans = list[tuple[int, int]]
"""Offsets (first, last), both inclusive."""


def merge(spans: Spans) -> Spans:
    """The same offsets as few, sorted spans that neither overlap nor touch."""
    merged: Spans = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def gaps(first: int, last: int, merged: Spans) -> Iterator[tuple[int, int]]:
    """The stretches from `first` to `last`, both inclusive, that are in none of the merged spans."""
    for begin, end in merged:
        if begin > last:
            break
        if begin > first:
            yield first, begin - 1
        first = max(first, end + 1)
    if first <= last:
        yield first, last


class Withheld:
    """The offsets that are never given: network, broadcast, gateway, exclusions. Immutable, normalised spans."""

    def __init__(self, spans: Spans) -> None:
        self.spans = merge(spans)
        self._lasts = [last for _, last in self.spans]

    @property
    def count(self) -> int:
        """How many offsets it holds."""
        return sum(last - first + 1 for first, last in self.spans)

    def meets(self, first: int, bits: int) -> int | None:
        """The last offset of the first span that meets the block at `first`, or None if none does."""
        index = bisect_left(self._lasts, first)
        if index < len(self.spans) and self.spans[index][0] < first + (1 << bits):
            return self._lasts[index]
        return None


def aligned(offset: int, bits: int) -> int:
    """The first multiple of `2**bits` that is not below `offset`."""
    return -(-offset >> bits) << bits


class FreeSet4:
    """The free addresses of an IPv4 CIDR."""

    def __init__(self, cidr: Cidr, withheld: Spans) -> None:
        self._withheld = Withheld(withheld)
        self._free = BitMap()
        self._free.add_range(0, cidr.size)
        for first, last in self._withheld.spans:
            self._free.remove_range(first, last + 1)
        self.capacity = len(self._free)

    @property
    def count(self) -> int:
        """How many addresses are free."""
        return len(self._free)

    def is_free(self, first: int, bits: int) -> bool:
        """Whether every address of the block is free."""
        return self._free.contains_range(first, first + (1 << bits))

    def is_withheld(self, first: int, bits: int) -> bool:
        """Whether any address of the block is never given."""
        return self._withheld.meets(first, bits) is not None

    def next_free(self, start: int, end: int, bits: int) -> int | None:
        """The first free block: hop from free address to free address, past whole runs of used ones."""
        size = 1 << bits
        at = aligned(start, bits)
        while at + size <= end:
            if self.is_free(at, bits):
                return at
            try:
                found = self._free.next_set_bit(at)
            except ValueError:  # pyroaring's word for: there is none
                return None
            at = max(aligned(found, bits), at + size) if bits else found
        return None

    def free_singles(self, start: int, end: int, count: int) -> list[int]:
        """The first free offsets."""
        upwards = takewhile(partial(gt, end), self._free.iter_equal_or_larger(start))
        return [*islice(upwards, count)]

    def take(self, first: int, bits: int) -> None:
        """Make the block used."""
        self._free.remove_range(first, first + (1 << bits))

    def give(self, first: int, bits: int) -> None:
        """Make the block free again."""
        self._free.add_range(first, first + (1 << bits))

    def take_singles(self, offsets: Iterable[int]) -> None:
        """Make many single addresses used at once."""
        self._free -= BitMap(offsets)


class WideSet:
    """A set of non-negative numbers of any size: a BitMap64 for every value of the bits above the lowest 64."""

    def __init__(self) -> None:
        self._maps: dict[int, BitMap64] = {}

    def __contains__(self, number: int) -> bool:
        found = self._maps.get(number >> WORD)
        return found is not None and number & LOW in found

    @property
    def count(self) -> int:
        """How many numbers are in it."""
        return sum(map(len, self._maps.values()))

    def add(self, number: int) -> None:
        """Add one number."""
        self._maps.setdefault(number >> WORD, BitMap64()).add(number & LOW)

    def discard(self, number: int) -> None:
        """Take one number out; one that is not there is left alone."""
        if found := self._maps.get(number >> WORD):
            found.discard(number & LOW)

    def update(self, numbers: Iterable[int]) -> None:
        """Add many numbers."""
        by_word: dict[int, list[int]] = {}
        for number in numbers:
            by_word.setdefault(number >> WORD, []).append(number & LOW)
        for word, low in by_word.items():
            self._maps.setdefault(word, BitMap64()).update(low)

    def first_gap(self, start: int) -> int:
        """The smallest number, not below `start`, that is not in the set."""
        word, low = start >> WORD, start & LOW
        found = self._maps.get(word)
        if found is None or low not in found:
            return start
        # From `low` the members run low, low+1, ... for a while: bisect for where the rank falls behind.
        rank = found.rank(low) - 1
        run, beyond = 0, len(found) - rank
        while beyond - run > 1:
            middle = (run + beyond) // 2
            if found[rank + middle] == low + middle:
                run = middle
            else:
                beyond = middle
        return (word << WORD) + low + run + 1

    def has_between(self, first: int, last: int) -> bool:
        """Whether any number from `first` to `last`, both inclusive, is in the set."""
        for word, members in self._maps.items():
            low, high = max(first - (word << WORD), 0), min(last - (word << WORD), LOW)
            if low <= high and members.rank(high) > (members.rank(low - 1) if low else 0):
                return True
        return False


class FreeSet6:
    """The free addresses of an IPv6 CIDR, which may have more of them than can be counted one by one."""

    def __init__(self, cidr: Cidr, withheld: Spans) -> None:
        self._withheld = Withheld(withheld)
        self._used: dict[int, WideSet] = {}  # by bits: the numbers (offset >> bits) of the blocks taken
        self.capacity = cidr.size - self._withheld.count

    @property
    def count(self) -> int:
        """How many addresses are free."""
        return self.capacity - sum(used.count << bits for bits, used in self._used.items())

    def is_free(self, first: int, bits: int) -> bool:
        """Whether every address of the block is free."""
        return self._hop(first >> bits, bits) == first >> bits

    def is_withheld(self, first: int, bits: int) -> bool:
        """Whether any address of the block is never given."""
        return self._withheld.meets(first, bits) is not None

    def next_free(self, start: int, end: int, bits: int) -> int | None:
        """The first free block: hop past whatever stands in the way until nothing does."""
        number = aligned(start, bits) >> bits
        while (number + 1) << bits <= end:
            beyond = self._hop(number, bits)
            if beyond == number:
                return number << bits
            number = beyond
        return None

    def free_singles(self, start: int, end: int, count: int) -> list[int]:
        """The first free offsets, one after the other."""
        found: list[int] = []
        while len(found) < count and (offset := self.next_free(start, end, 0)) is not None:
            found.append(offset)
            start = offset + 1
        return found

    def take(self, first: int, bits: int) -> None:
        """Make the block used."""
        self._used.setdefault(bits, WideSet()).add(first >> bits)

    def give(self, first: int, bits: int) -> None:
        """Make the block free again."""
        self._used[bits].discard(first >> bits)

    def take_singles(self, offsets: Iterable[int]) -> None:
        """Make many single addresses used at once."""
        self._used.setdefault(0, WideSet()).update(offsets)

    def _hop(self, number: int, bits: int) -> int:
        """The next block worth a look after `number` (of blocks of `2**bits`), or `number` itself if it is free."""
        last = self._withheld.meets(number << bits, bits)
        if last is not None:
            return (last >> bits) + 1
        for size, used in self._used.items():
            if size >= bits:  # a block as large or larger: is this one within it, or within the run after it?
                shift = size - bits
                beyond = used.first_gap(number >> shift) << shift
                if beyond > number:
                    return beyond
            elif used.has_between(number << (bits - size), ((number + 1) << (bits - size)) - 1):
                return number + 1
        return number


def free_set(cidr: Cidr, withheld: Spans) -> FreeSet:
    """The set for a CIDR, all free but for the withheld offsets."""
    return FreeSet4(cidr, withheld) if cidr.family == 4 else FreeSet6(cidr, withheld)
