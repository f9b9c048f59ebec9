"""`/v1/history`: who had an address when, and what an owner had.

Strategy: a question names an address or an owner, so that an index answers it. The tenures that began last come first;
who wants those before them asks again up to the time that is told.
"""

from datetime import UTC, datetime

import msgspec
from aiohttp import web
from msgspec import UNSET, Struct, UnsetType

from ipamd.errors import Invalid, Malformed
from ipamd.http.codec import OwnerBody, owner_body, rfc3339, shown
from ipamd.http.leases import LARGEST_PAGE, PAGE
from ipamd.http.query import number
from ipamd.http.routes import Parameter, Refusals, Route
from ipamd.model import Tenure, TenureFilter
from ipamd.ranges import read_address
from ipamd.service import Service

PARAMETERS = (
    Parameter("address", "whose tenures, and those of the blocks that it lies in"),
    Parameter("owner", "NAME, KIND/NAME or KIND/NAMESPACE/NAME, whose tenures"),
    Parameter("at", "only who had it at this time (RFC 3339; UTC unless it says otherwise)"),
    Parameter("since", "only what lasted after this time"),
    Parameter("until", "only what had begun by this time"),
    Parameter("limit", f"tenures at most, 1 to {LARGEST_PAGE}", type="integer"),
)

MILLISECOND = 0.001  # times are shown so exactly: what is asked for up to one is asked for up to its end


class TenureBody(Struct):
    """Who had an address, or a block, from when to when; `until`, `ended` and `reason` are absent while it lasts.

    `lease` is the id of the lease, `ended` the revision with which its owner lost it.
    """

    lease: str
    pool: str
    address: str
    prefix_length: int
    owner: OwnerBody
    since: str
    until: str | UnsetType = UNSET
    ended: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class History(Struct):
    """Tenures, those that began last first. `more` tells that there are earlier ones, begun by `until`."""

    tenures: list[TenureBody]
    more: bool
    until: str | UnsetType = UNSET


class HistoryHandlers:
    """What is done for each route, over one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def find(self, request: web.Request) -> web.Response:
        """The tenures that are asked for."""
        wanted = read_query(request)
        limit = number(request.query, "limit", PAGE, range(1, LARGEST_PAGE + 1))
        found = self._service.store.view(lambda view: view.tenures(wanted, limit + 1))
        page = History([tenure_body(each) for each in found[:limit]], more=len(found) > limit)
        if page.more:
            page.until = rfc3339(found[limit].since)
        return shown(page)


def routes(service: Service) -> tuple[Route, ...]:
    """The route of `/v1/history`."""
    refusals: Refusals = (Malformed, Invalid)
    to = HistoryHandlers(service)
    return (Route("GET", "/v1/history", "Find who had what", to.find, {200: History}, None, PARAMETERS, refusals),)


def read_query(request: web.Request) -> TenureFilter:
    """What is asked for. Raises Malformed, or Invalid for an address that is none."""
    address, owner = request.query.get("address"), request.query.get("owner")
    if not (address or owner):
        raise Malformed("name an address or an owner")
    times = {name: read_time(name, request.query[name]) for name in ("at", "since", "until") if name in request.query}
    if "at" in times and len(times) > 1:
        raise Malformed("at is a time of its own: name it, or since and until")
    kind, namespace, named = read_owner(owner) if owner else (None, None, None)
    until = times.get("at", times.get("until"))
    return TenureFilter(
        address=str(read_address(address)) if address else None,
        kind=kind,
        namespace=namespace,
        name=named,
        since=times.get("at", times.get("since")),
        until=None if until is None else until + MILLISECOND,
    )


def read_owner(text: str) -> tuple[str | None, str | None, str]:
    """Kind, namespace and name of NAME, KIND/NAME or KIND/NAMESPACE/NAME; None for what is not said.

    A name may have slashes in it, as that of an attachment has, if a namespace stands before it.
    """
    parts = text.split("/", 2)
    if not all(parts):
        raise Malformed(f"an owner is NAME, KIND/NAME or KIND/NAMESPACE/NAME, not {text!r}")
    return (parts[0] if parts[1:] else None, parts[1] if parts[2:] else None, parts[-1])


def read_time(name: str, text: str) -> float:
    """A time (RFC 3339, or its date alone) in seconds since the epoch; in UTC unless it says otherwise."""
    try:
        time = datetime.fromisoformat(text.replace(" ", "+"))  # a plus sign that was not escaped is a space
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise Malformed(f"{name} is a time such as 2026-11-01T12:00:00Z, not {text!r}") from None


def tenure_body(tenure: Tenure) -> TenureBody:
    """A tenure as it is shown."""
    body = TenureBody(
        lease=str(tenure.lease),
        pool=tenure.pool,
        address=tenure.address,
        prefix_length=tenure.prefix_length,
        owner=owner_body(tenure.owner),
        since=rfc3339(tenure.since),
    )
    if tenure.until is None:
        return body
    return msgspec.structs.replace(body, until=rfc3339(tenure.until), ended=str(tenure.ended), reason=tenure.reason)
