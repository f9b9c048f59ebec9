"""What a pool may be, and what of its CIDRs it never hands out: pure functions of the pool.

Strategy: a pool is checked once, when it is made or changed; what is withheld becomes spans that free sets leave out.
"""

import re
from collections.abc import Iterator, Sequence

from ipamd import admission
from ipamd.errors import Invalid
from ipamd.freesets import Spans, gaps, merge
from ipamd.model import POOL_NAME, WIDTH, Pool, Reservation
from ipamd.ranges import Address, Cidr, Span, read_address, read_cidr, read_span
from ipamd.reservations import Part, parts


def ends(pool: Pool, cidr: Cidr) -> Spans:
    """The offsets at the ends of `cidr` that the pool never hands out.

    The network and the broadcast address of IPv4, the subnet-router anycast address of IPv6 (RFC 4291 section 2.6.1)
    and, unless the pool names its gateway, the first host's: where the addresses go to hosts (`pods`, `any`), unless
    the CIDR is a point-to-point link (RFC 3021, RFC 6164). For `services` the first address, and the last of IPv4.
    Where the pool says as whom it wants it, as that system has it. A pool that is `per_node` gives no single addresses,
    and its blocks have ends of their own.
    """
    first, last = (0, 0), (cidr.size - 1, cidr.size - 1)
    usual: Spans = [first] if cidr.family == 6 else [first, last]
    hosts = usual if pool.gateway else [*usual, (1, 1)]
    match pool.edges or ("" if pool.per_node else pool.purpose):
        case "host-local":
            return hosts
        case "whereabouts":
            return [first, last]
        case "docker" | "kubernetes" | "services":
            return usual
        case "pods" | "any":
            return hosts if cidr.bits > 1 else []
    return []


def hosts(pool: Pool, cidr: Cidr) -> tuple[int, int]:
    """The offsets of the first and of the last address of `cidr` that is not at its ends."""
    spans = merge(ends(pool, cidr))
    first = spans[0][1] + 1 if spans and spans[0][0] == 0 else 0
    return first, spans[-1][0] - 1 if len(spans) > 1 else cidr.size - 1


def has_own_ends(pool: Pool, cidr: Cidr, bits: int) -> bool:
    """Whether a block of `2**bits` addresses is a network of its own, for which the ends of `cidr` are no matter.

    So is one that is not smaller than the `block_size` of the pool: the first podCIDR of a cluster CIDR begins with
    its first address, as kube-controller-manager's range allocator has it.
    """
    return pool.block_size is not None and bits > 0 and bits >= WIDTH[cidr.family] - pool.block_size


def never(pool: Pool, cidr: Cidr, bits: int) -> Spans:
    """The offsets in `cidr` that no lease of a block of `2**bits` has, whatever is reserved: ends, what is excluded."""
    spans = [] if has_own_ends(pool, cidr, bits) else ends(pool, cidr)
    for text in (*pool.exclude, *([pool.gateway] if pool.gateway else [])):
        span = read_span(text)
        if span.family == cidr.family and span.first <= cidr.last and cidr.base <= span.last:
            spans.append((max(span.first, cidr.base) - cidr.base, min(span.last, cidr.last) - cidr.base))
    return spans


def why_never(pool: Pool, address: Address) -> str:
    """Why the pool hands out an address of its CIDRs to nobody, as the end of a sentence."""
    if pool.gateway and read_address(pool.gateway) == address:
        return "it is the gateway"
    if any(read_span(text).has(address) for text in pool.exclude):
        return "it is excluded"
    if pool.ranges and not any(read_span(text).has(address) for text in pool.ranges):
        return "it is outside of the ranges"
    return "it is at an end of its CIDR (see `edges`)"


def outside_ranges(pool: Pool, cidr: Cidr) -> Iterator[tuple[int, int]]:
    """The offsets in `cidr` that are not in the pool's ranges, if it has any."""
    if pool.ranges:
        ranges = merge([(span.first, span.last) for span in map(read_span, pool.ranges)])
        for first, last in gaps(cidr.base, cidr.last, ranges):
            yield first - cidr.base, last - cidr.base


def check_pool(pool: Pool) -> list[Cidr]:
    """The CIDRs of the pool. Raises Invalid unless it makes sense: one family, no overlaps, all else inside."""
    if not re.fullmatch(POOL_NAME, pool.name) or len(pool.name) > 63:
        raise Invalid(f"{pool.name!r} is no name of a pool: small letters, digits, '-' and '.', 63 at most, are")
    cidrs = [read_cidr(text) for text in pool.cidrs]
    if not cidrs:
        raise Invalid("a pool has a CIDR at least")
    if len({cidr.family for cidr in cidrs}) > 1:
        raise Invalid("the CIDRs are of both families; make a pool for each")
    for index, cidr in enumerate(cidrs):
        if (other := next(filter(cidr.overlaps, cidrs[:index]), None)) is not None:
            raise Invalid(f"{cidr} overlaps {other}")
    for text in (*pool.exclude, *pool.ranges, *([pool.gateway] if pool.gateway else [])):
        span = read_span(text)
        if not any(span.family == cidr.family and span.first <= cidr.last and cidr.base <= span.last for cidr in cidrs):
            raise Invalid(f"{text} is outside the CIDRs of the pool")
    check_reservations(pool, cidrs)
    check_rules(pool)
    shortest, width = max(cidr.length for cidr in cidrs), WIDTH[cidrs[0].family]
    if pool.block_size is not None and not shortest <= pool.block_size <= width:
        raise Invalid(f"block_size {pool.block_size} is not within /{shortest} to /{width}")
    return cidrs


def check_reservations(pool: Pool, cidrs: Sequence[Cidr]) -> None:
    """Raise Invalid for a reservation that lies in none of the CIDRs, or overlaps another."""
    seen: list[Span] = []
    for each in pool.reservations:
        span = read_span(each.addresses)
        if not any(span.family == cidr.family and cidr.base <= span.first <= span.last <= cidr.last for cidr in cidrs):
            raise Invalid(f"the reservation {each.addresses} is not within one of the CIDRs of the pool")
        if any(other.first <= span.last and span.first <= other.last for other in seen):
            raise Invalid(f"the reservation {each.addresses} overlaps another")
        if bool(each.kind) != bool(each.name):
            raise Invalid(f"the reservation {each.addresses} is for a kind and a name, or for neither")
        if not any(kept_parts(pool, cidr, [each]) for cidr in cidrs):
            advice = "see `exclude`, `gateway` and `edges`"
            raise Invalid(f"the reservation {each.addresses} has nothing that is ever handed out: {advice}")
        seen.append(span)


def kept_parts(pool: Pool, cidr: Cidr, reservations: Sequence[Reservation]) -> list[Part]:
    """What the reservations keep of one of the CIDRs of the pool."""
    found: list[Part] = []
    for each in reservations:
        span = read_span(each.addresses)
        bits = (span.last - span.first + 1).bit_length() - 1  # the largest block that it may be
        found += parts(each, cidr, merge(never(pool, cidr, bits)))
    return sorted(found)


def check_rules(pool: Pool) -> None:
    """Raise Invalid for numbers and selectors that cannot be meant."""
    if pool.cooldown < 0 or any(quota < 0 for quota in pool.quotas.values()):
        raise Invalid("cooldown is a number of seconds and a quota one of leases: neither is below zero")
    if pool.per_node and pool.block_size is None:
        raise Invalid("a pool that is per_node is cut into blocks: it needs a block_size")
    admission.check(pool)
