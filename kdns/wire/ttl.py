"""Times to live: the least one of a reply, and one for all of its records.

CoreDNS gives every record of a cached reply the same TTL, the least of them within bounds, already when it passes the
reply on for the first time, so that a client sees it count down and never jump. `aged` does the same to a whole message
that was sent before, where its records stand.
"""

from collections.abc import Iterable
from struct import Struct

from kdns.wire import codes, records
from kdns.wire.names import Name
from kdns.wire.records import RR

_COUNTS = Struct("!HHHH")
_FIXED = Struct("!HHIH")  # type, class, ttl, rdlength
_TTL = Struct("!I")

Parted = tuple[bytes, bytes, bytes]


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


def parted(rrs: Iterable[RR], likely: Name) -> list[Parted]:
    """Each record's octets before its TTL, of it, and behind it: for `least_of` and `each_of`.

    `likely` is a name that many of them may have.
    """
    found = []
    for rr in rrs:
        if not rr.startswith(likely):
            at = 0
            while length := rr[at]:
                at += 1 + length
            likely = rr[: at + 1]
        place = len(likely) + 4
        found.append((rr[:place], rr[place : place + 4], rr[place + 4 :]))
    return found


def least_of(parts: Iterable[Parted], most: int) -> int:
    """`least` of records that are `parted`."""
    found = [packed for _, packed, _ in parts]  # octets compare as the numbers do
    return min(int.from_bytes(min(found), "big"), most) if found else most


def each_of(parts: Iterable[Parted], seconds: int) -> tuple[RR, ...]:
    """The records that are `parted`, with the TTL `seconds` (0 to 2**32-1)."""
    packed = _TTL.pack(seconds)
    return tuple([before + packed + behind for before, _, behind in parts])


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
