"""Times to live: the least one of a reply, and one for all of its records.

CoreDNS gives every record of a cached reply the same TTL, the least of them within bounds, already when it passes the
reply on for the first time, so that a client sees it count down and never jump. `aged` does the same to a whole message
that was sent before, where its records stand.
"""

from collections.abc import Callable, Iterable
from struct import Struct

from kdns.wire import codes, names, records
from kdns.wire.records import RR

_COUNTS = Struct("!HHHH")
_FIXED = Struct("!HHIH")  # type, class, ttl, rdlength
_TTL = Struct("!I")


def least(rrs: Iterable[RR], most: int) -> int:
    """The least TTL of the records in seconds, or `most` if none is below it."""
    return min((most, *map(records.ttl, rrs)))


def each_in(octets: bytes, seconds: int) -> tuple[RR, ...]:
    """The records that lie one behind the other, with the TTL `seconds` (0 to 2**32-1)."""
    packed = _TTL.pack(seconds)
    found = []
    at = 0
    while at < len(octets):
        start = at
        while length := octets[at]:
            at += 1 + length
        end = at + 11 + (octets[at + 9] << 8 | octets[at + 10])
        found.append(octets[start : at + 5] + packed + octets[at + 9 : end])
        at = end
    return tuple(found)


def levelled_in_python(rrs: tuple[RR, ...], low: int, high: int) -> tuple[tuple[RR, ...], int]:
    """The records with one TTL, and that in seconds: the least that they have, raised to `low`, then lowered to `high`.

    Without records it is that of `high`, so raised and lowered.
    """
    parts = []
    owner = names.ROOT
    for rr in rrs:
        if not rr.startswith(owner):  # of many records it is the one before's
            owner = records.owner(rr)
        place = len(owner) + 4
        parts.append((rr[:place], rr[place : place + 4], rr[place + 4 :]))
    least = int.from_bytes(min(packed for _, packed, _ in parts), "big") if parts else high  # they compare as numbers
    seconds = clamp(least, low, high)
    packed = _TTL.pack(seconds)
    return tuple([before + packed + behind for before, _, behind in parts]), seconds


def aged(message: bytes, before: int, seconds: int) -> bytes | None:
    """A message of ours without its ID, all TTLs `before` replaced by `seconds`; None if a record has another one.

    OPT has no TTL (RFC 6891 section 6.1.3).
    """
    questions, *counts = _COUNTS.unpack_from(message, 2)
    found = bytearray(message)
    at = 10
    for _ in range(questions):
        at = _behind_name(message, at) + 4
    for _ in range(sum(counts)):
        at = _behind_name(message, at)
        rtype, _, ttl, length = _FIXED.unpack_from(message, at)
        if rtype != codes.OPT:
            if ttl != before:
                return None
            _TTL.pack_into(found, at + 4, seconds)
        at += 10 + length
    return bytes(found)


def _behind_name(message: bytes, at: int) -> int:
    """The offset behind a name, compressed or not."""
    while length := message[at]:
        if length >= 0xC0:
            return at + 2
        at += 1 + length
    return at + 1


def clamp(seconds: int, low: int, high: int) -> int:
    """`seconds` raised to `low`, then lowered to `high`: where the bounds cross, `high` counts."""
    return min(max(seconds, low), high)


levelled: Callable[[tuple[RR, ...], int, int], tuple[tuple[RR, ...], int]]
levelled = levelled_in_python if records.SECTIONS is None else records.SECTIONS.levelled
