"""`/v1/reconcile`, `/v1/witnesses` and `/v1/backup`: what keeps the store and the world of one mind."""

import asyncio
import os
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from ipamd.errors import StoreUnavailable
from ipamd.http.codec import LeaseBody, Name, Scope, Word, lease_body, read, rfc3339, shown
from ipamd.http.routes import READING, WRITING, Refusals, Route
from ipamd.reconciling import Decision, Reconciler
from ipamd.service import Service
from ipamd.witnesses import Subject, Suspect

CHUNK = 1 << 18  # octets of a backup sent at once
LARGEST_LIST = 100_000  # names in one report


class WitnessRequest(Struct, forbid_unknown_fields=True):
    """Every owner of a kind that there is now, in a namespace or network, on a node (empty: those on none).

    An empty list says that there are none. What is not in the list is suspected, and freed once a later list has not
    got it either.
    """

    names: Annotated[list[Name], Meta(max_length=LARGEST_LIST)]
    kind: Word = "Attachment"
    namespace: Scope = ""
    node: Scope = ""


class ReconcileRequest(Struct, forbid_unknown_fields=True):
    """What to do: free what is due, and go on with a store that is an old copy."""

    free: bool = True
    accept_rollback: bool = False


class SuspectBody(Struct):
    """A lease whose owner is said to be gone: why, since when, and whether it is due to be freed."""

    lease: LeaseBody
    why: str
    since: str
    due: bool


class ReconcileBody(Struct):
    """What is suspected, what was freed by this request, and why the store is an old copy, if it is one.

    A suspect is due once its owner was said to be gone at two times that lie `grace` seconds apart.
    """

    suspects: list[SuspectBody]
    freed: list[LeaseBody]
    grace: float
    old_copy: str


class ReconcileHandlers:
    """What is done for each route, over one reconciler."""

    def __init__(self, reconciler: Reconciler, service: Service) -> None:
        self._reconciler = reconciler
        self._service = service

    async def look(self, _request: web.Request) -> web.Response:
        """What would be freed."""
        return self._show(await self._reconciler.look(), [])

    async def free(self, request: web.Request) -> web.Response:
        """Free what is due, or have an old copy of the store go on."""
        wanted = read(await request.read() or b"{}", request.headers.get("Content-Encoding"), ReconcileRequest)
        if wanted.accept_rollback:
            await self._reconciler.accept_age()
        if not wanted.free:
            return self._show(await self._reconciler.look(), [])
        return self._show(*await self._reconciler.free())

    async def report(self, request: web.Request) -> web.Response:
        """Take a list of owners."""
        given = read(await request.read(), request.headers.get("Content-Encoding"), WitnessRequest)
        await self._reconciler.report(Subject(given.kind, given.namespace, given.node), frozenset(given.names))
        return web.Response(status=204)

    async def backup(self, request: web.Request) -> web.StreamResponse:
        """Send a copy of the store that is consistent in itself.

        A thread reads it, a piece at a time as the client takes them: the disk keeps nobody else waiting.
        """
        with await self._service.store.copy() as file:
            size = os.fstat(file.fileno()).st_size
            headers = {"Content-Type": "application/vnd.sqlite3", "Content-Length": str(size)}
            response = web.StreamResponse(headers=headers)
            await response.prepare(request)
            while piece := await asyncio.to_thread(file.read, CHUNK):
                await response.write(piece)
            return response

    def _show(self, decisions: list[Decision], freed: list[Suspect]) -> web.Response:
        suspects = [
            SuspectBody(lease_body(each.suspect.lease), each.suspect.word.why, rfc3339(each.since), each.is_due)
            for each in decisions
        ]
        leases = [lease_body(each.lease) for each in freed]
        return shown(ReconcileBody(suspects, leases, self._reconciler.grace, self._reconciler.old_because))


def routes(reconciler: Reconciler, service: Service) -> tuple[Route, ...]:
    """The routes of reconciliation and backup."""
    to = ReconcileHandlers(reconciler, service)
    path, replies = "/v1/reconcile", {200: ReconcileBody}
    writing: Refusals = (*READING, *WRITING)
    return (
        Route("GET", path, "Show leases without owners", to.look, replies, refusals=(StoreUnavailable,)),
        Route("POST", path, "Free leases without owners", to.free, replies, ReconcileRequest, refusals=writing),
        Route("POST", "/v1/witnesses", "Report owners", to.report, {204: None}, WitnessRequest, refusals=READING),
        Route("GET", "/v1/backup", "Get a copy of the store", to.backup, {200: None}, refusals=WRITING),
    )
