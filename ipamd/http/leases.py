"""`/v1/leases`: leases over REST.

Strategy: a handler reads, calls one use case, and shows what it gave. The table in `routes` is all there is; the
OpenAPI document is made from it.
"""

from asyncio import Future
from hashlib import sha256

import msgspec
from aiohttp import web

from ipamd.errors import (
    Conflict,
    Cools,
    Drained,
    Exhausted,
    Invalid,
    KeyReused,
    Malformed,
    NotAdmitted,
    OutsidePool,
    Overtaken,
    PreconditionFailed,
    QuotaExceeded,
    Reserved,
    StoreUnavailable,
    Taken,
    UnknownLease,
    UnknownPool,
    Withheld,
)
from ipamd.http.codec import JSON, LeaseBody, LeaseList, LeaseRequest, RenewRequest, lease_body, read, shown
from ipamd.http.conditions import IF_MATCH, IF_NONE_MATCH, condition_of, is_known, tag
from ipamd.http.query import TRIAL, is_dry_run, number
from ipamd.http.routes import READING, WRITING, Parameter, Refusals, Route
from ipamd.http.shortcut import Reply
from ipamd.model import Lease, LeaseFilter
from ipamd.ranges import read_cidr
from ipamd.service import Given, Service
from ipamd.stores import Kept

PAGE = 500  # leases in a page unless `limit` says otherwise
LARGEST_PAGE = 10_000

STATES = {"permanent": True, "expiring": False}  # of a lease: whether it has no end

LONGEST_KEY = 255  # characters of an Idempotency-Key

ALLOCATING: Refusals = (
    *(UnknownPool, Invalid, OutsidePool, Withheld, Taken, Reserved, Exhausted, Cools, Drained, Conflict),
    *(NotAdmitted, QuotaExceeded),
)
FILTERS = (
    Parameter("pool", "only leases of this pool"),
    Parameter("namespace", "only leases of owners in this namespace"),
    Parameter("kind", "only leases of owners of this kind"),
    Parameter("name", "only leases of owners of this name"),
    Parameter("address", "only leases that hold this address: one in an address space"),
    Parameter("within", "only leases that lie in this CIDR"),
    Parameter("node", "only leases on this node"),
    Parameter("state", "only leases that are `permanent`, or only those that are `expiring` unless they are renewed"),
    Parameter("label", "only leases with this label, KEY=VALUE; several may be given"),
    Parameter("tag", "only leases with this tag"),
    Parameter("q", "only leases of which owner, node, description, labels or tags have this text, in any case"),
    Parameter("limit", f"leases in a page, 1 to {LARGEST_PAGE}", type="integer"),
    Parameter("continue", "what the page before gave as `continue`"),
)
KEY = Parameter(
    "Idempotency-Key", f"1 to {LONGEST_KEY} characters: what was asked under it is done once", is_field=True
)
GENERATION = Parameter("generation", "release only if the lease is at this one", type="integer")
ID = (Parameter("id", "of the lease", is_in_path=True),)


class LeaseHandlers:
    """What is done for each route, over one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def list(self, request: web.Request) -> web.Response:
        """A page of leases."""
        wanted, after, limit = read_query(request)
        leases = await self._service.find_leases(wanted, after, limit)
        page = LeaseList([lease_body(lease) for lease in leases])
        if len(leases) == limit:
            page.following = str(leases[-1].id)
        return shown(page)

    async def create(self, request: web.Request) -> web.Response:
        """Lease an address or a block; who has it already gets it again, with status 200."""
        key, encoding = request.headers.get("Idempotency-Key"), request.headers.get("Content-Encoding")
        if is_dry_run(request.query):
            wanted = read(await request.read(), encoding, LeaseRequest)
            return shown(lease_body(await self._service.try_lease(wanted.holder(), wanted.wish())))
        if key is not None:
            return await self._create_once(await request.read(), encoding, key)
        reply = shown_lease(await self.submit(await request.read(), encoding))
        return web.Response(
            body=reply.body, status=reply.status, headers=dict(reply.headers), content_type=reply.content_type
        )

    def submit(self, body: bytes, encoding: str | None = None) -> Future[tuple[Lease, bool]]:
        """What comes of a body that asks for a lease."""
        wanted = read(body, encoding, LeaseRequest)
        return self._service.submit_lease(wanted.holder(), wanted.wish())

    async def _create_once(self, body: bytes, encoding: str | None, key: str) -> web.Response:
        """The reply to a request that may come again: the same each time, also after a restart."""
        check_key(key)
        wanted = read(body, encoding, LeaseRequest)

        def show(lease: Lease, is_new: bool) -> Kept:
            document = msgspec.json.encode(lease_body(lease))
            return Kept(sha256(body).digest(), 201 if is_new else 200, document)

        kept = await self._service.lease_once(wanted.holder(), wanted.wish(), key, sha256(body).digest(), show)
        return web.Response(body=kept.body, status=kept.status, content_type=JSON)

    async def undo(self, request: web.Request) -> web.Response:
        """Release what the request of an Idempotency-Key made; if it comes after this, it makes nothing."""
        key = request.headers.get("Idempotency-Key", "")
        check_key(key)
        await self._service.undo(key, made_by)
        return web.Response(status=204)

    async def get(self, request: web.Request) -> web.Response:
        """A lease; 304 for who has it as it is."""
        lease = self._service.get_lease(lease_id(request))
        if is_known(request, lease.revision):
            return web.Response(status=304, headers=tag(lease.revision))
        return shown(lease_body(lease), headers=tag(lease.revision))

    async def renew(self, request: web.Request) -> web.Response:
        """Put off the end of a lease."""
        body = await request.read()
        wanted = read(body or b"{}", request.headers.get("Content-Encoding"), RenewRequest)
        lease = await self._service.renew(lease_id(request), wanted.ttl, condition_of(request))
        return shown(lease_body(lease), headers=tag(lease.revision))

    async def release(self, request: web.Request) -> web.Response:
        """Give a lease back; with `generation` only if its owner has not got or renewed it since."""
        generation = number(request.query, "generation", 0, range(1 << 62)) if "generation" in request.query else None
        await self._service.release(lease_id(request), generation, condition_of(request))
        return web.Response(status=204)


def routes(service: Service) -> tuple[Route, ...]:
    """The routes of `/v1/leases`."""
    to = LeaseHandlers(service)
    all_leases, one_lease, renewal = "/v1/leases", "/v1/leases/{id}", "/v1/leases/{id}/renew"
    listing: Refusals = (Malformed, Invalid, UnknownPool, StoreUnavailable)
    creating: Refusals = (*READING, *ALLOCATING, KeyReused, Overtaken, *WRITING)
    undoing: Refusals = (Malformed, Conflict, *WRITING)
    renewing: Refusals = (*READING, UnknownLease, Conflict, PreconditionFailed, *WRITING)
    releasing: Refusals = (Malformed, UnknownLease, Conflict, PreconditionFailed, *WRITING)
    conditions = (*ID, IF_MATCH, IF_NONE_MATCH)
    made = {201: LeaseBody, 200: LeaseBody}
    one = {200: LeaseBody}
    seen = {200: LeaseBody, 304: None}
    return (
        Route("GET", all_leases, "List leases", to.list, {200: LeaseList}, None, FILTERS, listing),
        Route("POST", all_leases, "Create a lease", to.create, made, LeaseRequest, (*TRIAL, KEY), creating),
        Route(
            "DELETE", all_leases, "Undo a request by its Idempotency-Key", to.undo, {204: None}, None, (KEY,), undoing
        ),
        Route("GET", one_lease, "Get a lease", to.get, seen, None, (*ID, IF_NONE_MATCH), (UnknownLease,)),
        Route("POST", renewal, "Renew a lease", to.renew, one, RenewRequest, conditions, renewing),
        Route(
            "DELETE", one_lease, "Release a lease", to.release, {204: None}, None, (*conditions, GENERATION), releasing
        ),
    )


def shown_lease(outcome: tuple[Lease, bool]) -> Reply:
    """The reply with a lease, which may be new."""
    lease, is_new = outcome
    headers = (("Location", f"/v1/leases/{lease.id}"), *tag(lease.revision).items())
    return Reply(201 if is_new else 200, msgspec.json.encode(lease_body(lease)), JSON, headers)


def check_key(key: str) -> None:
    """Raise Malformed for what is no Idempotency-Key."""
    if not 0 < len(key) <= LONGEST_KEY:
        raise Malformed(f"an Idempotency-Key has 1 to {LONGEST_KEY} characters")


def made_by(kept: Kept) -> Given | None:
    """The lease that a request made, by its reply; None if the owner had it already."""
    body = msgspec.json.decode(kept.body, type=LeaseBody)
    return Given(int(body.id), body.generation) if kept.status == 201 else None


def lease_id(request: web.Request) -> int:
    """The id in the path. Raises UnknownLease for what cannot be one."""
    text = request.match_info["id"]
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise UnknownLease(f"there is no lease {text!r}", id=text)
    return int(text)


def read_query(request: web.Request) -> tuple[LeaseFilter, int, int]:
    """The filter, the id behind which the page begins, and its limit. Raises Malformed, or Invalid for no CIDR."""
    query = request.query
    labels: dict[str, str] = {}
    for text in query.getall("label", ()):
        key, equals, value = text.partition("=")
        if not equals:
            raise Malformed(f"label is KEY=VALUE, not {text!r}")
        labels[key] = value
    after = number(query, "continue", 0, range(1 << 62))
    limit = number(query, "limit", PAGE, range(1, LARGEST_PAGE + 1))
    state = query.get("state")
    if state not in (None, *STATES):
        raise Malformed(f"state is {' or '.join(STATES)}, not {state!r}")
    wanted = LeaseFilter(
        pool=query.get("pool"),
        namespace=query.get("namespace"),
        kind=query.get("kind"),
        name=query.get("name"),
        address=query.get("address"),
        within=str(read_cidr(query["within"])) if "within" in query else None,
        node=query.get("node"),
        is_permanent=STATES.get(state) if state else None,
        labels=labels,
        tag=query.get("tag"),
        text=query.get("q"),
    )
    return wanted, after, limit
