"""Times to live: the least one of a reply, and one for all of its records.

CoreDNS gives every record of a cached reply the same TTL, the least of them within bounds, already when it passes the
reply on for the first time, so that a client sees it count down and never jump.
"""

from collections.abc import Iterable

from kdns.wire import records
from kdns.wire.records import RR


def least(rrs: Iterable[RR], most: int) -> int:
    """The least TTL of the records in seconds, or `most` if none is below it."""
    return min((most, *map(records.ttl, rrs)))


def each(rrs: Iterable[RR], seconds: int) -> tuple[RR, ...]:
    """The records with the TTL `seconds` (0 to 2**32-1)."""
    return tuple([records.with_ttl(rr, seconds) for rr in rrs])


def clamp(seconds: int, low: int, high: int) -> int:
    """`seconds` raised to `low`, then lowered to `high`: where the bounds cross, `high` counts."""
    return min(max(seconds, low), high)
