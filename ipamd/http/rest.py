"""The REST surface: `/v1`, its OpenAPI document, and what operators ask: health, readiness, metrics."""

from collections.abc import Sequence
from functools import partial

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from ipamd.errors import Failed, IpamError, Malformed, MethodNotAllowed, NotFound, TooLarge
from ipamd.http import attachments, available, batches, checks, explain, history, leases, openapi, pools
from ipamd.http.codec import JSON, PROBLEM, problem
from ipamd.http.query import checked
from ipamd.http.routes import LARGEST_BODY, Route, Surface
from ipamd.http.shortcut import Answers, Reply
from ipamd.metrics import Metrics
from ipamd.model import Lease
from ipamd.service import Service

# What aiohttp refuses by itself, before a handler is reached or while it reads.
REFUSALS: dict[int, type[IpamError]] = {400: Malformed, 404: NotFound, 405: MethodNotAllowed, 413: TooLarge}


def surface(service: Service, metrics: Metrics, further: Sequence[Route] = ()) -> Surface:
    """Everything but the Kubernetes paths; `further` are routes that need more than the service."""
    documented = (
        *pools.routes(service),
        *leases.routes(service),
        *batches.routes(service),
        *available.routes(service),
        *explain.routes(service),
        *attachments.routes(service),
        *history.routes(service),
        *checks.routes(service),
        *further,
    )
    description = msgspec.json.encode(openapi.document(documented))

    async def describe(_request: web.Request) -> web.Response:
        return web.Response(body=description, content_type=JSON)

    async def health(_request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def readiness(_request: web.Request) -> web.Response:
        # The pools are loaded before the server listens; what may fail since then is the store.
        revision = service.store.view(lambda view: view.revision)
        return web.Response(text=f"ok, revision {revision}")

    async def scrape(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    return Surface(
        prefixes=("/v1/",),
        routes=(
            *(web.route(route.method, route.path, checked(route)) for route in documented),
            web.get("/openapi.json", describe),
            web.get("/healthz", health),
            web.get("/readyz", readiness),
            web.get("/metrics", scrape),
        ),
        refuse=refuse,
    )


def answers(service: Service, metrics: Metrics) -> Answers[tuple[Lease, bool]]:
    """What the shortcut for new leases does."""
    handlers = leases.LeaseHandlers(service)
    return Answers(handlers.submit, leases.shown_lease, refused, partial(metrics.count_request, "POST", "/v1/leases"))


def refused(error: IpamError) -> Reply:
    """A problem document, apart from aiohttp."""
    response = problem(error)
    assert isinstance(response.body, bytes)
    further = tuple((name, value) for name, value in response.headers.items() if name == "Retry-After")
    return Reply(response.status, response.body, PROBLEM, further)


def refuse(error: Exception) -> web.Response:
    """A problem document for whatever was raised."""
    if isinstance(error, IpamError):
        return problem(error)
    status = error.status if isinstance(error, web.HTTPException) else 500
    kind = REFUSALS.get(status, Failed)
    return problem(kind(kind.title if kind is not TooLarge else f"a body has at most {LARGEST_BODY} octets"))
