"""DNS over HTTPS to one upstream (RFC 8484): HTTP/2 where both sides speak it, otherwise persistent HTTP/1.1.

What the upstream speaks is told by the TLS handshake (ALPN) and remembered. The path is /dns-query. The ID is 0, as
section 4.1 wants it for the sake of HTTP caches; the connection itself says which reply belongs to which query.
"""

import asyncio
import base64
import ssl
from importlib import import_module
from typing import Any

import aiohttp

from kdns.errors import ConnectionEnded, UpstreamError, WrongReply
from kdns.transport.address import Address
from kdns.transport.stream import DIAL
from kdns.wire import query
from kdns.wire.question import Question

MEDIA_TYPE = "application/dns-message"
PATH = "/dns-query"
MAX_MESSAGE = 65_535  # octets
ALPN = ("h2", "http/1.1")


class Https:
    """The client side of one upstream. `method` is POST or GET. To be made while the event loop runs.

    `tls` is the context, without ALPN; `either` the same with that, for connections that may speak HTTP/2: None for
    HTTP/1.1 only. `expire` in seconds is how long a connection may be idle.
    """

    proto = "tcp"

    def __init__(
        self,
        address: Address,
        source: str,
        tls: ssl.SSLContext | None,
        either: ssl.SSLContext | None,
        method: str,
        expire: float,
    ) -> None:
        self._url = f"https://{address}{PATH}"
        self._address = address
        self._host = address.server_name or str(address)
        self._method = method
        self._source = (source, 0) if source else None
        connector = aiohttp.TCPConnector(
            ssl=tls or True, local_addr=self._source, keepalive_timeout=expire, use_dns_cache=False
        )
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        self._expire = expire
        self._either = either
        self._http2 = _library() if either is not None else None  # None: HTTP/1.1 is spoken
        self._connections: list[Any] = []
        self._opening: asyncio.Task[Any] | None = None
        self._sweeping: asyncio.TimerHandle | None = None

    async def exchange(self, question: Question, timeout: float) -> bytes:
        """The reply's octets within `timeout` seconds. UpstreamError if there is none, WrongReply if another's."""
        if self._session.closed:
            raise UpstreamError(f"{self._method} {self._url}: use of closed network connection")
        packet = query.pack(question, 0)
        try:
            async with asyncio.timeout(timeout):
                status, message = await self._fetch(packet)
        except TimeoutError:
            raise UpstreamError(f"{self._method} {self._url}: i/o timeout") from None
        except (aiohttp.ClientError, OSError, UpstreamError) as error:
            raise UpstreamError(f"{self._method} {self._url}: {error}") from None
        if status != 200:
            raise UpstreamError(f"{self._method} {self._url}: HTTP status {status}")
        if not query.answers(message, question):
            raise WrongReply(f"{self._method} {self._url}: reply to another question")
        return message

    async def close(self) -> None:
        """Close all connections."""
        if self._opening is not None:
            self._opening.cancel()
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connection in self._connections:
            connection.close()
        await self._session.close()

    async def _fetch(self, packet: bytes) -> tuple[int, bytes]:
        headers, body, path = {"accept": MEDIA_TYPE}, b"", PATH
        if self._method == "GET":
            path += "?dns=" + base64.urlsafe_b64encode(packet).rstrip(b"=").decode()
        else:
            body, headers["content-type"] = packet, MEDIA_TYPE
        while self._http2 is not None:
            connection, is_fresh = await self._connection()
            if connection is None:
                break
            try:
                return await self._over_http2(connection, path, headers, body)
            except ConnectionEnded:  # one that was used before may have been closed meanwhile
                if is_fresh:
                    raise
        return await self._over_http1(path, headers, body)

    async def _over_http2(self, connection: Any, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        head = [(":method", self._method), (":scheme", "https"), (":authority", self._host), (":path", path)]
        length = [("content-length", str(len(body)))] if body else []
        found: tuple[int, bytes] = await connection.request([*head, *headers.items(), *length], body)
        return found

    async def _over_http1(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        named = self._address.server_name
        async with self._session.request(
            self._method, f"https://{self._address}{path}", data=body or None, server_hostname=named or None,
            headers={**headers, **({"Host": named} if named else {})}, allow_redirects=False,
        ) as response:  # fmt: skip
            return response.status, await _body(response.content)

    async def _connection(self) -> tuple[Any, bool]:
        """A connection with room for a request, and whether it is new; None if the upstream speaks HTTP/1.1 only."""
        self._connections = [each for each in self._connections if not each.is_over]
        free = next((each for each in self._connections if not each.is_full), None)
        if free is not None:
            return free, False
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open())
        opened = await asyncio.shield(self._opening)
        if isinstance(opened, UpstreamError):
            raise opened
        return opened, True

    async def _open(self) -> Any:
        """A new connection, None, or why there is none: not raised, since nobody may be waiting for it any more."""
        library, address = self._http2, self._address
        assert library is not None
        try:
            async with asyncio.timeout(DIAL):
                _, opened = await asyncio.get_running_loop().create_connection(
                    lambda: library.Multiplexed(MAX_MESSAGE), address.host, address.port, ssl=self._either,
                    server_hostname=address.server_name or address.host, local_addr=self._source,
                )  # fmt: skip
        except TimeoutError:
            return UpstreamError("dial: i/o timeout")
        except OSError as fault:
            return UpstreamError(str(fault))
        finally:
            self._opening = None
        if not opened.is_spoken:
            opened.close()
            self._http2 = None
            return None
        self._connections.append(opened)
        self._sweep_later()
        return opened

    def _sweep_later(self) -> None:
        if self._sweeping is None and self._connections:
            self._sweeping = asyncio.get_running_loop().call_later(max(self._expire, 1.0), self._sweep)

    def _sweep(self) -> None:
        """Close the connections that were idle since the last time."""
        self._sweeping = None
        for connection in self._connections:
            if not connection.was_used:
                connection.close()
            connection.was_used = not connection.is_idle
        self._connections = [each for each in self._connections if not each.is_over]
        self._sweep_later()


def with_alpn(context: ssl.SSLContext) -> ssl.SSLContext:
    """A context that tells servers that HTTP/2 is spoken."""
    context.set_alpn_protocols([*ALPN])
    return context


def _library() -> Any:
    """What speaks HTTP/2, or None where the library for that is not installed."""
    try:
        return import_module("kdns.transport.multiplexed")
    except ImportError:
        return None


async def _body(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    while len(body) <= MAX_MESSAGE and (chunk := await content.readany()):
        body += chunk
    return bytes(body)
