"""The nouns of the allocator: pool, owner, lease, wish. Pure values, no behaviour beyond reading themselves.

Addresses and prefixes are texts here, in canonical form (RFC 5952), since that is how they are stored and shown;
`ranges` turns them into numbers. Times are seconds since the epoch. What there are many of at a time is kept from the
garbage collector, which would look through them again and again: they hold no cycles.
"""

from typing import Literal

from msgspec import Struct

# Which ends of a CIDR are never handed out: by purpose, or as one of these systems has it.
Edges = Literal["", "host-local", "whereabouts", "docker", "kubernetes", "all"]
Purpose = Literal["pods", "services", "nodes", "lb", "any"]
Strategy = Literal["lowest", "round-robin", "random"]
Family = Literal[4, 6]

WIDTH: dict[int, int] = {4: 32, 6: 128}  # bits of an address, by family

POOL_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"  # and 63 characters at most

DEFAULT_SPACE = "default"

# What the log calls the two things that are not Kubernetes objects.
POOL = "Pool"
LEASE = "Lease"


class Reservation(Struct, frozen=True, omit_defaults=True):
    """An address, a CIDR or FIRST-LAST that only this owner gets; without a kind, whoever asks for it by name."""

    addresses: str
    kind: str = ""
    namespace: str = ""
    name: str = ""


class Pool(Struct, frozen=True, omit_defaults=True):
    """A named set of CIDRs of one family from which addresses are leased.

    `exclude` holds addresses and CIDRs that are never handed out. `gateway` is withheld as well; without it the first
    host of every CIDR is, in pools for pods and for any purpose. `block_size` is the prefix length of a block
    (a node's podCIDR), for prefix leases that name no length. `space` is the address space (VRF): pools overlap only
    across spaces, and where one lies in a block leased from its `parent`. `ranges` (FIRST-LAST, CIDRs, addresses) are
    the parts that are handed out, empty for all. `cooldown` is in seconds. A drained pool gives nothing more.

    The pool is for owners in these `namespaces` (or those that have the labels), with labels that `selector` picks, on
    these `nodes` (or those that have the labels); empty means all. `quotas` are leases a namespace may have, "*" each
    that is not named. With `per_node` the blocks of nodes become pools of their own, from which its pods get addresses.
    """

    name: str
    cidrs: tuple[str, ...]
    purpose: Purpose = "any"
    strategy: Strategy = "lowest"
    exclude: tuple[str, ...] = ()
    gateway: str | None = None
    block_size: int | None = None
    space: str = DEFAULT_SPACE
    edges: Edges = ""
    ranges: tuple[str, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    cooldown: int = 0
    drained: bool = False
    per_node: bool = False
    parent: str = ""
    namespaces: tuple[str, ...] = ()
    namespace_selector: str = ""
    selector: str = ""
    nodes: tuple[str, ...] = ()
    node_selector: str = ""
    quotas: dict[str, int] = {}
    description: str = ""
    tags: tuple[str, ...] = ()


class Owner(Struct, frozen=True, omit_defaults=True, gc=False):
    """Who holds a lease: a Kubernetes object, or anything else with a kind and a name.

    Kind, namespace and name identify it; `uid` tells its incarnations apart and may be empty.
    """

    kind: str
    name: str
    namespace: str = ""
    uid: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    def is_same(self, other: "Owner") -> bool:
        """Whether both name one thing; an absent uid agrees with any."""
        named = (self.kind, self.namespace, self.name) == (other.kind, other.namespace, other.name)
        return named and (self.uid == other.uid or not self.uid or not other.uid)


class Lease(Struct, frozen=True, omit_defaults=True, gc=False):
    """This address (or prefix) of this pool belongs to this owner, until `expires` or for ever.

    `id` is the revision that created the lease: unique for the life of the store. `revision` is that of the last
    change, `generation` counts the times that its owner got or renewed it. `ttl` is in seconds. `made_pod` says that
    the owner, a Pod, exists because of the lease and goes with it. `node`, `description` and `tags` are for people.
    """

    id: int
    revision: int
    pool: str
    address: str
    prefix_length: int
    owner: Owner
    created: float
    labels: dict[str, str] = {}
    ttl: int | None = None
    expires: float | None = None
    made_pod: bool = False
    generation: int = 1
    node: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()

    @property
    def is_single(self) -> bool:
        """Whether it is one address and not a block."""
        return self.prefix_length == (128 if ":" in self.address else 32)

    def __str__(self) -> str:
        return self.address if self.is_single else f"{self.address}/{self.prefix_length}"


class Cooling(Struct, frozen=True):
    """What was given back: only its last owner gets it before `until` (seconds since the epoch)."""

    pool: str
    address: str
    prefix_length: int
    owner: Owner
    until: float


class Tenure(Struct, frozen=True):
    """Who had an address (or block) when: from `since` to `until`, seconds since the epoch; None while it lasts.

    `reason` is why it ended; `ended` the revision with which it did, 0 while it lasts.
    """

    lease: int
    pool: str
    address: str
    prefix_length: int
    owner: Owner
    since: float
    until: float | None = None
    ended: int = 0
    reason: str = ""


class Wish(Struct, frozen=True, gc=False):
    """What a lease is wanted to be. Either `pool` is named, or any pool of `purpose` and `family` will do.

    `address` asks for one address (or the block that begins there), `prefix_length` for a block of that length and
    `block` for one of the pool's `block_size`; without them the next free address is meant. `ttl` is in seconds, None
    for ever. `within` are the addresses, as numbers, from which alone it may come: first and last, both inclusive, in
    order of preference; empty means the whole pool. `node` is the name of the owner's node, empty for none. `is_held`
    says that the owner uses the address already, so that an old copy of the store learns of it.
    """

    pool: str | None = None
    purpose: Purpose | None = None
    family: Family | None = None
    address: str | None = None
    prefix_length: int | None = None
    block: bool = False
    labels: dict[str, str] = {}
    ttl: int | None = None
    within: tuple[tuple[int, int], ...] = ()
    is_held: bool = False
    node: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()


class LeaseFilter(Struct, frozen=True):
    """Which leases a list is about; None does not restrict. `address` finds those that contain it, `id` the one.

    `within` finds those that lie in the block, `is_permanent` those that have no end, or those that have one. `text` is
    looked for, whatever its case, in owner, description, node, labels and tags.
    """

    pool: str | None = None
    namespace: str | None = None
    kind: str | None = None
    name: str | None = None
    address: str | None = None
    within: str | None = None
    node: str | None = None
    is_permanent: bool | None = None
    labels: dict[str, str] = {}
    tag: str | None = None
    text: str | None = None
    id: int | None = None


class TenureFilter(Struct, frozen=True):
    """Which tenures are asked for; None does not restrict.

    `address` finds those of the address and of the blocks that it lies in. Only what lasted at some time from `since`
    up to and including `until` (seconds since the epoch) is found.
    """

    address: str | None = None
    kind: str | None = None
    namespace: str | None = None
    name: str | None = None
    since: float | None = None
    until: float | None = None
