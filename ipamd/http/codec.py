"""The bodies of `/v1`: what is read, strictly, and what is shown.

Strategy: one msgspec type a body. The same types check the requests and make the OpenAPI document. Unknown fields are
refused, so that a misspelt one is not silently ignored; addresses are checked by whoever reads them (`ipamd.ranges`).
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType

from ipamd.errors import EncodedBody, Invalid, IpamError, Malformed
from ipamd.explaining import Verdict
from ipamd.json import Object
from ipamd.model import (
    DEFAULT_SPACE,
    POOL_NAME,
    Edges,
    Lease,
    Owner,
    Pool,
    Purpose,
    Reservation,
    Strategy,
    Wish,
)
from ipamd.ranges import read_address
from ipamd.service import Usage

T = TypeVar("T")

LARGEST_BATCH = 10_000  # leases

JSON = "application/json"
PROBLEM = "application/problem+json"

# In Python `$` also matches before a line end at the end of the text; OpenAPI's dialect has no `\Z`.
END = r"$(?!\n)"
WORD = "[A-Za-z][A-Za-z0-9.-]*"
VISIBLE = "[!-~]*"
Visible = rf"^{VISIBLE}{END}"  # what identifies an owner: ASCII without space, so that it can stand in a log line
Word = Annotated[str, Meta(pattern=rf"^{WORD}{END}", max_length=63)]
Name = Annotated[str, Meta(pattern=Visible, min_length=1, max_length=253)]
Scope = Annotated[str, Meta(pattern=Visible, max_length=253)]
PoolName = Annotated[str, Meta(pattern=POOL_NAME, max_length=63)]
Text = Annotated[str, Meta(max_length=64)]  # of an address or CIDR; 43 suffice
Length = Annotated[int, Meta(ge=0, le=128)]
Remark = Annotated[str, Meta(max_length=1024)]
Tags = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...], Meta(max_length=64)]
Labels = dict[str, str]
Parts = Annotated[tuple[Annotated[str, Meta(max_length=96)], ...], Meta(max_length=4096)]  # addresses, CIDRs, ranges
Seconds = Annotated[int, Meta(ge=1, le=10 * 366 * 86400)]


class OwnerBody(Struct, forbid_unknown_fields=True, gc=False):
    """Who holds a lease. With kind Pod the lease is that Pod; its namespace is `default` unless given."""

    kind: Word
    name: Name
    namespace: Scope = ""
    uid: Scope = ""

    def owner(self) -> Owner:
        """The owner that it names."""
        return Owner(self.kind, self.name, self.namespace, self.uid)


class Wanted(Struct, forbid_unknown_fields=True, gc=False, kw_only=True):
    """What may be said of every lease that is wanted."""

    owner: OwnerBody
    prefix_length: Length | None = None
    labels: Labels = {}
    ttl: Seconds | None = None
    node: Scope = ""
    description: Remark = ""
    tags: Tags = ()

    def holder(self) -> Owner:
        """Who is to hold the lease."""
        return self.owner.owner()


class LeaseRequest(Wanted, forbid_unknown_fields=True, gc=False, kw_only=True):
    """A lease that is wanted: the next free address of the pool, unless an address or a length of block is given.

    Without a pool, one of `purpose` (and `family`) that is for the owner is chosen. `held` says that the owner uses the
    `address` already: a store that is an old copy, and gives nothing else, learns of it so.
    """

    pool: PoolName | None = None
    purpose: Purpose | None = None
    family: Literal[4, 6] | None = None
    address: Text | None = None
    held: bool = False

    def wish(self) -> Wish:
        """What is wished for. Raises Invalid if the address is none, or neither pool nor purpose is given.

        So it does for something that is held and not named.
        """
        if self.held and self.address is None:
            raise Invalid("name the address that is held")
        if (self.pool is None) == (self.purpose is None):
            raise Invalid("name a pool, or a purpose to have one chosen, and not both")
        return Wish(
            pool=self.pool,
            purpose=self.purpose,
            family=self.family,
            address=None if self.address is None else str(read_address(self.address)),
            prefix_length=self.prefix_length,
            is_held=self.held,
            labels=self.labels,
            ttl=self.ttl,
            node=self.node,
            description=self.description,
            tags=self.tags,
        )


class BatchRequest(Struct, forbid_unknown_fields=True):
    """Leases that are wanted together: all or none, or with `atomic` false each for itself."""

    leases: Annotated[list[LeaseRequest], Meta(min_length=1, max_length=LARGEST_BATCH)]
    atomic: bool = True


class RenewRequest(Struct, forbid_unknown_fields=True):
    """How many seconds from now a lease is to expire; as many as it was given, unless said."""

    ttl: Seconds | None = None


class PoolRequest(Struct, forbid_unknown_fields=True):
    """A pool that is wanted."""

    cidrs: Annotated[tuple[Text, ...], Meta(min_length=1, max_length=256)]
    name: PoolName = ""
    purpose: Purpose = "any"
    strategy: Strategy = "lowest"
    exclude: Parts = ()
    gateway: Text | None = None
    block_size: Length | None = None
    space: Scope = DEFAULT_SPACE
    edges: Edges = ""
    ranges: Parts = ()
    reservations: Annotated[tuple[Reservation, ...], Meta(max_length=4096)] = ()
    cooldown: Annotated[int, Meta(ge=0, le=366 * 86400)] = 0
    drained: bool = False
    per_node: bool = False
    parent: Annotated[str, Meta(max_length=63)] = ""
    namespaces: Annotated[tuple[Scope, ...], Meta(max_length=1024)] = ()
    namespace_selector: Remark = ""
    selector: Remark = ""
    nodes: Annotated[tuple[Scope, ...], Meta(max_length=1024)] = ()
    node_selector: Remark = ""
    quotas: dict[str, Annotated[int, Meta(ge=0)]] = {}
    description: Remark = ""
    tags: Tags = ()

    def pool(self, name: str = "") -> Pool:
        """The pool as it will be stored; `name` is what the path says. Raises Invalid if the body says another."""
        if name and self.name not in ("", name):
            raise Invalid(f"the path names pool {name!r} and the body {self.name!r}")
        return Pool(**(msgspec.structs.asdict(self) | {"name": name or self.name}))


class LeaseBody(Struct, gc=False):
    """A lease. Times are RFC 3339; `ttl` (seconds) and `expires` are absent from one for ever."""

    id: str
    pool: str
    address: str
    prefix_length: int
    owner: OwnerBody
    labels: dict[str, str]
    created: str
    revision: str
    generation: int
    node: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    ttl: int | UnsetType = UNSET
    expires: str | UnsetType = UNSET


class LeaseList(Struct):
    """A page of leases. `continue` is absent from the last one, and else the parameter that gives the next."""

    leases: list[LeaseBody]
    following: str | UnsetType = msgspec.field(default=UNSET, name="continue")


class Outcome(Struct, omit_defaults=True, gc=False):
    """What came of one lease of a batch: the lease, or why it was refused."""

    status: int
    lease: LeaseBody | None = None
    problem: dict[str, Any] | None = None


class VerdictBody(Struct, omit_defaults=True):
    """What one pool says to a wish: the address (or block) that it would give, or why not."""

    pool: str
    would_give: str = ""
    problem: dict[str, Any] | None = None


class Explanation(Struct):
    """What would be given, empty for nothing, and what each pool says, in the order in which they are asked."""

    would_give: str
    pool: str
    pools: list[VerdictBody]


class BatchBody(Struct):
    """What came of a batch, in the order of the request."""

    leases: list[Outcome]


class PoolBody(Pool, frozen=True, omit_defaults=True, kw_only=True):
    """A pool and how full it is; what it does not say is left out, but for what has to be known of every pool.

    Of `capacity` addresses `used` are leased, `cooling` were given back a moment ago, `reserved` are kept for those who
    are named, and the rest is `free`. `full_at` is when nothing will be free, if that was asked for and is in sight.
    """

    purpose: Purpose
    strategy: Strategy
    exclude: tuple[str, ...]
    gateway: str | None
    block_size: int | None
    capacity: int
    used: int
    cooling: int
    reserved: int
    free: int
    leases: int
    full_at: str = ""


class PoolList(Struct):
    """All pools, by name."""

    pools: list[PoolBody]


class Problem(Struct):
    """Why a request was refused (RFC 9457). `code` is stable; further members depend on it."""

    title: str
    status: int
    detail: str
    code: str
    type: Literal["about:blank"] = "about:blank"


def read(body: bytes, encoding: str | None, kind: type[T]) -> T:
    """Read a body of a type, whatever its Content-Type says. Raises Malformed, or EncodedBody if it is compressed."""
    if encoding not in (None, "identity"):
        raise EncodedBody(f"the body is in Content-Encoding {encoding}; send it as it is")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(str(error) if body else "the body is empty; JSON is expected") from None


def shown(document: Struct, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A response with a body of ours."""
    return web.Response(body=msgspec.json.encode(document), status=status, headers=headers, content_type=JSON)


def owner_body(owner: Owner) -> OwnerBody:
    """An owner as it is shown."""
    return OwnerBody(owner.kind, owner.name, owner.namespace, owner.uid)


def lease_body(lease: Lease) -> LeaseBody:
    """A lease as it is shown."""
    return LeaseBody(
        id=str(lease.id),
        pool=lease.pool,
        address=lease.address,
        prefix_length=lease.prefix_length,
        owner=owner_body(lease.owner),
        labels=lease.labels,
        created=rfc3339(lease.created),
        revision=str(lease.revision),
        generation=lease.generation,
        node=lease.node or UNSET,
        description=lease.description or UNSET,
        tags=lease.tags or UNSET,
        ttl=UNSET if lease.ttl is None else lease.ttl,
        expires=UNSET if lease.expires is None else rfc3339(lease.expires),
    )


def pool_body(usage: Usage, full_at: float | None = None) -> PoolBody:
    """A pool as it is shown; `full_at` (seconds since the epoch) is when it will be full, None if that is unknown."""
    counts = usage._asdict() | {"free": usage.free, "full_at": "" if full_at is None else rfc3339(full_at)}
    return msgspec.convert({**msgspec.structs.asdict(usage.pool), **counts}, PoolBody, from_attributes=True)


def problem_document(error: IpamError) -> Object:
    """Why a request was refused, as problem JSON (RFC 9457)."""
    told: Object = {"title": error.title, "status": error.status, "detail": error.detail, "code": error.code}
    return {"type": "about:blank", **told, **error.members}


def problem(error: IpamError) -> web.Response:
    """The reply to a request that was refused."""
    document = problem_document(error)
    headers = {"Retry-After": str(error.members["retry_after"])} if "retry_after" in error.members else None
    body = msgspec.json.encode(document)
    return web.Response(body=body, status=error.status, content_type=PROBLEM, headers=headers)


def explanation(found: list[Verdict]) -> Explanation:
    """What the pools say, as it is shown."""
    given = next((each for each in found if each.refusal is None), None)
    pools = [
        VerdictBody(each.pool, each.would_give, problem_document(each.refusal) if each.refusal else None)
        for each in found
    ]
    return Explanation(given.would_give if given else "", given.pool if given else "", pools)


@lru_cache(maxsize=16)  # the leases of one batch have one time
def rfc3339(seconds: float) -> str:
    """A time, in seconds since the epoch, as RFC 3339 has it, in UTC to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
