"""What the rules of a kind work with: an open transaction, the allocator, and the moment.

Everything that is done with a Work happens in one transaction, without a pause: it is all kept, or nothing of it.
"""

from typing import NamedTuple

from ipamd.errors import (
    Conflict,
    Cools,
    Drained,
    Exhausted,
    IpamError,
    NotAdmitted,
    OutsidePool,
    QuotaExceeded,
    Reserved,
    StatusError,
    Taken,
    UnknownPool,
    Withheld,
)
from ipamd.kube.cluster_ips import ClusterIPs
from ipamd.kube.kinds import Kind
from ipamd.kube.metadata import Moment
from ipamd.kube.node_cidrs import NodeCidrs
from ipamd.kube.shapes import Meta
from ipamd.kube.status import Cause, invalid
from ipamd.leases import Leases
from ipamd.model import Family, Owner, Purpose, Wish
from ipamd.pools import Pools
from ipamd.stores import Tx

FAMILY_NUMBERS: dict[str, Family] = {"IPv4": 4, "IPv6": 6}


# Why a pool gives nothing to one owner, or at one moment: told as it is, for the API server has no words for it.
UNWILLING = (Conflict, Cools, Drained, NotAdmitted, QuotaExceeded, Reserved)


class Work(NamedTuple):
    """One transaction on objects. What is remembered of ClusterIPs and podCIDRs is the daemon's, and outlives it."""

    tx: Tx
    pools: Pools
    leases: Leases
    moment: Moment
    cluster_ips: ClusterIPs
    node_cidrs: NodeCidrs

    def families(self, purpose: Purpose) -> tuple[Family, ...]:
        """The families that can be leased for that purpose, IPv4 first."""
        return tuple(
            family for family in FAMILY_NUMBERS.values() if self.has_pool(Wish(purpose=purpose, family=family))
        )

    def has_pool(self, wish: Wish) -> bool:
        """Whether any pool may serve the wish."""
        try:
            return bool(self.pools.matching(wish))
        except UnknownPool:
            return False


def owner_of(kind: Kind, meta: Meta) -> Owner:
    """The object as the owner of leases."""
    return Owner(kind.name, meta.name, meta.namespace, meta.uid)


def lease_for(work: Work, kind: Kind, meta: Meta, wish: Wish, field: str) -> str:
    """Lease what an object wishes for, and return the address or block. Raises StatusError 422 about `field`."""
    try:
        lease, _ = work.leases.allocate(work.tx, owner_of(kind, meta), wish)
    except (OutsidePool, Withheld, UnknownPool, Taken, Exhausted, *UNWILLING) as error:
        raise refusal(kind, meta.name, wish, field, error) from error
    return str(lease)


def refusal(kind: Kind, name: str, wish: Wish, field: str, error: IpamError) -> StatusError:
    """What is told when a wish cannot be met, in the words of the API server."""
    match error:
        case Taken():
            why = "provided IP is already allocated"
        case Exhausted():
            why = "range is full"
        case OutsidePool() | Withheld() | UnknownPool():
            why = f"the provided IP ({wish.address}) is not in the valid range: {error.detail}"
        case _:
            why = error.detail
    if wish.address is None:
        message = f"failed to allocate an address of family IPv{wish.family}: {why}"
    else:
        message = f'Invalid value: "{wish.address}": failed to allocate IP {wish.address}: {why}'
    return invalid(kind, name, [Cause(field, "FieldValueInvalid", message)])


def release_addresses(work: Work, kind: Kind, meta: Meta, addresses: set[str]) -> None:
    """Give back those leases of an object that are for one of `addresses` (or blocks)."""
    for lease in work.tx.leases_of(owner_of(kind, meta)):
        if str(lease) in addresses:
            work.leases.release(work.tx, lease)


def release_all(work: Work, kind: Kind, meta: Meta) -> None:
    """Give back every lease of an object that is gone."""
    work.leases.release_all(work.tx, owner_of(kind, meta))


def refuse(kind: Kind, meta: Meta, causes: list[Cause]) -> None:
    """Raise the StatusError that tells `causes`, if there are any."""
    if causes:
        raise invalid(kind, meta.name, causes)
