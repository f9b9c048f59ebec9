"""What the refusals of the allocator are to Docker: the words of its built-in IPAM, as far as it has any.

Strategy: a table from the class of the error. What built-in IPAM does not know is told in our own words.
"""

from collections.abc import Mapping

from ipamd.errors import (
    Conflict,
    Cools,
    DockerError,
    Exhausted,
    IpamError,
    OutsidePool,
    PoolOverlap,
    Reserved,
    Taken,
    Withheld,
)

EXHAUSTED = "no available addresses on this pool"
IN_USE = "Address already in use"
OUT_OF_RANGE = "requested address is out of range"
OVERLAP = "Pool overlaps with other one on this address space"
NO_POOL_LEFT = "all predefined address pools have been fully subnetted"
BAD_POOL = "invalid pool request"
UNKNOWN_POOL = "address pool not found"
BAD_SPACE = "invalid address space"

TEXTS: Mapping[type[IpamError], str] = {
    Exhausted: EXHAUSTED,
    Taken: IN_USE,
    Reserved: IN_USE,
    Withheld: IN_USE,
    Conflict: IN_USE,
    OutsidePool: OUT_OF_RANGE,
    PoolOverlap: OVERLAP,
}


def refusal(error: IpamError) -> DockerError:
    """The error as dockerd is told it."""
    if isinstance(error, Cools):
        return DockerError(f"{EXHAUSTED}: {error.detail}")
    text = next((text for kind, text in TEXTS.items() if isinstance(error, kind)), None)
    return DockerError(text or error.detail)
