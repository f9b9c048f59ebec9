"""`/v1/leases:batch` and `/v1/export`: many leases at once, in and out."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
from aiohttp import web

from ipamd.errors import IpamError
from ipamd.http.batch_body import read_batch
from ipamd.http.codec import BatchBody, BatchRequest, Outcome, lease_body, pool_body, problem_document, shown
from ipamd.http.leases import ALLOCATING
from ipamd.http.query import TRIAL, is_dry_run
from ipamd.http.routes import READING, WRITING, Route
from ipamd.model import Lease, LeaseFilter
from ipamd.service import Service

NDJSON = "application/x-ndjson"
SLICE = 500  # leases of an export that are read in one go, so that others are served meanwhile


class BatchHandlers:
    """What is done for each route, over one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def create(self, request: web.Request) -> web.Response:
        """Lease for many owners: all or none, or each for itself."""
        wanted = read_batch(await request.read(), request.headers.get("Content-Encoding"))
        asked = [(each.holder(), each.wish()) for each in wanted.leases]
        outcomes = await self._service.lease_batch(asked, atomic=wanted.atomic, is_trial=is_dry_run(request.query))
        return shown(BatchBody([outcome_of(each) for each in outcomes]))

    async def export(self, request: web.Request) -> web.StreamResponse:
        """Every pool, then every lease, a JSON document a line, with what it is in `kind`."""
        response = web.StreamResponse(headers={"Content-Type": NDJSON})
        await response.prepare(request)
        async for lines in self._lines():
            await response.write(lines)
        await response.write_eof()
        return response

    async def _lines(self) -> AsyncIterator[bytes]:
        pools = [{"kind": "Pool", **msgspec.to_builtins(pool_body(usage))} for usage in self._service.list_pools()]
        yield b"".join(msgspec.json.encode(pool) + b"\n" for pool in pools)
        after = 0
        while leases := self._service.list_leases(LeaseFilter(), after, SLICE):
            after = leases[-1].id
            yield b"".join(lease_line(lease) for lease in leases)
            await asyncio.sleep(0)


def routes(service: Service) -> tuple[Route, ...]:
    """The routes of many leases."""
    to = BatchHandlers(service)
    creating = (*READING, *ALLOCATING, *WRITING)
    made = {200: BatchBody}
    return (
        Route("POST", "/v1/leases:batch", "Create many leases", to.create, made, BatchRequest, TRIAL, creating),
        Route("GET", "/v1/export", "Every pool and lease, as NDJSON", to.export, {200: None}),
    )


def outcome_of(outcome: tuple[Lease, bool] | IpamError) -> Outcome:
    """What came of one lease, as it is shown."""
    if isinstance(outcome, IpamError):
        return Outcome(outcome.status, problem=problem_document(outcome))
    lease, is_new = outcome
    return Outcome(201 if is_new else 200, lease_body(lease))


def lease_line(lease: Lease) -> bytes:
    """A lease as a line of an export."""
    return msgspec.json.encode({"kind": "Lease", **msgspec.to_builtins(lease_body(lease))}) + b"\n"
