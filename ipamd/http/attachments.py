"""`/v1/attachments`: the interfaces of containers, taken over from another IPAM plugin."""

from functools import partial

from aiohttp import web
from msgspec import Struct

from ipamd.cni.adding import Sources
from ipamd.cni.importing import ImportRequest, import_in
from ipamd.cni.networks import Networks
from ipamd.errors import Conflict
from ipamd.http.codec import read, shown
from ipamd.http.query import TRIAL, is_dry_run
from ipamd.http.routes import READING, WRITING, Refusals, Route
from ipamd.service import Service
from ipamd.stores import tried


class ImportReply(Struct):
    """How much was taken over."""

    attachments: int
    addresses: int


class AttachmentHandlers:
    """What is done for each route, over one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._sources = Sources(service, Networks(service.pools))

    async def take_over(self, request: web.Request) -> web.Response:
        """Take over attachments with their addresses, all of them or none."""
        wanted = read(await request.read(), request.headers.get("Content-Encoding"), ImportRequest)
        store, change = self._service.store, partial(import_in, sources=self._sources, request=wanted)
        return shown(ImportReply(*await (tried(store, change) if is_dry_run(request.query) else store.update(change))))


def routes(service: Service) -> tuple[Route, ...]:
    """The routes of `/v1/attachments`."""
    to = AttachmentHandlers(service)
    importing: Refusals = (*READING, Conflict, *WRITING)
    summary, replies = "Take attachments over", {200: ImportReply}
    return (
        Route("POST", "/v1/attachments:import", summary, to.take_over, replies, ImportRequest, TRIAL, importing),
    )  # fmt: skip
