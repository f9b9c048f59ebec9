"""The pools of Docker's networks, in a transaction.

Strategy: dockerd knows a network's addresses by a PoolID, which says address space, pool and sub-pool. Under it a
record is kept that names the pool of ipamd. Networks with different sub-pools of one pool share that, so that an
address is unique in it. A pool outlives its last network for as long as addresses of it cool.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ipamd.allocator import Space
from ipamd.docker.messages import SPACES, PoolRequest, is_serial
from ipamd.docker.refusals import BAD_POOL, BAD_SPACE, NO_POOL_LEFT, OVERLAP, UNKNOWN_POOL
from ipamd.errors import DockerError, Invalid
from ipamd.model import WIDTH, Pool
from ipamd.pools import Pools
from ipamd.ranges import Cidr, read_cidr
from ipamd.stores import Stored, Tx, View

DOCKER_POOL = "DockerPool"  # the kind of the records
TAG = "docker"  # of the pools that are made here; one of an operator's that a network uses stays when that goes
ANY = ("0.0.0.0", "::")  # in place of an address: any pool of that length


class Predefined(NamedTuple):
    """What networks without a subnet get: CIDRs of length `size` out of `base`."""

    base: Cidr
    size: int


class Record(Struct, frozen=True):
    """A PoolID. `pool` is the name of ipamd's, `last` the number of the address given last where these are serial."""

    pool: str
    cidr: str
    sub_pool: str = ""
    serial: bool = False
    last: int | None = None

    @property
    def window(self) -> tuple[int, int]:
        """The first and last address, as numbers, that endpoints get without asking for one."""
        cidr = read_cidr(self.sub_pool or self.cidr)
        return cidr.base, cidr.last


def pool_id(space: str, cidr: str, sub_pool: str = "") -> str:
    """What dockerd knows a network's addresses by."""
    return "/".join(filter(None, (space, cidr, sub_pool)))


def read_record(stored: Stored) -> Record:
    """A record as it was kept."""
    return msgspec.json.decode(stored.body, type=Record)


def find(view: View, identifier: str) -> Record:
    """The record of a PoolID. Raises DockerError if there is none."""
    stored = view.get(DOCKER_POOL, "", identifier)
    if stored is None:
        raise DockerError(f"{UNKNOWN_POOL}: {identifier}" if identifier else UNKNOWN_POOL)
    return read_record(stored)


def keep(tx: Tx, identifier: str, record: Record) -> None:
    """Keep the record of a PoolID."""
    tx.put(DOCKER_POOL, "", identifier, msgspec.to_builtins(record))


def records(view: View) -> dict[str, Record]:
    """All records, by PoolID."""
    return {stored.name: read_record(stored) for stored in view.list(DOCKER_POOL)}


class Networks:
    """The networks, beside all pools; `predefined` are tried in their order for networks without a subnet."""

    def __init__(self, pools: Pools, predefined: Sequence[Predefined]) -> None:
        self._pools = pools
        self._predefined = predefined

    def request(self, tx: Tx, request: PoolRequest) -> tuple[str, Cidr]:
        """Have a pool for a network; its PoolID and CIDR. Raises DockerError, PoolOverlap, Invalid."""
        space = request.address_space or ""
        if space not in SPACES:
            raise DockerError(f"{BAD_SPACE}: {space!r}; there are {' and '.join(SPACES)}")
        cidr = self._cidr(tx, request)
        sub_pool = sub_pool_of(cidr, request.sub_pool or "")
        identifier = pool_id(space, str(cidr), sub_pool)
        name = self._ensure(tx, space, cidr, bool(sub_pool))
        if tx.get(DOCKER_POOL, "", identifier) is not None:
            raise DockerError(OVERLAP)
        keep(tx, identifier, Record(name, str(cidr), sub_pool, is_serial(request.options)))
        return identifier, cidr

    def forget(self, tx: Tx, identifier: str) -> None:
        """Take a PoolID away, and its pool with it unless that is still of use. Its leases are released before."""
        record = find(tx, identifier)
        tx.delete(DOCKER_POOL, "", identifier)
        self._drop(tx, record.pool)

    def sweep(self, tx: Tx) -> None:
        """Take away the pools without a network in which nothing cools any more."""
        for space in list(self._pools):
            if TAG in space.pool.tags:
                self._drop(tx, space.pool.name)

    def space(self, record: Record) -> Space:
        """The pool of a record. Raises UnknownPool."""
        return self._pools.space(record.pool)

    def _drop(self, tx: Tx, name: str) -> None:
        space = self._pools.space(name)
        is_used = any(record.pool == name for record in records(tx).values())
        if TAG in space.pool.tags and not (is_used or space.leases or space.cooling):
            self._pools.delete(tx, name)

    def _cidr(self, tx: Tx, request: PoolRequest) -> Cidr:
        """The CIDR that is asked for, or one of those predefined."""
        text = request.pool or ""
        address, _, length = text.partition("/")
        if text and address not in ANY:
            return read_pool(text)
        if request.sub_pool and not text:
            raise DockerError(f"{BAD_POOL}: the sub-pool {request.sub_pool} is of no pool")
        family = 6 if address == "::" or (not text and request.v6) else 4
        if not text:
            return self._free(tx, family, None)
        if not (length.isascii() and length.isdigit() and 0 < int(length) <= WIDTH[family]):
            raise DockerError(f"{BAD_POOL}: {text!r} is no CIDR")
        return self._free(tx, family, int(length))

    def _free(self, tx: Tx, family: int, size: int | None) -> Cidr:
        """The first predefined CIDR that no pool overlaps, in whatever address space: a host has one routing table."""
        taken = [cidr for space in self._pools for cidr in space.cidrs]
        for base, usual in self._predefined:
            length = usual if size is None else size
            found = free_in(base, length, taken) if base.family == family else None
            if found is not None:
                return found
        raise DockerError(NO_POOL_LEFT)

    def _ensure(self, tx: Tx, space: str, cidr: Cidr, has_sub_pool: bool) -> str:
        """The name of the pool of that CIDR, which is made if need be. Raises DockerError, PoolOverlap."""
        used = {record.pool: bool(record.sub_pool) for record in records(tx).values()}
        for present in list(self._pools):
            pool = present.pool
            if pool.space != space or not any(map(cidr.overlaps, present.cidrs)):
                continue
            if cidr in present.cidrs:
                if pool.name in used and not (has_sub_pool and used[pool.name]):
                    raise DockerError(OVERLAP)
                return pool.name
            if TAG in pool.tags and pool.name not in used and not present.leases:
                self._pools.delete(tx, pool.name)  # nothing but what cools is left of its network
        made = new_pool(space, cidr)
        self._pools.create(tx, made)
        return made.name


def new_pool(space: str, cidr: Cidr) -> Pool:
    """The pool of a network: it gives what built-in IPAM gives, all of it where there are but two addresses."""
    name = f"docker-{space}-{cidr}".replace(":", "-").replace("/", "-")
    has_ends = cidr.family == 6 or cidr.size > 2
    return Pool(name, (str(cidr),), space=space, edges="docker" if has_ends else "all", tags=(TAG,))


def read_pool(text: str) -> Cidr:
    """Read the CIDR of a pool; bits beyond its length are passed over, as by built-in IPAM. Raises DockerError."""
    address, slash, length = text.partition("/")
    try:
        family, value = read_cidr(f"{address}/{32 if '.' in address else 128}")[:2]
        if not (slash and length.isascii() and length.isdigit() and int(length) <= WIDTH[family]):
            raise Invalid("no length")
    except Invalid:
        raise DockerError(f"{BAD_POOL}: {text!r} is no CIDR") from None
    bits = WIDTH[family] - int(length)
    return Cidr(family, value >> bits << bits, int(length))


def sub_pool_of(cidr: Cidr, text: str) -> str:
    """The sub-pool in canonical form. Raises DockerError unless it lies in the pool."""
    if not text:
        return ""
    found = read_pool(text)
    if not cidr.holds(found):
        raise DockerError(f"{BAD_POOL}: the sub-pool {found} is not within {cidr}")
    return str(found)


def free_in(base: Cidr, length: int, taken: Iterable[Cidr]) -> Cidr | None:
    """The lowest CIDR of that length in `base` that overlaps none of those taken; None if there is none."""
    if not base.length <= length <= WIDTH[base.family]:
        return None
    step, at = 1 << (WIDTH[base.family] - length), base.base
    for other in sorted(each for each in taken if each.overlaps(base)):
        if other.base >= at + step:
            break
        if other.last >= at:
            at = (other.last // step + 1) * step
    return Cidr(base.family, at, length) if at <= base.last else None


def advanced(record: Record, last: int) -> Record:
    """The record after an address was given."""
    return replace(record, last=last)


def windows(record: Record, is_serial: bool, avoid: Collection[int] = ()) -> tuple[tuple[int, int], ...]:
    """Where to look for an endpoint's address, in order of preference: behind the last one if these are serial.

    Addresses to `avoid` are in none of these stretches, of which there may be none then.
    """
    first, last = record.window
    if not is_serial or record.last is None or not first <= record.last < last:
        return tuple(around(first, last, avoid))
    return (*around(record.last + 1, last, avoid), *around(first, record.last, avoid))


def around(first: int, last: int, avoid: Collection[int]) -> Iterator[tuple[int, int]]:
    """What a stretch of numbers is without some of them, as stretches."""
    for each in sorted(avoid):
        if first <= each <= last:
            if first < each:
                yield first, each - 1
            first = each + 1
    if first <= last:
        yield first, last
