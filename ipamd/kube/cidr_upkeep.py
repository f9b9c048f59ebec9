"""Keeps ServiceCIDRs, the pools underneath and IPAddress objects in step, in the transaction that changes one of them.

A follower of the store. A pool for services that appears gets a ServiceCIDR, and loses it when it goes. A ServiceCIDR
that is being deleted goes as soon as every address of it that is in use is covered by another: that is looked at
when a ServiceCIDR comes or goes and when an IPAddress goes; until then its condition says why it stays. An IPAddress
object that is deleted while its Service has the address comes again.
"""

from collections.abc import Iterable, Iterator
from uuid import NAMESPACE_OID, uuid5

import msgspec
from msgspec.structs import replace

from ipamd.json import Object
from ipamd.kube import pool_ends
from ipamd.kube.cluster_ips import ClusterIPs, is_of_service
from ipamd.kube.document import child, decode
from ipamd.kube.ip_addresses import managed
from ipamd.kube.kinds import IP_ADDRESS, SERVICE, SERVICE_CIDR
from ipamd.kube.metadata import Moment
from ipamd.kube.service_cidrs import (
    DEFAULT,
    FINALIZER,
    MADE,
    SERVICES,
    condition,
    new_service_cidr,
    ranges_of,
    service_cidrs,
    service_pools,
    without,
)
from ipamd.kube.shapes import IPAddress, ServiceCIDR
from ipamd.model import POOL, WIDTH, Owner, Pool
from ipamd.pools import Pools
from ipamd.ranges import Address, Cidr, read_cidr
from ipamd.stores import Change, Tx, View

BLOCKED = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"


class CidrUpkeep:
    """The follower, over the pools and what is known of the ClusterIPs."""

    def __init__(self, pools: Pools, cluster_ips: ClusterIPs) -> None:
        self._pools = pools
        self._cluster_ips = cluster_ips
        self._is_settling = False

    def follow(self, tx: Tx, change: Change) -> None:
        """Do what a change asks for."""
        if change.kind == IP_ADDRESS.name:
            self._cluster_ips.follow(tx, change)
            if change.op == "DELETED" and not restored(tx, change):
                self._settle(tx)
        elif change.kind == SERVICE_CIDR.name:
            if change.op == "DELETED":
                self._retire(tx)
            self._fit_ends(tx)
            self._settle(tx)
        elif change.kind == POOL and SERVICES in change.body + (change.previous or b""):
            keep_in_step(tx)

    def _settle(self, tx: Tx) -> None:
        """End the deletions that can be ended, and say of the others why not."""
        if self._is_settling:
            return
        self._is_settling = True
        try:
            for found in service_cidrs(tx):
                if found.metadata.deletion_timestamp and FINALIZER in found.metadata.finalizers:
                    self._settle_one(tx, found)
        finally:
            self._is_settling = False

    def _settle_one(self, tx: Tx, found: ServiceCIDR) -> None:
        name = found.metadata.name
        stored = tx.get(SERVICE_CIDR.name, "", name)
        assert stored is not None
        document = decode(stored.body)
        rest = [each for each in service_cidrs(tx) if each.metadata.name != name]
        if not self._is_needed(tx, found, rest):
            child(document, "metadata")["finalizers"] = [f for f in found.metadata.finalizers if f != FINALIZER]
            if found.metadata.finalizers == (FINALIZER,):
                tx.delete(SERVICE_CIDR.name, "", name)
                return
        elif any(each.type == "Ready" and each.status == "False" for each in found.status.conditions):
            return
        else:
            time = Moment(tx.now, "").time
            child(document, "status")["conditions"] = [condition("False", "Terminating", BLOCKED, time)]
        tx.put(SERVICE_CIDR.name, "", name, document)

    def _is_needed(self, tx: Tx, found: ServiceCIDR, rest: list[ServiceCIDR]) -> bool:
        """Whether an address of it is in use that no other covers."""
        others = ranges_of(rest)
        for own in ranges_of([found]):
            for value in self._cluster_ips.within(str(own.cidr)):
                address = Address(own.cidr.family, value)
                if own.has(address) and not any(other.has(address) for other in others):
                    return True
        ends = ((pool, end) for pool in service_pools(tx) for end in pool_ends.to_close(pool, others))
        pieces = [(pool, Cidr(*end, WIDTH[end.family])) for pool, end in ends]
        pieces += uncovered(tx, [other.cidr for other in others])
        return any(tx.lease_meeting(pool.name, piece) for pool, piece in pieces)

    def _fit_ends(self, tx: Tx) -> None:
        """Have the pools give the ends that a wider ServiceCIDR has, and no others."""
        ranges = ranges_of(service_cidrs(tx))
        for pool in service_pools(tx):
            wanted = pool_ends.fitted(pool, ranges)
            if wanted != pool:
                self._pools.ensure(tx, wanted)

    def _retire(self, tx: Tx) -> None:
        """Take pools that were made for ServiceCIDRs, or what no ServiceCIDR covers of them, away."""
        covering = [read_cidr(text) for each in service_cidrs(tx) for text in each.spec.cidrs]
        for pool in {pool.name: pool for pool, _ in uncovered(tx, covering)}.values():
            kept = tuple(str(piece) for text in pool.cidrs for piece in intersection(read_cidr(text), covering))
            if kept:
                self._pools.ensure(tx, replace(pool, cidrs=kept))
            else:
                self._pools.delete(tx, pool.name)


def restored(tx: Tx, gone: Change) -> bool:
    """Make the object of a ClusterIP again that is still leased to its Service; whether it was."""
    parent = msgspec.json.decode(gone.body, type=IPAddress).spec.parent_ref
    if parent is None or not is_of_service(gone.body):
        return False
    held = tx.leases_of(Owner(SERVICE.name, parent.name, parent.namespace))
    if not any(lease.address == gone.name for lease in held):
        return False
    tx.put(IP_ADDRESS.name, "", gone.name, managed(gone.name, parent.namespace, parent.name, tx.now))
    return True


def uncovered(view: View, covering: Iterable[Cidr]) -> Iterator[tuple[Pool, Cidr]]:
    """The pools made for ServiceCIDRs, each with what of it is in none of `covering`."""
    for pool in service_pools(view):
        for text in pool.cidrs if pool.name.startswith(MADE) else ():
            yield from ((pool, piece) for piece in without(read_cidr(text), covering))


def intersection(cidr: Cidr, others: Iterable[Cidr]) -> list[Cidr]:
    """What of a CIDR is in some of the others, as CIDRs that do not overlap."""
    within = [other if cidr.holds(other) else cidr for other in others if other.overlaps(cidr)]
    return [each for each in dict.fromkeys(within) if not any(o != each and o.holds(each) for o in within)]


def keep_in_step(tx: Tx) -> None:
    """Have a ServiceCIDR for every CIDR of a pool for services, and none without a pool."""
    pools = service_pools(tx)
    backed = [read_cidr(text) for pool in pools for text in pool.cidrs]
    for found in service_cidrs(tx):
        keep_backed(tx, found, backed)
    for pool in pools:
        for text in pool.cidrs:
            covering = [read_cidr(each) for found in service_cidrs(tx) for each in found.spec.cidrs]
            if not pool.name.startswith(MADE) and not any(each.holds(read_cidr(text)) for each in covering):
                put_new(tx, free_name(tx, pool.name), [text])


def keep_backed(tx: Tx, found: ServiceCIDR, backed: list[Cidr]) -> None:
    """Take CIDRs off a ServiceCIDR that have no pool any more, and the ServiceCIDR away with the last."""
    kept = [text for text in found.spec.cidrs if any(read_cidr(text).overlaps(cidr) for cidr in backed)]
    if not kept:
        tx.delete(SERVICE_CIDR.name, "", found.metadata.name)
    elif len(kept) < len(found.spec.cidrs):
        change_cidrs(tx, found.metadata.name, kept)


def make_default(tx: Tx) -> None:
    """Have the ServiceCIDR `kubernetes`, on the first CIDR of each family that the configuration has for services.

    One of a single family gets the second when the configuration comes to have it, and one whose pool has shrunk since
    the last start follows it.
    """
    pools = service_pools(tx)
    firsts: dict[bool, str] = {}
    for pool in pools:
        for text in pool.cidrs if not pool.name.startswith(MADE) else ():
            firsts.setdefault(":" in text, text)
    present = next((found.spec.cidrs for found in service_cidrs(tx) if found.metadata.name == DEFAULT), ())
    backed = [read_cidr(text) for pool in pools for text in pool.cidrs]
    kept = [firsts.get(":" in text, text) if without(read_cidr(text), backed) else text for text in present]
    families = {":" in text for text in kept}
    wanted = [*kept, *(text for is_v6, text in firsts.items() if is_v6 not in families)]
    if wanted and not present:
        put_new(tx, DEFAULT, wanted)
    elif wanted != [*present]:
        change_cidrs(tx, DEFAULT, wanted)
    keep_in_step(tx)


def change_cidrs(tx: Tx, name: str, cidrs: list[str]) -> None:
    """Give a ServiceCIDR other CIDRs, which no client can."""
    stored = tx.get(SERVICE_CIDR.name, "", name)
    assert stored is not None
    document: Object = decode(stored.body)
    child(document, "spec")["cidrs"] = [*cidrs]
    tx.put(SERVICE_CIDR.name, "", name, document)


def put_new(tx: Tx, name: str, cidrs: list[str]) -> None:
    """Make a ServiceCIDR."""
    moment = Moment(tx.now, str(uuid5(NAMESPACE_OID, f"{name} {cidrs} {tx.now}")))
    tx.put(SERVICE_CIDR.name, "", name, new_service_cidr(name, cidrs, moment))


def free_name(view: View, wanted: str) -> str:
    """The name that is wanted, with a number if it is in use."""
    name, number = wanted, 1
    while view.get(SERVICE_CIDR.name, "", name) is not None:
        number += 1
        name = f"{wanted}-{number}"
    return name
