"""`/v1/pools/{name}/available-ips` and `available-prefixes`: what is free in a pool, and leases on the next of it.

As in NetBox, a list is leased as a whole or not at all.
"""

from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from ipamd.errors import Invalid, IpamError, Malformed, UnknownPool
from ipamd.http.codec import BatchBody, Outcome, Wanted, lease_body, read, shown
from ipamd.http.leases import ALLOCATING
from ipamd.http.query import TRIAL, is_dry_run, number
from ipamd.http.routes import READING, WRITING, Parameter, Route
from ipamd.model import Wish
from ipamd.service import Service

PAGE, LARGEST_PAGE = 50, 1000

NAME = Parameter("name", "of the pool", is_in_path=True)
LIMIT = Parameter("limit", f"how many, 1 to {LARGEST_PAGE}", type="integer")


class NextRequest(Wanted, forbid_unknown_fields=True, gc=False, kw_only=True):
    """One lease that is wanted on what is free next."""


class NextRequests(Struct, forbid_unknown_fields=True):
    """Leases that are wanted on what is free next, all or none."""

    leases: Annotated[list[NextRequest], Meta(min_length=1, max_length=1000)]


class Available(Struct):
    """What is free: addresses, or the largest blocks."""

    available: list[str]


class AvailableHandlers:
    """What is done for each route, over one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def addresses(self, request: web.Request) -> web.Response:
        """The next free addresses."""
        return shown(Available(self._service.available(request.match_info["name"], limit_of(request), whole=False)))

    async def prefixes(self, request: web.Request) -> web.Response:
        """The largest free blocks."""
        return shown(Available(self._service.available(request.match_info["name"], limit_of(request), whole=True)))

    async def lease_addresses(self, request: web.Request) -> web.Response:
        """Lease the next free addresses."""
        return await self._lease(request, are_blocks=False)

    async def lease_prefixes(self, request: web.Request) -> web.Response:
        """Lease the next free blocks, each of a length."""
        return await self._lease(request, are_blocks=True)

    async def _lease(self, request: web.Request, *, are_blocks: bool) -> web.Response:
        wanted = read(await request.read(), request.headers.get("Content-Encoding"), NextRequests)
        if any((each.prefix_length is None) == are_blocks for each in wanted.leases):
            raise Invalid("a block has a prefix_length" if are_blocks else "an address has no prefix_length")
        asked = [(each.holder(), wish_of(each, request.match_info["name"])) for each in wanted.leases]
        outcomes = await self._service.lease_batch(asked, atomic=True, is_trial=is_dry_run(request.query))
        made = [outcome for outcome in outcomes if not isinstance(outcome, IpamError)]
        return shown(BatchBody([Outcome(201 if is_new else 200, lease_body(lease)) for lease, is_new in made]), 201)


def routes(service: Service) -> tuple[Route, ...]:
    """The routes of what is free."""
    to = AvailableHandlers(service)
    addresses, prefixes = "/v1/pools/{name}/available-ips", "/v1/pools/{name}/available-prefixes"
    looking = (Malformed, UnknownPool, Invalid)
    leasing = (*READING, *ALLOCATING, *WRITING)
    found, made, named = {200: Available}, {201: BatchBody}, (NAME, *TRIAL)
    return (
        Route("GET", addresses, "List free addresses", to.addresses, found, None, (NAME, LIMIT), looking),
        Route("POST", addresses, "Lease free addresses", to.lease_addresses, made, NextRequests, named, leasing),
        Route("GET", prefixes, "List free blocks", to.prefixes, found, None, (NAME, LIMIT), looking),
        Route("POST", prefixes, "Lease free blocks", to.lease_prefixes, made, NextRequests, named, leasing),
    )


def limit_of(request: web.Request) -> int:
    """How many are asked for. Raises Malformed."""
    return number(request.query, "limit", PAGE, range(1, LARGEST_PAGE + 1))


def wish_of(wanted: NextRequest, pool: str) -> Wish:
    """What is wished for in a pool."""
    fields = {name: getattr(wanted, name) for name in NextRequest.__struct_fields__ if name != "owner"}
    return Wish(pool=pool, **fields)
