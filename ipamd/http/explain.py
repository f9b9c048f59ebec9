"""`/v1/explain`: what a lease would get now, and why not from another pool."""

from aiohttp import web

from ipamd.errors import Invalid, UnknownPool
from ipamd.http.codec import Explanation, LeaseRequest, explanation, read, shown
from ipamd.http.routes import READING, Route
from ipamd.service import Service


def routes(service: Service) -> tuple[Route, ...]:
    """The one route."""

    async def explain(request: web.Request) -> web.Response:
        wanted = read(await request.read(), request.headers.get("Content-Encoding"), LeaseRequest)
        return shown(explanation(await service.explain(wanted.holder(), wanted.wish())))

    refusals = (*READING, UnknownPool, Invalid)
    summary = "Explain what a lease would get"
    return (Route("POST", "/v1/explain", summary, explain, {200: Explanation}, LeaseRequest, refusals=refusals),)
