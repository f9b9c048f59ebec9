"""The HTTP server: every surface in one application, and errors turned to replies in one place.

Strategy: a handler returns a response or raises; the one middleware has the surface that the path belongs to show what
was raised, and counts the request. A failure that nobody foresaw ends one request, with status 500 and a line in the
log, and nothing else.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ipamd.errors import IpamError, StatusError
from ipamd.http.routes import LARGEST_BODY, Surface
from ipamd.http.shortcut import Answers, Shortcut
from ipamd.metrics import Metrics

GRACE = 5.0  # seconds that requests in flight have to end when the server stops
IDLE = 75.0  # seconds until the head of a request has come, the next one of a connection too
BACKLOG = 1024

LOG = logging.getLogger(__name__)

T = TypeVar("T")
Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build(surfaces: Sequence[Surface], metrics: Metrics) -> web.Application:
    """The application. The last surface also answers for the paths that are under no prefix."""

    @web.middleware
    async def answer(request: web.Request, handler: Reply) -> web.StreamResponse:
        try:
            response = await handler(request)
        except (IpamError, StatusError, web.HTTPException) as error:
            response = surface_of(surfaces, request.path).refuse(error)
        except ConnectionError:  # the client is gone; there is nobody to answer
            raise
        except Exception:
            LOG.exception("%s %s failed", request.method, request.rel_url.raw_path)  # escaped as it came
            response = surface_of(surfaces, request.path).refuse(web.HTTPInternalServerError())
        metrics.count_request(request.method, pattern_of(request), response.status)
        return response

    application = web.Application(middlewares=[answer], client_max_size=LARGEST_BODY)
    for surface in surfaces:
        application.add_routes(surface.routes)
    return application


def surface_of(surfaces: Sequence[Surface], path: str) -> Surface:
    """The surface that a path belongs to."""
    return next((each for each in surfaces if path.startswith(each.prefixes)), surfaces[-1])


def pattern_of(request: web.Request) -> str:
    """The route of a request as it was declared, such as `/v1/leases/{id}`; empty if there is none."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else ""


def logger() -> logging.Logger:
    """Where aiohttp logs: all but the requests that are no HTTP, which are answered and are nobody's concern here."""
    made = LOG.getChild("connection")
    made.addFilter(is_no_client_error)
    return made


def is_no_client_error(record: logging.LogRecord) -> bool:
    """Whether the record is about anything else than what a client sent."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


class Server(Generic[T]):
    """An application on a TCP socket, behind the shortcut to `answers`.

    `idle`: seconds that a connection is held open for a request's head.
    """

    def __init__(self, application: web.Application, answers: Answers[T], idle: float = IDLE) -> None:
        self._answers = answers
        self._idle = idle
        self._present: set[Shortcut[T]] = set()
        self._listening: asyncio.Server | None = None
        # Compressed bodies stay compressed, to be refused: a small one could unpack to any size.
        self._runner = web.AppRunner(
            application,
            access_log=None,
            logger=logger(),
            auto_decompress=False,
            keepalive_timeout=idle,
            shutdown_timeout=GRACE,
        )

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port: the one that was free, if 0 was asked for. Raises OSError."""
        await self._runner.setup()
        full = self._runner.server
        assert full is not None

        def connection() -> Shortcut[T]:
            return Shortcut(self._answers, full, self._idle, self._present)

        self._listening = await asyncio.get_running_loop().create_server(connection, host, port, backlog=BACKLOG)
        return int(self._listening.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Accept no more, let requests in flight end, and close."""
        if self._listening is not None:
            self._listening.close()
        under_way = [done for done in [each.end() for each in [*self._present]] if done is not None]
        if under_way:
            await asyncio.wait(under_way, timeout=GRACE)
        for connection in [*self._present]:
            connection.abort()
        await self._runner.cleanup()
