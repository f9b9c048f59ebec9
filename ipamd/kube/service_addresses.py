"""The ClusterIPs of a Service: claimed in the transaction that makes or changes it, each with its IPAddress object.

The ranges of all ServiceCIDRs that are ready are tried in turn: of each the dynamic band, then the static one. Source:
Kubernetes' pkg/registry/core/service/ipallocator and pkg/registry/core/service/storage/alloc.go, with their messages.
"""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from ipamd.errors import Exhausted, IpamError, OutsidePool, StatusError, Taken, UnknownPool, Withheld
from ipamd.kube.cluster_ips import DYNAMIC, STATIC
from ipamd.kube.ip_addresses import ALLOCATED, managed
from ipamd.kube.kinds import IP_ADDRESS, SERVICE
from ipamd.kube.service_cidrs import ready_ranges
from ipamd.kube.service_ranges import ServiceRange, Window
from ipamd.kube.shapes import Meta
from ipamd.kube.status import internal_error, invalid, wrong_value
from ipamd.kube.work import FAMILY_NUMBERS, UNWILLING, Work, owner_of
from ipamd.model import Lease, Owner, Wish
from ipamd.ranges import read_address

MISMATCH = "the provided network does not match the current range"


class Claim(NamedTuple):
    """What is wanted: for which Service, of which family, and the addresses that it lists, for messages."""

    meta: Meta
    family: str
    listed: tuple[str, ...]


def take(work: Work, claim: Claim, asked: str) -> str:
    """Give the Service the address that is asked for, or the next free one, and return it.

    Raises StatusError 422 for an address that cannot be had, 500 when none is free.
    """
    lease = take_asked(work, claim, asked) if asked else take_next(work, claim)
    namespace, name = claim.meta.namespace, claim.meta.name
    work.tx.put(IP_ADDRESS.name, "", lease.address, managed(lease.address, namespace, name, work.tx.now))
    return lease.address


def give_back(work: Work, meta: Meta, addresses: set[str]) -> None:
    """Take addresses from a Service."""
    for lease in work.tx.leases_of(owner_of(SERVICE, meta)):
        if lease.address in addresses:
            work.leases.release(work.tx, lease)
            work.tx.delete(IP_ADDRESS.name, "", lease.address)


def take_asked(work: Work, claim: Claim, asked: str) -> Lease:
    """Lease the address that is asked for."""
    address = read_address(asked)
    ranges = [each for each in ready_ranges(work.tx) if each.contains(address)]
    if not ranges:
        raise refused(claim, asked, MISMATCH)
    found = next((each for each in ranges if each.has(address)), ranges[0])
    begun = work.cluster_ips.clock()
    try:
        if not found.has(address):
            raise OutsidePool(f"{address} is an end of {found.cidr}")
        if work.tx.get(IP_ADDRESS.name, "", str(address)) is not None:
            raise Taken(ALLOCATED)
        wish = Wish(purpose="services", family=FAMILY_NUMBERS[claim.family], address=str(address))
        lease, _ = work.leases.allocate(work.tx, owner_of(SERVICE, claim.meta), wish)
    except IpamError as error:
        work.cluster_ips.failed(str(found.cidr), STATIC)
        raise refused(claim, asked, reason(error, asked, found)) from error
    work.cluster_ips.allocated(work.tx, str(found.cidr), STATIC, begun)
    return lease


def reason(error: IpamError, asked: str, found: ServiceRange) -> str:
    """Why an address cannot be had, in the words of the API server."""
    match error:
        case Taken():
            return ALLOCATED
        case OutsidePool() | Withheld() | UnknownPool():
            valid = f"The range of valid IPs is {found.cidr}"
            return f"the provided IP ({asked}) is not in the valid range. {valid}"
    return error.detail


def refused(claim: Claim, asked: str, why: str) -> StatusError:
    """The refusal of an address that was asked for."""
    cause = wrong_value("spec.clusterIPs", claim.listed, f"failed to allocate IP {asked}: {why}")
    return invalid(SERVICE, claim.meta.name, [cause])


def take_next(work: Work, claim: Claim) -> Lease:
    """Lease the next free address."""
    begun = work.cluster_ips.clock()
    why = "range is full"
    for found, window in searches(work, claim.family):
        try:
            lease = take_within(work, owner_of(SERVICE, claim.meta), claim.family, window)
        except (Exhausted, UnknownPool, *UNWILLING) as refusal:
            why = refusal.detail if isinstance(refusal, UNWILLING) else why
            if window == found.static:
                work.cluster_ips.failed(str(found.cidr), DYNAMIC)
            continue
        work.cluster_ips.allocated(work.tx, str(found.cidr), DYNAMIC, begun)
        return lease
    raise internal_error(f"failed to allocate a serviceIP: {why}")


def searches(work: Work, family: str) -> Iterator[tuple[ServiceRange, Window]]:
    """Where to look, one after the other."""
    for found in ready_ranges(work.tx):
        if found.family == family:
            yield found, found.dynamic
            yield found, found.static


def take_within(work: Work, owner: Owner, family: str, window: Window) -> Lease:
    """Leases a free address in the window. Raises Exhausted, UnknownPool.

    An IPAddress object that was made before there was a pool for its address gets its lease now; the search goes on.
    """
    first, last = window
    if last < first:
        raise Exhausted("there are no addresses between these ends")
    while True:
        wish = Wish(purpose="services", family=FAMILY_NUMBERS[family], within=((first, last),))
        lease, _ = work.leases.allocate(work.tx, owner, wish)
        stored = work.tx.get(IP_ADDRESS.name, "", lease.address)
        if stored is None:
            return lease
        work.tx.put_lease(replace(lease, owner=Owner(IP_ADDRESS.name, lease.address)))
