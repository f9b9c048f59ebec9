"""`/v1/check`: whether all that must hold of the store, and of what is kept of it in memory, does.

Strategy: a check reads all there is, so there is one at a time: who asks meanwhile waits for its result.
"""

import asyncio

from aiohttp import web
from msgspec import Struct

from ipamd.errors import StoreUnavailable
from ipamd.fsck import Finding
from ipamd.fsck.running import check_running
from ipamd.http.codec import shown
from ipamd.http.routes import Route
from ipamd.service import Service


class FindingBody(Struct):
    """An invariant that is broken: its name, what it is about, how it is broken, and what to do."""

    invariant: str
    subject: str
    detail: str
    remedy: str


class CheckBody(Struct):
    """The result of a check, which is sound if nothing was found."""

    sound: bool
    findings: list[FindingBody]


class CheckHandlers:
    """What is done for each route, over one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._running: asyncio.Task[list[Finding]] | None = None

    async def check(self, _request: web.Request) -> web.Response:
        """Check everything."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(check_running(self._service))
        found = await asyncio.shield(self._running)  # who goes away does not end it for the others
        return shown(CheckBody(not found, [FindingBody(*each) for each in found]))


def routes(service: Service) -> tuple[Route, ...]:
    """The route of `/v1/check`."""
    to, replies = CheckHandlers(service), {200: CheckBody}
    return (Route("GET", "/v1/check", "Check every invariant", to.check, replies, refusals=(StoreUnavailable,)),)
