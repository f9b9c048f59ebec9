"""Where in the CIDRs of a pool a search looks, and in which order.

Strategy: a band is a list of stretches, one after the other. A search begins somewhere in it, goes up to the end and
comes round to where it began; only then the next band is searched.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ipamd.ranges import Cidr


class Search(NamedTuple):
    """Look in the CIDR of that number, from offset `start` up to, but not including, `end`."""

    cidr: int
    start: int
    end: int


Bands = tuple[Sequence[Search], Sequence[Search]]
"""What is searched first, and what only then."""


def static_band(cidr: Cidr) -> int:
    """How many addresses at the bottom of a service CIDR are left to static use while there are others (KEP-3070).

    min(max(16, size / 16), 256), and none where the CIDR has no more than 16 addresses.
    """
    return 0 if cidr.size <= 16 else min(max(16, cidr.size // 16), 256)


def one_band(stretches: Sequence[tuple[int, int]]) -> Bands:
    """All at once: of each CIDR the offsets from the first to the last of its stretch."""
    return searches((first, last + 1) for first, last in stretches), ()


def upper_and_static(cidrs: Sequence[Cidr], stretches: Sequence[tuple[int, int]]) -> Bands:
    """Of every CIDR's stretch the part above its static band, and then that band."""
    starts = [max(static_band(cidr), first) for cidr, (first, _) in zip(cidrs, stretches, strict=True)]
    upper = searches((start, last + 1) for start, (_, last) in zip(starts, stretches, strict=True))
    return upper, searches((first, start) for start, (first, _) in zip(starts, stretches, strict=True))


def searches(stretches: Iterable[tuple[int, int]]) -> list[Search]:
    """A stretch from each CIDR, from an offset up to, but not including, another; what is empty is left out."""
    return [Search(index, start, end) for index, (start, end) in enumerate(stretches) if start < end]


def rotated(band: Sequence[Search], beginning: tuple[int, int]) -> Iterator[Search]:
    """The searches of the band in turn, from the beginning on and round to it again."""
    position, offset = beginning
    for turn in range(len(band)):
        search = band[(position + turn) % len(band)]
        yield search._replace(start=max(search.start, offset)) if turn == 0 else search
    if band and offset > band[position].start:
        # A block may straddle the beginning, so the last stretch is the whole piece again.
        yield band[position]
