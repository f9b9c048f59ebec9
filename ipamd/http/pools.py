"""`/v1/pools`: pools over REST."""

from collections.abc import Mapping

from aiohttp import web

from ipamd.errors import AlreadyExists, Invalid, Malformed, PoolInUse, PoolOverlap, PreconditionFailed, UnknownPool
from ipamd.http.codec import PoolBody, PoolList, PoolRequest, pool_body, read, shown
from ipamd.http.conditions import IF_MATCH, IF_NONE_MATCH, condition_of, tag
from ipamd.http.query import flag
from ipamd.http.routes import READING, WRITING, Parameter, Refusals, Route
from ipamd.service import Service, Usage

FORECAST = (Parameter("forecast", "`true`: show as `full_at` when each pool will be full", type="boolean"),)
NAME = (Parameter("name", "of the pool", is_in_path=True),)


class PoolHandlers:
    """What is done for each route, over one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def list(self, request: web.Request) -> web.Response:
        """All pools and how full they are; with `forecast` also when they will be full."""
        usages, times = self._service.list_pools(), {}
        for usage in usages if flag(request.query, "forecast") else ():
            times[usage.pool.name] = await self._service.forecast(usage.pool.name)
        return shown(PoolList([pool_body(usage, times.get(usage.pool.name)) for usage in usages]))

    async def create(self, request: web.Request) -> web.Response:
        """Add a pool."""
        wanted = read(await request.read(), request.headers.get("Content-Encoding"), PoolRequest)
        if not wanted.name:
            raise Invalid("a pool has a name")
        usage = await self._service.create_pool(wanted.pool())
        return self._shown(usage, 201, {"Location": f"/v1/pools/{usage.pool.name}"})

    async def get(self, request: web.Request) -> web.Response:
        """A pool and how full it is."""
        return self._shown(self._service.pool(request.match_info["name"]))

    async def replace(self, request: web.Request) -> web.Response:
        """Make a pool what is given: grow it, drain it, shrink it where nothing stands."""
        wanted = read(await request.read(), request.headers.get("Content-Encoding"), PoolRequest)
        pool = wanted.pool(request.match_info["name"])
        usage, is_new = await self._service.replace_pool(pool, condition_of(request))
        return self._shown(usage, 201 if is_new else 200)

    async def delete(self, request: web.Request) -> web.Response:
        """Take away a pool in which no lease stands."""
        await self._service.delete_pool(request.match_info["name"], condition_of(request))
        return web.Response(status=204)

    def _shown(self, usage: Usage, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
        """A pool; its entity tag is of its settings, not of its counts."""
        revision = self._service.pool_revision(usage.pool.name)
        tagged = {} if revision is None else tag(revision)
        return shown(pool_body(usage), status, {**(headers or {}), **tagged})


def routes(service: Service) -> tuple[Route, ...]:
    """The routes of `/v1/pools`."""
    to = PoolHandlers(service)
    all_pools, one_pool = "/v1/pools", "/v1/pools/{name}"
    creating: Refusals = (*READING, Invalid, AlreadyExists, PoolOverlap, *WRITING)
    replacing: Refusals = (*READING, Invalid, PoolInUse, PoolOverlap, PreconditionFailed, *WRITING)
    conditions = (*NAME, IF_MATCH, IF_NONE_MATCH)
    replaced = {200: PoolBody, 201: PoolBody}
    deleting: Refusals = (UnknownPool, PoolInUse, PreconditionFailed, *WRITING)
    return (
        Route("GET", all_pools, "List pools", to.list, {200: PoolList}, None, FORECAST, (Malformed,)),
        Route("POST", all_pools, "Create a pool", to.create, {201: PoolBody}, PoolRequest, refusals=creating),
        Route("GET", one_pool, "Get a pool", to.get, {200: PoolBody}, parameters=NAME, refusals=(UnknownPool,)),
        Route("PUT", one_pool, "Make or change a pool", to.replace, replaced, PoolRequest, conditions, replacing),
        Route("DELETE", one_pool, "Delete a pool", to.delete, {204: None}, parameters=conditions, refusals=deleting),
    )
