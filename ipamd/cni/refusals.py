"""What the refusals of the allocator are to a container runtime: a code of CNI and the same words.

Strategy: a table from the class of the error. Whatever a later try may find otherwise, for a reason that is ipamd's
own, is 11 (try again later); a pool that cannot serve has a code of its own.
"""

from collections.abc import Mapping

from ipamd.cni.codes import Code
from ipamd.cni.plan import RangeSet
from ipamd.errors import (
    CniError,
    Conflict,
    Cools,
    Drained,
    Exhausted,
    Invalid,
    IpamError,
    NotAdmitted,
    OutsidePool,
    PoolInUse,
    PoolOverlap,
    QuotaExceeded,
    Reserved,
    StoreFull,
    StoreUnavailable,
    Taken,
    UnknownPool,
    Withheld,
)

CODES: Mapping[type[IpamError], Code] = {
    Invalid: Code.INVALID_CONFIG,
    OutsidePool: Code.INVALID_CONFIG,
    Withheld: Code.INVALID_CONFIG,
    PoolOverlap: Code.INVALID_CONFIG,
    PoolInUse: Code.INVALID_CONFIG,
    Taken: Code.TAKEN,
    Reserved: Code.TAKEN,
    Exhausted: Code.EXHAUSTED,
    Cools: Code.COOLING,
    QuotaExceeded: Code.QUOTA,
    UnknownPool: Code.NO_POOL,
    Drained: Code.NO_POOL,
    NotAdmitted: Code.NO_POOL,
    Conflict: Code.TRY_AGAIN_LATER,
    StoreFull: Code.TRY_AGAIN_LATER,
    StoreUnavailable: Code.TRY_AGAIN_LATER,
}


def refusal(error: IpamError) -> CniError:
    """The error as the runtime is told it."""
    code = next((code for kind, code in CODES.items() if isinstance(error, kind)), Code.INTERNAL)
    return CniError(code, error.detail, error.title)


def refusal_of_set(error: IpamError, number: int, ranges: RangeSet, asked: str | None) -> CniError:
    """The refusal of an address of a range set, in host-local's words; the details are ours."""
    told = refusal(error)
    said: dict[int, str] = {
        Code.TAKEN: f"requested IP address {asked} is not available in range set {ranges}",
        Code.EXHAUSTED: f"no IP addresses available in range set: {ranges}",
    }
    return CniError(
        told.code, f"failed to allocate for range {number}: {said.get(told.code, told.message)}", error.detail
    )
