"""Leases and those who have them: each names the other.

Only some kinds of owner are objects here: Pods, and the attachments of containers. Any other kind is a name that a
client has given, and whether there is such a thing is for that client to know.
"""

from collections.abc import Callable, Iterator, Mapping

from ipamd import pod_of_lease
from ipamd.cni.attachments import ATTACHMENT, find, holder_of, key_of, read_record
from ipamd.fsck.blocks import pools as pools_of
from ipamd.json import Json, Object, stored_object
from ipamd.kube.document import peek, text
from ipamd.model import DEFAULT_SPACE, POOL, Lease, Owner, Pool
from ipamd.ranges import Cidr, read_address, read_block, read_cidr
from ipamd.stores import Flaw, Stored, View, each_lease

PAGE = 1000  # rows in memory at a time


def flaws(view: View) -> Iterator[Flaw]:
    """Where leases and their owners disagree."""
    for lease in each_lease(view):
        check = BY_OWNER.get(lease.owner.kind)
        if check is not None:
            yield from check(view, lease)
    for stored in objects(view, ATTACHMENT):
        yield from lost(view, stored)
    pools = [space.pool for space in pools_of(view)[0]]
    for kind, addresses in SHOWING.items():
        for stored in objects(view, kind):
            owner = Owner(kind, stored.name, stored.namespace)
            for address in addresses(stored_object(stored.body)):
                yield from unleased(view, pools, owner, address)


def objects(view: View, kind: str) -> Iterator[Stored]:
    """All objects of a kind."""
    after: tuple[str, str] | None = None
    while page := view.list(kind, None, after, PAGE):
        yield from page
        after = page[-1].namespace, page[-1].name


def of_pod(view: View, lease: Lease) -> Iterator[Flaw]:
    """What is wrong with a lease of a Pod."""
    pod = pod_of_lease.found(view, lease.owner)
    if pod is None:
        yield Flaw("alive", shown(lease), "and there is no such Pod")
    elif (uid := text(pod, "metadata", "uid")) != lease.owner.uid:
        yield Flaw("alive", shown(lease), f"of uid {lease.owner.uid}, and the Pod has the uid {uid}")
    elif lease.is_single and lease.address not in pod_of_lease.addresses(pod):
        yield Flaw("shown", shown(lease), "and the Pod does not show it")


def of_attachment(view: View, lease: Lease) -> Iterator[Flaw]:
    """What is wrong with a lease of a container's interface."""
    stored = view.get(ATTACHMENT, lease.owner.namespace, lease.owner.name)
    if stored is None:
        yield Flaw("attached", shown(lease), "and there is no such attachment")
    elif lease.id not in read_record(stored).leases:
        yield Flaw("attached", shown(lease), "and the attachment does not know it")


def of_pool(view: View, lease: Lease) -> Iterator[Flaw]:
    """What is wrong with a block that a pool was made of."""
    if view.get(POOL, "", lease.owner.name) is None:
        yield Flaw("blocks", shown(lease), "and there is no such pool")


def lost(view: View, stored: Stored) -> Iterator[Flaw]:
    """What an attachment should have and has not: it has all of its leases, unless they went over to another."""
    key = key_of(stored)
    record = find(view, key)
    if record is None or (record.owner.kind == pod_of_lease.POD and holder_of(view, record.owner) != key):
        return
    for lease_id in record.leases:
        if view.lease(lease_id) is None:
            yield Flaw("attached", f"attachment {key.network}/{key.name}", f"has lost its lease {lease_id}")


def unleased(view: View, pools: list[Pool], owner: Owner, shown_as: str) -> Iterator[Flaw]:
    """Where an object shows an address, or a block, that a pool could give to somebody else."""
    block = read_block(shown_as)
    holding = [pool for pool in pools if pool.space == DEFAULT_SPACE and is_inside(block, pool)]
    found = [view.lease_meeting(pool.name, block) for pool in holding]
    if holding and not any(lease is not None and is_held(lease, block) for lease in found):
        names = ", ".join(pool.name for pool in holding)
        yield Flaw("shown", f"{owner} shows {shown_as}", f"which is not leased in pool {names}")


def is_inside(block: Cidr, pool: Pool) -> bool:
    """Whether a block lies in a pool."""
    return any(cidr.family == block.family and cidr.holds(block) for cidr in map(read_cidr, pool.cidrs))


def is_held(lease: Lease, block: Cidr) -> bool:
    """Whether a lease has all of a block."""
    address = read_address(lease.address)
    return Cidr(address.family, address.value, lease.prefix_length).holds(block)


def pod_addresses(pod: Object) -> list[str]:
    """The addresses that a Pod shows, unless they are those of its node."""
    return [] if peek(pod, "spec", "hostNetwork") is True else pod_of_lease.addresses(pod)


def cluster_ips(service: Object) -> list[str]:
    """The ClusterIPs that a Service shows."""
    return [each for each in words(peek(service, "spec", "clusterIPs")) if each != "None"]


def pod_cidrs(node: Object) -> list[str]:
    """The blocks that a Node shows."""
    return words(peek(node, "spec", "podCIDRs"))


def words(listed: Json) -> list[str]:
    """The texts in a list."""
    return [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []


def shown(lease: Lease) -> str:
    """A lease as people know it."""
    return f"lease {lease.id} on {lease} is {lease.owner}'s"


BY_OWNER: Mapping[str, Callable[[View, Lease], Iterator[Flaw]]] = {
    pod_of_lease.POD: of_pod,
    ATTACHMENT: of_attachment,
    POOL: of_pool,
}
SHOWING: Mapping[str, Callable[[Object], list[str]]] = {
    pod_of_lease.POD: pod_addresses,
    "Service": cluster_ips,
    "Node": pod_cidrs,
}
