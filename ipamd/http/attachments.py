"""`/v1/attachments`: the interfaces of containers, taken over from another IPAM plugin."""

from functools import partial

import msgspec
from aiohttp import web
from msgspec import Struct

from ipamd.cni.adding import Daemon
from ipamd.cni.importing import Imported, ImportRequest, import_in
from ipamd.cni.networks import Networks
from ipamd.errors import Conflict, DryRun, Malformed
from ipamd.http.codec import JSON, read, shown
from ipamd.http.routes import READING, WRITING, Parameter, Refusals, Route
from ipamd.service import Service
from ipamd.stores import Tx

DRY_RUN = (Parameter("dryRun", "All: say what would come of it, and change nothing"),)


class ImportReply(Struct):
    """How much was taken over."""

    attachments: int
    addresses: int


class AttachmentHandlers:
    """What is done for each route, over one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._daemon = Daemon(service, Networks(service.pools))

    async def take_over(self, request: web.Request) -> web.Response:
        """Take over attachments with their addresses, all of them or none."""
        wanted = read(await request.read(), request.headers.get("Content-Encoding"), ImportRequest)
        trying = request.query.get("dryRun")
        if trying not in (None, "All"):
            raise Malformed(f"dryRun is All, not {trying!r}")
        try:
            taken = await self._service.store.update(partial(self._take_over, wanted=wanted, trying=bool(trying)))
        except DryRun as tried:
            return web.Response(body=tried.body, content_type=JSON)
        return shown(ImportReply(*taken))

    def _take_over(self, tx: Tx, wanted: ImportRequest, trying: bool) -> Imported:
        taken = import_in(tx, self._daemon, wanted)
        if trying:
            raise DryRun(msgspec.json.encode(ImportReply(*taken)))
        return taken


def routes(service: Service) -> tuple[Route, ...]:
    """The routes of `/v1/attachments`."""
    to = AttachmentHandlers(service)
    importing: Refusals = (*READING, Conflict, *WRITING)
    summary, replies = "Take attachments over", {200: ImportReply}
    return (
        Route("POST", "/v1/attachments:import", summary, to.take_over, replies, ImportRequest, DRY_RUN, importing),
    )  # fmt: skip
