"""The ends of a pool for services under a wider ServiceCIDR: what is an end to the one is an address to the other.

A pool of the configuration withholds the ends of its CIDRs, for no Service may have them. A ServiceCIDR that reaches
beyond has them in its midst, and then an API server gives them. So such a pool gives, as long as that lasts, every
end that some ServiceCIDR has; a tag says that it does. One whose `edges` are said is left as it is said. Pure.

Source: Kubernetes' pkg/registry/core/service/ipallocator (a range's ends) and pkg/api/servicecidr (PrefixContainsIP).
"""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from ipamd.kube.service_ranges import ServiceRange
from ipamd.model import DEFAULT_SPACE, Pool
from ipamd.pool_rules import ends
from ipamd.ranges import Address, read_cidr

TAG = "wider-service-cidr"


def fitted(pool: Pool, ranges: Sequence[ServiceRange]) -> Pool:
    """The pool as it has to be among these ServiceCIDRs; itself if they ask for nothing else than it is."""
    plain = closed(pool)
    if plain.purpose != "services" or plain.space != DEFAULT_SPACE or plain.edges:
        return pool
    shut = [str(end) for end in withheld(plain, ranges)]
    if len(shut) == len([*ends_of(plain)]):
        return plain
    return replace(plain, edges="all", exclude=(*plain.exclude, *shut), tags=(*plain.tags, TAG))


def closed(pool: Pool) -> Pool:
    """The pool as it was before a wider ServiceCIDR came."""
    if TAG not in pool.tags:
        return pool
    plain = replace(pool, edges="", tags=tuple(tag for tag in pool.tags if tag != TAG))
    shut = {str(end) for end in ends_of(plain)}
    return replace(plain, exclude=tuple(text for text in pool.exclude if text not in shut))


def to_close(pool: Pool, ranges: Sequence[ServiceRange]) -> list[Address]:
    """The ends that the pool gives and would not if these were all the ServiceCIDRs."""
    return [*withheld(closed(pool), ranges)] if TAG in pool.tags else []


def withheld(plain: Pool, ranges: Sequence[ServiceRange]) -> Iterator[Address]:
    """The ends of a pool that none of the ServiceCIDRs has."""
    return (end for end in ends_of(plain) if not any(each.has(end) for each in ranges))


def ends_of(plain: Pool) -> Iterator[Address]:
    """The addresses at the ends of the pool's CIDRs that it never gives by itself."""
    for cidr in map(read_cidr, plain.cidrs):
        yield from (Address(cidr.family, cidr.base + offset) for offset, _ in ends(plain, cidr))
