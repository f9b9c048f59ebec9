"""What a route is: one row says how a path is served and how it is documented."""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from aiohttp import web
from msgspec import Struct

from ipamd.errors import EncodedBody, IpamError, Malformed, StoreFull, StoreUnavailable, TooLarge

LARGEST_BODY = 3 << 20  # octets; the limit of a Kubernetes API server

Refusals = tuple[type[IpamError], ...]

READING: Refusals = (Malformed, EncodedBody, TooLarge)  # of every route that reads a body
WRITING: Refusals = (StoreFull, StoreUnavailable)  # of every route that changes something

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Parameter(NamedTuple):
    """A parameter in the path, in a header field or in the query; `type` as JSON Schema has it."""

    name: str
    text: str
    type: str = "string"
    is_in_path: bool = False
    is_field: bool = False


class Route(NamedTuple):
    """A method on a path. `replies` maps the status of each success to the type of its body, None for none."""

    method: str
    path: str
    summary: str
    handle: Handler
    replies: Mapping[int, type[Struct] | None]
    body: type[Struct] | None = None
    parameters: tuple[Parameter, ...] = ()
    refusals: Refusals = ()


class Surface(NamedTuple):
    """A part of what is served: the paths under these prefixes, and how they show that a request is refused.

    `refuse` gets what was raised: an IpamError, a StatusError, or the HTTPException of aiohttp for what never reached
    a handler (no such path or method, a body too large) or failed in one (status 500).
    """

    prefixes: tuple[str, ...]
    routes: tuple[web.RouteDef, ...]
    refuse: Callable[[Exception], web.Response]
