"""`/v1/leases`: leases over REST.

Strategy: a handler reads, calls one use case, and shows what it gave. The table in `routes` is all there is; the
OpenAPI document is made from it.
"""

import msgspec
from aiohttp import web

from ipamd.errors import (
    Conflict,
    Exhausted,
    Invalid,
    Malformed,
    OutsidePool,
    Taken,
    UnknownLease,
    UnknownPool,
    Withheld,
)
from ipamd.http.codec import JSON, LeaseBody, LeaseList, LeaseRequest, RenewRequest, lease_body, read, shown
from ipamd.http.routes import READING, WRITING, Parameter, Refusals, Route
from ipamd.http.shortcut import Reply
from ipamd.model import LeaseFilter
from ipamd.service import Service

PAGE = 500  # leases in a page unless `limit` says otherwise
LARGEST_PAGE = 10_000

ALLOCATING: Refusals = (UnknownPool, Invalid, OutsidePool, Withheld, Taken, Exhausted, Conflict)
FILTERS = (
    Parameter("pool", "only leases of this pool"),
    Parameter("namespace", "only leases of owners in this namespace"),
    Parameter("kind", "only leases of owners of this kind"),
    Parameter("name", "only leases of owners of this name"),
    Parameter("address", "only the lease that holds this address"),
    Parameter("label", "only leases with this label, KEY=VALUE; several may be given"),
    Parameter("limit", f"leases in a page, 1 to {LARGEST_PAGE}", type="integer"),
    Parameter("continue", "what the page before gave as `continue`"),
)
ID = (Parameter("id", "of the lease", is_in_path=True),)


class LeaseHandlers:
    """What is done for each route, over one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def list(self, request: web.Request) -> web.Response:
        """A page of leases."""
        wanted, after, limit = read_query(request)
        leases = self._service.list_leases(wanted, after, limit)
        page = LeaseList([lease_body(lease) for lease in leases])
        if len(leases) == limit:
            page.following = str(leases[-1].id)
        return shown(page)

    async def create(self, request: web.Request) -> web.Response:
        """Lease an address or a block; who has it already gets it again, with status 200."""
        reply = await self.lease(await request.read(), request.headers.get("Content-Encoding"))
        return web.Response(
            body=reply.body, status=reply.status, headers=dict(reply.headers), content_type=reply.content_type
        )

    async def lease(self, body: bytes, encoding: str | None = None) -> Reply:
        """The reply to a body that asks for a lease."""
        wanted = read(body, encoding, LeaseRequest)
        lease, is_new = await self._service.lease(wanted.holder(), wanted.wish())
        location = ("Location", f"/v1/leases/{lease.id}")
        return Reply(201 if is_new else 200, msgspec.json.encode(lease_body(lease)), JSON, (location,))

    async def get(self, request: web.Request) -> web.Response:
        """A lease."""
        return shown(lease_body(self._service.get_lease(lease_id(request))))

    async def renew(self, request: web.Request) -> web.Response:
        """Put off the end of a lease."""
        body = await request.read()
        wanted = read(body or b"{}", request.headers.get("Content-Encoding"), RenewRequest)
        return shown(lease_body(await self._service.renew(lease_id(request), wanted.ttl)))

    async def release(self, request: web.Request) -> web.Response:
        """Give a lease back."""
        await self._service.release(lease_id(request))
        return web.Response(status=204)


def routes(service: Service) -> tuple[Route, ...]:
    """The routes of `/v1/leases`."""
    to = LeaseHandlers(service)
    all_leases, one_lease, renewal = "/v1/leases", "/v1/leases/{id}", "/v1/leases/{id}/renew"
    listing: Refusals = (Malformed, Invalid, UnknownPool)
    creating: Refusals = (*READING, *ALLOCATING, *WRITING)
    renewing: Refusals = (*READING, UnknownLease, Conflict, *WRITING)
    releasing: Refusals = (UnknownLease, Conflict, *WRITING)
    made = {201: LeaseBody, 200: LeaseBody}
    one = {200: LeaseBody}
    return (
        Route("GET", all_leases, "List leases", to.list, {200: LeaseList}, None, FILTERS, listing),
        Route("POST", all_leases, "Create a lease", to.create, made, LeaseRequest, (), creating),
        Route("GET", one_lease, "Get a lease", to.get, one, None, ID, (UnknownLease,)),
        Route("POST", renewal, "Renew a lease", to.renew, one, RenewRequest, ID, renewing),
        Route("DELETE", one_lease, "Release a lease", to.release, {204: None}, None, ID, releasing),
    )


def lease_id(request: web.Request) -> int:
    """The id in the path. Raises UnknownLease for what cannot be one."""
    text = request.match_info["id"]
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise UnknownLease(f"there is no lease {text!r}", id=text)
    return int(text)


def read_query(request: web.Request) -> tuple[LeaseFilter, int, int]:
    """The filter, the id behind which the page begins, and its limit. Raises Malformed."""
    known = {parameter.name for parameter in FILTERS}
    for name in request.query:
        if name not in known:
            raise Malformed(f"unknown parameter {name!r}; there are {', '.join(sorted(known))}")
    labels: dict[str, str] = {}
    for text in request.query.getall("label", ()):
        key, equals, value = text.partition("=")
        if not equals:
            raise Malformed(f"label is KEY=VALUE, not {text!r}")
        labels[key] = value
    query = {name: request.query.get(name) for name in ("pool", "namespace", "kind", "name", "address")}
    after = number(request, "continue", 0, range(1 << 62))
    limit = number(request, "limit", PAGE, range(1, LARGEST_PAGE + 1))
    return LeaseFilter(**query, labels=labels), after, limit


def number(request: web.Request, name: str, default: int, allowed: range) -> int:
    """A parameter that is a number in the range. Raises Malformed."""
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) in allowed):
        raise Malformed(f"{name} is a number from {allowed[0]} to {allowed[-1]}, not {text!r}")
    return int(text)
