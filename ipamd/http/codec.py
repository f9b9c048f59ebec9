"""The bodies of `/v1`: what is read, strictly, and what is shown.

Strategy: one msgspec type a body. The same types check the requests and make the OpenAPI document. Unknown fields are
refused, so that a misspelt one is not silently ignored; addresses are checked by whoever reads them (`ipamd.ranges`).
"""

from datetime import UTC, datetime
from typing import Annotated, Literal, TypeVar

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType

from ipamd.errors import EncodedBody, IpamError, Malformed
from ipamd.json import Object
from ipamd.model import POOL_NAME, Lease, Owner, Pool, Purpose, Strategy, Wish
from ipamd.ranges import read_address
from ipamd.service import Usage

T = TypeVar("T")

JSON = "application/json"
PROBLEM = "application/problem+json"

# In Python `$` also matches before a line end at the end of the text; OpenAPI's dialect has no `\Z`.
END = r"$(?!\n)"
Visible = rf"^[!-~]*{END}"  # what identifies an owner: ASCII without space, so that it can stand in a log line
Word = Annotated[str, Meta(pattern=rf"^[A-Za-z][A-Za-z0-9.-]*{END}", max_length=63)]
Name = Annotated[str, Meta(pattern=Visible, min_length=1, max_length=253)]
Scope = Annotated[str, Meta(pattern=Visible, max_length=253)]
PoolName = Annotated[str, Meta(pattern=POOL_NAME, max_length=63)]
Text = Annotated[str, Meta(max_length=64)]  # of an address or CIDR; 43 suffice
Length = Annotated[int, Meta(ge=0, le=128)]
Seconds = Annotated[int, Meta(ge=1, le=10 * 366 * 86400)]


class OwnerBody(Struct, forbid_unknown_fields=True):
    """Who holds a lease. With kind Pod the lease is that Pod; its namespace is `default` unless given."""

    kind: Word
    name: Name
    namespace: Scope = ""
    uid: Scope = ""


class LeaseRequest(Struct, forbid_unknown_fields=True):
    """A lease that is wanted: the next free address of the pool, unless an address or a length of block is given."""

    pool: PoolName
    owner: OwnerBody
    address: Text | None = None
    prefix_length: Length | None = None
    labels: dict[str, str] = {}
    ttl: Seconds | None = None

    def wish(self) -> Wish:
        """What is wished for. Raises Invalid if the address is none."""
        address = None if self.address is None else str(read_address(self.address))
        return Wish(pool=self.pool, address=address, prefix_length=self.prefix_length, labels=self.labels, ttl=self.ttl)

    def holder(self) -> Owner:
        """Who is to hold the lease."""
        return Owner(self.owner.kind, self.owner.name, self.owner.namespace, self.owner.uid)


class RenewRequest(Struct, forbid_unknown_fields=True):
    """How many seconds from now a lease is to expire; as many as it was given, unless said."""

    ttl: Seconds | None = None


class PoolRequest(Struct, forbid_unknown_fields=True):
    """A pool that is wanted."""

    name: PoolName
    cidrs: Annotated[tuple[Text, ...], Meta(min_length=1, max_length=256)]
    purpose: Purpose = "any"
    strategy: Strategy = "lowest"
    exclude: Annotated[tuple[Text, ...], Meta(max_length=4096)] = ()
    gateway: Text | None = None
    block_size: Length | None = None

    def pool(self) -> Pool:
        """The pool as it will be stored."""
        return Pool(**msgspec.structs.asdict(self))


class LeaseBody(Struct):
    """A lease. Times are RFC 3339; `ttl` (seconds) and `expires` are absent from one for ever."""

    id: str
    pool: str
    address: str
    prefix_length: int
    owner: OwnerBody
    labels: dict[str, str]
    created: str
    revision: str
    ttl: int | UnsetType = UNSET
    expires: str | UnsetType = UNSET


class LeaseList(Struct):
    """A page of leases. `continue` is absent from the last one, and else the parameter that gives the next."""

    leases: list[LeaseBody]
    following: str | UnsetType = msgspec.field(default=UNSET, name="continue")


class PoolBody(Struct):
    """A pool and how full it is; `capacity`, `used` and `free` count addresses."""

    name: str
    cidrs: tuple[str, ...]
    purpose: Purpose
    strategy: Strategy
    exclude: tuple[str, ...]
    gateway: str | None
    block_size: int | None
    capacity: int
    used: int
    free: int
    leases: int


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


def lease_body(lease: Lease) -> LeaseBody:
    """A lease as it is shown."""
    owner = lease.owner
    return LeaseBody(
        id=str(lease.id),
        pool=lease.pool,
        address=lease.address,
        prefix_length=lease.prefix_length,
        owner=OwnerBody(owner.kind, owner.name, owner.namespace, owner.uid),
        labels=lease.labels,
        created=rfc3339(lease.created),
        revision=str(lease.revision),
        ttl=UNSET if lease.ttl is None else lease.ttl,
        expires=UNSET if lease.expires is None else rfc3339(lease.expires),
    )


def pool_body(usage: Usage) -> PoolBody:
    """A pool as it is shown."""
    free = usage.capacity - usage.used
    counts = {"capacity": usage.capacity, "used": usage.used, "free": free, "leases": usage.leases}
    return msgspec.convert({**msgspec.structs.asdict(usage.pool), **counts}, PoolBody)


def problem(error: IpamError) -> web.Response:
    """The reply to a request that was refused, as problem JSON (RFC 9457)."""
    document: Object = {
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        **error.members,
    }
    return web.Response(body=msgspec.json.encode(document), status=error.status, content_type=PROBLEM)


def rfc3339(seconds: float) -> str:
    """A time, in seconds since the epoch, as RFC 3339 has it, in UTC to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
