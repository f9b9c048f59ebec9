"""The plugin socket on which dockerd calls: HTTP on a Unix socket.

Strategy: aiohttp reads the requests, whose Host header is empty and whose bodies may be; the reply is always 200 with a
document. A failure that nobody foresaw is told as an error too, and its trace is in the log.
"""

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
from aiohttp import web

from ipamd.errors import StartError
from ipamd.http.routes import Surface
from ipamd.http.server import build
from ipamd.json import Object
from ipamd.metrics import Metrics
from ipamd.unix_sockets import bind

LOG = logging.getLogger(__name__)

JSON = "application/vnd.docker.plugins.v1.2+json"
GRACE = 5.0  # seconds that requests in flight have to end when the listener stops

Answer = Callable[[str, bytes], Awaitable[Object]]
"""What is done for a call: its method, and the body."""


class Listener:
    """A socket at a path, for the owner of the daemon alone."""

    def __init__(self, answer: Answer, metrics: Metrics) -> None:
        async def handle(request: web.Request) -> web.Response:
            return shown(await answer(request.match_info["method"], await request.read()))

        surface = Surface(prefixes=("/",), routes=(web.post("/{method}", handle),), refuse=refuse)
        self._runner = web.AppRunner(build([surface], metrics), access_log=None, shutdown_timeout=GRACE)

    async def start(self, path: Path) -> None:
        """Listen. Raises StartError if that cannot be, or if somebody listens there already."""
        await self._runner.setup()
        try:
            await web.SockSite(self._runner, bind(path)).start()
        except OSError as error:
            raise StartError(f"cannot listen on {path}: {error.strerror or error}") from None

    async def stop(self) -> None:
        """Accept no more, and let the requests in flight end."""
        await self._runner.cleanup()


def shown(document: Object) -> web.Response:
    """A reply."""
    return web.Response(body=msgspec.json.encode(document), content_type=JSON)


def refuse(error: Exception) -> web.Response:
    """What is told of a request that reached no method, or that failed."""
    status = error.status if isinstance(error, web.HTTPException) else 500
    return shown({"Error": "ipamd failed; its log tells more" if status >= 500 else f"invalid request: {error}"})
