"""ADD in one transaction: pools as needed, an address of every set or pool, and the attachment that holds them.

Strategy: every address is a wish of the same owner, so asking again gives the same addresses. A wish that cannot be
granted raises, and with it goes all that the transaction has done.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from ipamd.allocator import Space
from ipamd.cni.attachments import Key, Record, find, keep, leases_of, owner_of, supersede
from ipamd.cni.codes import Code
from ipamd.cni.host_local import invalid
from ipamd.cni.networks import Networks
from ipamd.cni.plan import Given, Plan, RangeSet
from ipamd.cni.planning import check_families, distribute
from ipamd.cni.refusals import refusal_of_set
from ipamd.errors import CniError, IpamError, UnknownPool
from ipamd.model import DEFAULT_SPACE, Family, Lease, Owner, Purpose, Wish
from ipamd.pools import Pools
from ipamd.ranges import Address, read_address
from ipamd.service import Service
from ipamd.stores import Tx

PURPOSE: Purpose = "pods"  # of the pools that serve who names none
FAMILIES: tuple[Family, ...] = (4, 6)


class Asker(NamedTuple):
    """Who asks: the attachment, the Pod that it belongs to if there is one, and the node that it is on."""

    key: Key
    pod: Owner | None
    node: str


class Part(NamedTuple):
    """One address of an attachment: the wish for it, and the range set that it comes from if there is one."""

    number: int
    wish: Wish
    ranges: RangeSet | None


class Added(NamedTuple):
    """What an attachment has now, whether it is new, and the revision of its record."""

    given: tuple[Given, ...]
    is_new: bool
    revision: int


class Sources(NamedTuple):
    """Where an ADD gets addresses from: the pools of the service, and those that networks bring with them."""

    service: Service
    networks: Networks


def add(tx: Tx, sources: Sources, asker: Asker, plan: Plan, version: str) -> Added:
    """Lease what the plan says. Raises CniError, with nothing kept, if an address of it cannot be had."""
    key = asker.key
    if asker.pod is not None:
        supersede(tx, sources.service.leases, asker.pod)
    record = find(tx, key)
    owner = owner_of(tx, key, asker.pod) if record is None else record.owner
    parts = [each for each in parts_of(tx, sources, plan, asker.node) if each.wish.address or not plan.is_partial]
    leases = leased(tx, sources.service, key, owner, parts)
    pools = sources.service.pools
    given = tuple(given_for(pools, each, lease) for each, lease in zip(parts, leases, strict=True))
    check_families([each.address.family for each in (*given, *plan.static)], version)
    if record is not None:
        check_same(key, leases_of(tx, key, record), leases)
    owner = leases[0].owner if leases else owner
    revision = keep(tx, key, Record(asker.node, owner, tuple(each.id for each in leases), tx.now))
    return Added((*given, *plan.static), record is None, revision)


def parts_of(tx: Tx, sources: Sources, plan: Plan, node: str) -> Iterator[Part]:
    """The addresses that the plan says, each as a wish. Makes the pools of a network's own ranges."""
    if plan.static and not plan.sets:
        return
    if not plan.sets:
        yield from parts_of_pools(sources.service.pools, plan, node)
        return
    for number, (ranges, asked) in enumerate(distribute(plan)):
        if not ranges.spans:
            raise CniError(Code.EXHAUSTED, f"no IP addresses available in range set: {ranges}")
        name = sources.networks.ensure(tx, ranges)
        wish = Wish(pool=name, address=None if asked is None else str(asked), within=ranges.spans, node=node)
        yield Part(number, wish, ranges)


def parts_of_pools(pools: Pools, plan: Plan, node: str) -> Iterator[Part]:
    """An address of every pool that is named, or else one of each family that there are pools for pods of."""
    left = list(plan.asked)
    for number, (wish, spaces) in enumerate(wishes_of_pools(pools, plan.pools, node)):
        asked = next((address for address in left if any(space.holds(address) for space in spaces)), None)
        if asked is not None:
            left.remove(asked)
            wish = replace(wish, address=str(asked))
        yield Part(number, wish, None)
    if left:
        raise invalid(f"failed to allocate all requested IPs: {' '.join(map(str, left))}")


def wishes_of_pools(pools: Pools, names: Sequence[str], node: str) -> list[tuple[Wish, Sequence[Space]]]:
    """A wish for every pool that is named, or else for every family, with the pools that may serve it."""
    if names:
        named = [pools.space(name) for name in dict.fromkeys(names)]
        return [(Wish(pool=space.pool.name, node=node), [space]) for space in named]
    serving = [space for space in pools if space.pool.purpose == PURPOSE and space.pool.space == DEFAULT_SPACE]
    if not serving:
        raise UnknownPool(f"there is no pool for {PURPOSE}, and the configuration names none")
    return [
        (Wish(purpose=PURPOSE, family=family, node=node), [space for space in serving if space.family == family])
        for family in FAMILIES
        if any(space.family == family for space in serving)
    ]


def leased(tx: Tx, service: Service, key: Key, owner: Owner, parts: Sequence[Part]) -> list[Lease]:
    """The leases of all addresses. Raises CniError in host-local's words for range sets."""
    leases: list[Lease] = []
    description = f"CNI: {key.ifname} of container {key.container} in network {key.network}"
    for part in parts:
        try:
            wish = replace(part.wish, description=description)
            leases += [lease for lease, _ in service.acquire_in(tx, owner, [wish])]
        except IpamError as error:
            if part.ranges is None:
                raise
            raise refusal_of_set(error, part.number, part.ranges, part.wish.address) from None
    return leases


def given_for(pools: Pools, part: Part, lease: Lease) -> Given:
    """The address of a lease as a result has it."""
    address = read_address(lease.address)
    found = part.ranges.range_of(address) if part.ranges is not None else None
    if found is not None:
        return Given(address, found.subnet.length, found.gateway)
    return given_by_pool(pools.space(lease.pool), address)


def given_by_pool(space: Space, address: Address) -> Given:
    """An address of a pool: with the length of its CIDR, and the gateway there, which is the first host by default."""
    cidr = next(cidr for cidr in space.cidrs if cidr.base <= address.value <= cidr.last)
    gateway = read_address(space.pool.gateway) if space.pool.gateway else Address(cidr.family, cidr.base + 1)
    return Given(address, cidr.length, gateway)


def check_same(key: Key, held: Sequence[Lease], leases: Sequence[Lease]) -> None:
    """Raise CniError if the attachment has an address that this request does not ask for."""
    others = [str(lease) for lease in held if lease.id not in {each.id for each in leases}]
    if others:
        message = f"{key.name} has {', '.join(others)} of network {key.network}, which the configuration does not give"
        raise CniError(Code.TAKEN, f"{message}: call DEL first")
