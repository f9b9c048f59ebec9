"""What a service may answer, said once more and simply: sets of addresses in a space of 256. Pure.

An outcome is judged by what is known for sure. Whether something that has cooled long enough was freed yet is not: it
may be given, and has to be before anybody is refused.
"""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import NamedTuple

from msgspec.structs import replace

from ipamd.errors import (
    Conflict,
    Cools,
    Drained,
    Exhausted,
    Invalid,
    IpamError,
    OldCopy,
    OutsidePool,
    PoolInUse,
    PoolOverlap,
    QuotaExceeded,
    Reserved,
    Taken,
    Unfit,
    UnknownPool,
    Withheld,
)
from ipamd.model import POOL, Owner, Pool

BASE = int(ip_network("10.0.0.0/24").network_address)
WIDTH = 32


class Held(NamedTuple):
    """A lease: `first` and every number below are offsets in the space; times in seconds."""

    owner: Owner
    pool: str
    first: int
    length: int = WIDTH
    ttl: int | None = None
    expires: float | None = None
    generation: int = 1

    @property
    def addresses(self) -> range:
        """What it holds."""
        return block(self.first, self.length)


class Asked(NamedTuple):
    """A wish: for the block of that length, at that place if one is said; `is_held`: the owner uses it already."""

    owner: Owner
    pool: str
    first: int | None = None
    length: int | None = None
    ttl: int | None = None
    is_held: bool = False


class Expected(NamedTuple):
    """Where the lease may lie, or why there may be none; `held` is the id of what the owner has already."""

    firsts: frozenset[int] = frozenset()
    refusal: type[IpamError] | None = None
    held: int | None = None


class Model:
    """All pools, leases by id, what cools (by pool, first address and length) for whom until when.

    `dns_ttl` is for how many seconds everything cools at least. A store that is old gives nothing new.
    """

    def __init__(self, dns_ttl: int) -> None:
        self.pools: dict[str, Pool] = {}
        self.held: dict[int, Held] = {}
        self.cools: dict[tuple[str, int, int], tuple[Owner, float]] = {}
        self.now = 0.0
        self.is_old = False
        self._dns_ttl = dns_ttl

    def copy(self) -> "Model":
        """The same once more, which goes its own way."""
        other = Model(self._dns_ttl)
        other.pools, other.held, other.cools = {**self.pools}, {**self.held}, {**self.cools}
        other.now, other.is_old = self.now, self.is_old
        return other

    def expected(self, asked: Asked) -> Expected:
        """What has to come of a wish."""
        if asked.pool not in self.pools:
            return Expected(refusal=UnknownPool)
        mine = {number: each for number, each in self.held.items() if (each.owner, each.pool) == asked[:2]}
        for number, each in mine.items():
            differs = asked.first not in (None, each.first) or asked.length not in (None, each.length)
            return Expected(refusal=Conflict) if differs else Expected(frozenset([each.first]), held=number)
        if self.is_old and not (asked.is_held and asked.first is not None):
            return Expected(refusal=OldCopy)
        again, is_sure = self._taken_up_again(asked)
        if is_sure:
            return Expected(again)
        otherwise = self._at(asked, asked.first) if asked.first is not None else self._anywhere(asked)
        return Expected(again | otherwise.firsts) if again else otherwise

    def can_hold(self, pool: Pool, each: range) -> bool:
        """Whether a lease of these addresses may stand in the pool."""
        keys = {reserved_in(pool).get(address) for address in each}
        return allowed_in(pool, length_of(each)).issuperset(each) and len(keys) == 1

    def taken(self, pool: str) -> set[int]:
        """The addresses that are leased of a pool."""
        return {address for each in self.held.values() if each.pool == pool for address in each.addresses}

    def cooling(self, pool: str, *, past: bool) -> set[int]:
        """The addresses of a pool that cool; with `past` also those that need to no more, and may not be free yet."""
        return {
            address
            for (name, first, length), (_, until) in self.cools.items()
            if name == pool and (past or until > self.now)
            for address in block(first, length)
        }

    def capacity(self, name: str, *, past: bool) -> int:
        """How many addresses a pool has: ends of its CIDRs only while a block has them. `past`: see `cooling`."""
        pool = self.pools[name]
        singles = allowed_in(pool) | reserved_in(pool).keys()
        return len(singles | self.taken(name) | self.cooling(name, past=past))

    def give(self, number: int, held: Held) -> None:
        """Note a new lease."""
        assert not self.taken(held.pool) & {*held.addresses}, "given twice"
        self.held[number] = held
        for key in [key for key in self.cools if key[0] == held.pool and {*block(*key[1:])} & {*held.addresses}]:
            owner, until = self.cools.pop(key)
            assert owner == held.owner or until <= self.now, "given while it cools for another"

    def release(self, number: int) -> None:
        """Take a lease away; its addresses cool. A block that is a pool with leases becomes that pool's, and drains."""
        each = self.held[number]
        heirs = [pool for pool in self.made_of(each) if self.of_pool(pool.name)]
        for pool in self.made_of(each):
            if pool in heirs:
                self.pools[pool.name] = replace(pool, drained=True)
            else:
                self.forget(pool.name)
        if heirs:
            owner = Owner(POOL, heirs[0].name)
            self.held[number] = each._replace(owner=owner, generation=each.generation + 1)
            return
        del self.held[number]
        pool = self.pools[each.pool]
        self.cools[each.pool, each.first, each.length] = each.owner, self.now + max(self._dns_ttl, pool.cooldown)
        if pool.parent and pool.drained and not self.of_pool(pool.name):
            self.release_all(Owner(POOL, pool.name))

    def release_all(self, owner: Owner) -> None:
        """Take all leases of an owner away."""
        for number in [number for number, each in self.held.items() if each.owner == owner]:
            self.release(number)

    def of_pool(self, name: str) -> list[Held]:
        """The leases of a pool."""
        return [each for each in self.held.values() if each.pool == name]

    def made_of(self, held: Held) -> list[Pool]:
        """The pools that have addresses in a block, in their order."""
        if held.length == WIDTH:
            return []
        inside = (pool for pool in self.pools.values() if pool.parent == held.pool)
        places = {at: pool for pool in inside for cidr in cidrs_of(pool) for at in cidr if at in held.addresses}
        return [self.pools[name] for name in dict.fromkeys(places[at].name for at in sorted(places))]

    def forget(self, name: str) -> None:
        """Take a pool away, and what cools in it."""
        del self.pools[name]
        for key in [key for key in self.cools if key[0] == name]:
            del self.cools[key]

    def delete(self, name: str) -> type[IpamError] | None:
        """Take a pool away, with the blocks that it took over; or tell why not."""
        if name not in self.pools:
            return UnknownPool
        if self.of_pool(name):
            return PoolInUse
        self.forget(name)
        self.release_all(Owner(POOL, name))
        return None

    def change(self, pool: Pool) -> type[IpamError] | None:
        """Make or change a pool, or tell why that cannot be."""
        if any(not self.can_hold(pool, each.addresses) for each in self.of_pool(pool.name)):
            return PoolInUse
        for cidr in cidrs_of(pool) if pool.parent else ():
            if not any({*cidr} <= {*each.addresses} for each in self.of_pool(pool.parent) if each.length < WIDTH):
                return Invalid
        here = {at for cidr in cidrs_of(pool) for at in cidr}
        siblings = [each for each in self.pools.values() if each.parent == pool.parent and each.name != pool.name]
        if any(at in here for each in siblings for cidr in cidrs_of(each) for at in cidr):
            return PoolOverlap
        self.pools[pool.name] = pool
        for key in [key for key in self.cools if key[0] == pool.name and not self.can_hold(pool, block(*key[1:]))]:
            del self.cools[key]
        return None

    def _refused_by(self, pool: Pool, owner: Owner) -> type[IpamError] | None:
        if pool.drained:
            return Drained
        quota = pool.quotas.get(owner.namespace, pool.quotas.get("*"))
        held = [
            each for each in self.held.values() if (each.pool, each.owner.namespace) == (pool.name, owner.namespace)
        ]
        return QuotaExceeded if quota is not None and len(held) >= quota else None

    def _taken_up_again(self, asked: Asked) -> tuple[frozenset[int], bool]:
        """What the owner gave back, as he wants it now, and whether he gets it for sure."""
        pool = self.pools[asked.pool]
        wanted = asked.pool, asked.owner, asked.length or WIDTH
        found = {
            first: until
            for (name, first, length), (owner, until) in self.cools.items()
            if (name, owner, length) == wanted
            and asked.first in (None, first)
            and {reserved_in(pool).get(address) for address in block(first, length)} <= {None, "", asked.owner.name}
        }
        if self._refused_by(pool, asked.owner):
            return frozenset(), False
        return frozenset(found), any(until > self.now for until in found.values())

    def _at(self, asked: Asked, first: int) -> Expected:
        pool, length = self.pools[asked.pool], asked.length or WIDTH
        if not any(first in each for each in cidrs_of(pool)):
            return Expected(refusal=OutsidePool)
        refusal = unfit(pool, length) or self._refused_by(pool, asked.owner)
        if refusal is None and first % len(block(first, length)):
            refusal = Invalid
        wanted = {*block(first, length)}
        keys = {reserved_in(pool).get(address) for address in wanted}
        if refusal is None and len(keys) == 1 and not keys & {None, "", asked.owner.name}:
            refusal = Reserved
        if refusal is None and not self.can_hold(pool, block(first, length)):
            refusal = Withheld
        if refusal is None and wanted & self.taken(pool.name):
            refusal = Taken
        if refusal is None and wanted & self.cooling(pool.name, past=False):
            refusal = Cools
        return Expected(refusal=refusal) if refusal else Expected(frozenset([first]))

    def _anywhere(self, asked: Asked) -> Expected:
        pool = self.pools[asked.pool]
        if refusal := unfit(pool, asked.length or WIDTH) or self._refused_by(pool, asked.owner):
            return Expected(refusal=refusal)
        taken, cooling = self.taken(pool.name), self.cooling(pool.name, past=False)
        free = allowed_in(pool, asked.length or WIDTH) - taken - cooling
        sure = free - self.cooling(pool.name, past=True)
        for key in (asked.owner.name, None):
            if placed([*blocks_of(pool, sure, asked.length or WIDTH, key)]):
                keys = (key,)
                return Expected(placed(blocks_of(pool, free, asked.length or WIDTH, *keys)) | self._own(asked, free))
        firsts = placed(blocks_of(pool, free, asked.length or WIDTH, asked.owner.name)) | placed(
            blocks_of(pool, free, asked.length or WIDTH, None)
        )
        if firsts:
            return Expected(firsts)
        return Expected(refusal=Cools if cooling else Exhausted)

    def _own(self, asked: Asked, free: set[int]) -> frozenset[int]:
        return placed(blocks_of(self.pools[asked.pool], free, asked.length or WIDTH, asked.owner.name))


def unfit(pool: Pool, length: int) -> type[IpamError] | None:
    """The refusal of a block that is larger than any CIDR of the pool."""
    return Unfit if all(len(cidr) < len(block(0, length)) for cidr in cidrs_of(pool)) else None


def length_of(each: range) -> int:
    """The prefix length of a block."""
    return WIDTH + 1 - len(each).bit_length()


def block(first: int, length: int) -> range:
    """The addresses of a block."""
    return range(first, first + (1 << (WIDTH - length)))


def blocks_of(pool: Pool, free: set[int], length: int, key: str | None) -> Iterator[range]:
    """The blocks of a length that are free, and reserved for the owner of that name, or for nobody."""
    reserved = reserved_in(pool)
    open_to = {address for address in free if reserved.get(address) == key}
    for cidr in cidrs_of(pool):
        size = len(block(0, length))
        yield from (each for at in cidr[::size] if open_to.issuperset(each := block(at, length)))


def placed(blocks: object) -> frozenset[int]:
    """Where the blocks begin."""
    return frozenset(each[0] for each in blocks)  # type: ignore[attr-defined]


def cidrs_of(pool: Pool) -> list[range]:
    """The CIDRs of a pool."""
    networks = map(ip_network, pool.cidrs)
    return [block(int(each.network_address) - BASE, each.prefixlen) for each in networks]


def allowed_in(pool: Pool, length: int = WIDTH) -> set[int]:
    """What is handed out at all: not what is excluded, and of a pool for hosts neither ends nor gateway.

    But a block of that length that is a network of its own may have those.
    """
    has_ends = pool.purpose == "any" and not (pool.block_size and length <= pool.block_size)
    ends = {at for cidr in cidrs_of(pool) for at in (cidr[0], cidr[1], cidr[-1])} if has_ends else set()
    return {address for cidr in cidrs_of(pool) for address in cidr} - ends - {offset(text) for text in pool.exclude}


def reserved_in(pool: Pool) -> dict[int, str]:
    """For whom, by name, addresses are reserved; the empty name is whoever asks for them."""
    found: dict[int, str] = {}
    for each in pool.reservations:
        network = ip_network(each.addresses)
        here = range(int(network.network_address) - BASE, int(network.broadcast_address) - BASE + 1)
        found |= {address: each.name for address in here if address in allowed_in(pool, network.prefixlen)}
    return found


def offset(text: str) -> int:
    """An address as a number of the space."""
    return int(ip_network(text).network_address) - BASE
