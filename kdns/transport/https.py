"""DNS over HTTPS to one upstream (RFC 8484), over persistent HTTP/1.1 connections.

The path is /dns-query. The ID is 0, as section 4.1 wants it for the sake of HTTP caches; the connection itself says
which reply belongs to which query.
"""

import base64
import ssl

import aiohttp

from kdns.errors import UpstreamError, WrongReply
from kdns.transport.address import Address
from kdns.wire import query
from kdns.wire.question import Question

MEDIA_TYPE = "application/dns-message"
MAX_MESSAGE = 65_535  # octets


class Https:
    """The client side of one upstream. `method` is POST or GET. To be made while the event loop runs."""

    proto = "tcp"

    def __init__(self, address: Address, source: str, tls: ssl.SSLContext | None, method: str, expire: float) -> None:
        self._url = f"https://{address}/dns-query"
        self._method = method
        self._server_name = address.server_name or None
        connector = aiohttp.TCPConnector(
            ssl=tls or True, local_addr=(source, 0) if source else None, keepalive_timeout=expire, use_dns_cache=False
        )
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)

    async def exchange(self, question: Question, timeout: float) -> bytes:
        """The reply's octets within `timeout` seconds. UpstreamError if there is none, WrongReply if another's."""
        if self._session.closed:
            raise UpstreamError(f"{self._method} {self._url}: use of closed network connection")
        packet = query.pack(question, 0)
        try:
            status, message = await self._fetch(packet, aiohttp.ClientTimeout(total=timeout))
        except TimeoutError:
            raise UpstreamError(f"{self._method} {self._url}: i/o timeout") from None
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamError(f"{self._method} {self._url}: {error}") from None
        if status != 200:
            raise UpstreamError(f"{self._method} {self._url}: HTTP status {status}")
        if not query.answers(message, question):
            raise WrongReply(f"{self._method} {self._url}: reply to another question")
        return message

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def _fetch(self, packet: bytes, timeout: aiohttp.ClientTimeout) -> tuple[int, bytes]:
        url, body, headers = self._url, None, {"Accept": MEDIA_TYPE}
        if self._method == "GET":
            url += "?dns=" + base64.urlsafe_b64encode(packet).rstrip(b"=").decode()
        else:
            body, headers["Content-Type"] = packet, MEDIA_TYPE
        async with self._session.request(
            self._method, url, data=body, headers=headers, timeout=timeout, server_hostname=self._server_name,
            allow_redirects=False,
        ) as response:  # fmt: skip
            return response.status, await _body(response.content)


async def _body(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    while len(body) <= MAX_MESSAGE and (chunk := await content.readany()):
        body += chunk
    return bytes(body)
