"""The admin HTTP listeners: health, readiness, metrics, profiles. GET and HEAD only.

Strategy: one listener an address, whoever has pages there. It outlives the configuration: a reload changes its pages
and the socket stays, so that no probe ever meets a closed door. New addresses are opened before old ones are closed,
and all of them or none.
"""

import asyncio
import socket
from collections.abc import Iterable, Sequence
from ssl import SSLContext

from aiohttp import web

from kdns.chain import Page
from kdns.corefile import hostport
from kdns.errors import StartError
from kdns.transport import webconfig
from kdns.transport.sockets import Endpoint, open_tcp

IDLE = 5.0  # seconds until a request has come whole, and that a stop waits for requests under way
NOT_FOUND = 404, "text/plain; charset=utf-8", b"404 page not found\n"
NOT_ALLOWED = 405, "text/plain; charset=utf-8", b"Method Not Allowed\n"

Content = tuple[int, str, bytes]


class Admin:
    """All admin listeners of the process. `idle`: seconds that a connection may take to send a request's head."""

    def __init__(self, idle: float = IDLE) -> None:
        self._open: dict[str, _Listener] = {}
        self._idle = idle

    async def serve(self, pages: Iterable[Page]) -> None:
        """Serve these pages and no others. StartError, with nothing changed, if that cannot be."""
        wanted: dict[str, list[Page]] = {}
        for page in pages:
            wanted.setdefault(page.address, []).append(page)
        contexts = {address: _context(found) for address, found in wanted.items()}
        fresh = await self._opened([address for address in wanted if address not in self._open])
        gone = [self._open.pop(address) for address in self._open.keys() - wanted.keys()]
        self._open |= fresh
        for address, listener in self._open.items():
            await listener.serve(wanted[address], contexts[address])
        for listener in gone:
            await listener.close()

    async def close(self) -> None:
        """Close every listener."""
        await self.serve(())

    async def _opened(self, addresses: Iterable[str]) -> "dict[str, _Listener]":
        opened: dict[str, list[socket.socket]] = {}
        try:
            for address in addresses:
                opened[address] = open_tcp(await _endpoint(address))
        except StartError:
            for sock in (sock for sockets in opened.values() for sock in sockets):
                sock.close()
            raise
        return {address: _Listener(sockets, self._idle) for address, sockets in opened.items()}

    def ports(self) -> dict[str, int]:
        """The port of each address as it was opened (the Corefile may say 0)."""
        return {address: listener.port for address, listener in self._open.items()}


class _Listener:
    """The sockets of one address, and an HTTP server on copies of them that can be exchanged without closing them."""

    def __init__(self, sockets: Sequence[socket.socket], idle: float) -> None:
        self._sockets = sockets
        self._pages: dict[str, list[Page]] = {}
        self._http = web.Server(self._handle, access_log=None, keepalive_timeout=idle)
        self._servers: list[asyncio.Server] = []
        self._tls: SSLContext | None = None
        self.port: int = sockets[0].getsockname()[1]

    async def serve(self, pages: Iterable[Page], tls: SSLContext | None) -> None:
        """Answer with these pages from now on. With TLS each call begins anew, since certificates may have changed."""
        self._pages = {}
        for page in pages:
            self._pages.setdefault(page.path, []).append(page)
        if self._servers and tls is None and self._tls is None:
            return
        old, self._tls = self._servers, tls
        loop = asyncio.get_running_loop()
        self._servers = [await loop.create_server(self._http, sock=sock.dup(), ssl=tls) for sock in self._sockets]
        for server in old:
            server.close()

    async def close(self) -> None:
        """Take no more requests, wait a while for those under way."""
        for server in self._servers:
            server.close()
        for sock in self._sockets:
            sock.close()
        await self._http.shutdown(IDLE)

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        pages = self._pages.get(request.path)
        if pages is None:
            status, kind, body = NOT_FOUND
        elif request.method not in ("GET", "HEAD"):
            status, kind, body = NOT_ALLOWED
        else:
            status, kind, body = await _content(pages, dict(request.query))
        return web.Response(status=status, body=body, headers={"Content-Type": kind})


async def _content(pages: Sequence[Page], query: dict[str, str]) -> Content:
    first = await pages[0].get(query)
    if not pages[0].every:
        return first
    unwell = [found for found in [first, *[await page.get(query) for page in pages[1:]]] if found[0] != 200]
    if not unwell:
        return first
    words = {word for _, _, body in unwell for word in body.split(b",")}
    return unwell[0][0], unwell[0][1], b",".join(sorted(words))


def _context(pages: Sequence[Page]) -> SSLContext | None:
    files = {page.web_config for page in pages if page.web_config is not None}
    if len(files) > 1:
        raise StartError(f"listen tcp {pages[0].address}: {len(files)} different TLS configurations")
    return webconfig.context(files.pop()) if files else None


async def _endpoint(address: str) -> Endpoint:
    """What a host:port means. A name is its first IPv4 address if it has one, as in Go."""
    host, port = hostport.split(address)
    if port.isdigit() and int(port) > 0xFFFF:  # of which the system would take the last 16 bits
        raise StartError(f"listen tcp {address}: invalid port")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host or None, port or 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror as fault:
        raise StartError(f"listen tcp {address}: {fault.strerror}") from None
    found.sort(key=lambda each: each[0] != socket.AF_INET)
    _, _, _, _, target = found[0]
    return Endpoint(str(target[0]) if host else "", int(target[1]))
