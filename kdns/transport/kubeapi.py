"""GET requests to a Kubernetes API server: one HTTP client for all reflectors of a plugin.

Strategy: whatever can go wrong on the way (TCP, TLS, HTTP, a refusal, a compressed body that nobody asked for) becomes
an ApiError here, in one place. Credentials are read for every request. A peer that vanished without a word is noticed
by TCP keepalive within half a minute, long before a watch's own time is up.
"""

import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from time import monotonic

import aiohttp
from yarl import URL

from kdns import VERSION
from kdns.errors import ApiError
from kdns.metrics import Metrics
from kdns.transport.access import Access
from kdns.transport.listwatch import MAX_PAGE, Status, decode

CONNECT_SECONDS = 10.0
LIST_SECONDS = 60.0  # the longest silence within a list: what the API server itself gives a request
MAX_REFUSAL = 64 << 10  # octets of an error's body that are read
CHUNK = 256 << 10  # octets that may wait to be read
KEEPALIVE = ((socket.TCP_KEEPIDLE, 15), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))  # seconds, seconds, probes
HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": f"kdns/{VERSION} (kubernetes-plugin)",
}


class KubeApi:
    """An API server as its clients see it. Nothing is opened before the first request; `close` it at the end."""

    def __init__(self, access: Access, metrics: Metrics, clock: Callable[[], float] = monotonic) -> None:
        self._access = access
        self._clock = clock
        self._requests = metrics.family("kubernetes_rest_client_requests_total")
        self._durations = metrics.histogram("kubernetes_rest_client_request_duration_seconds")
        self._held_back = metrics.histogram("kubernetes_rest_client_rate_limiter_duration_seconds")
        self._session: aiohttp.ClientSession | None = None

    async def read(self, path: str, query: Mapping[str, str]) -> bytearray:
        """The whole body of the answer, at most MAX_PAGE octets. ApiError whatever goes wrong."""
        body = bytearray()
        async with self.stream(path, query, LIST_SECONDS) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > MAX_PAGE:
                    raise ApiError(f"a list of more than {MAX_PAGE} octets")
        return body

    @asynccontextmanager
    async def stream(self, path: str, query: Mapping[str, str], silence: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body of the answer as its octets come. ApiError whatever goes wrong, also within the `async with` body.

        `silence` is how many seconds may pass without an octet before the server is taken for dead.
        """
        self._held_back.observe(("GET", self._access.host), 0)  # a reflector has one request under way, and none waits
        with _mapped():
            started = self._clock()
            async with await self._get(path, query, silence) as response:
                self._durations.observe(("GET", self._access.host), self._clock() - started)
                self._requests.add((str(response.status), "GET", self._access.host))
                await _refuse(response)
                yield response.content.iter_any()

    async def close(self) -> None:
        """Drop every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _get(self, path: str, query: Mapping[str, str], silence: float) -> aiohttp.ClientResponse:
        token = self._access.bearer()
        try:
            return await self._connected().get(
                URL(self._access.url + path).with_query(query),
                headers={"Authorization": f"Bearer {token}"} if token else {},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=silence),
                server_hostname=self._access.server_name,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError) as failure:
            self._requests.add(("<error>", "GET", self._access.host))
            if isinstance(failure, aiohttp.ClientSSLError):
                await self.close()  # the next request reads the certificates again: they may have been rotated
            raise

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._access.tls() or True, socket_factory=_socket)
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers=HEADERS,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                read_bufsize=CHUNK,
            )
        return self._session


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except TimeoutError as late:
        raise ApiError(f"no word from the API server: {late}" if str(late) else "no word from the API server") from late
    except (aiohttp.ClientError, OSError) as failure:
        raise ApiError(str(failure) or type(failure).__name__) from failure


async def _refuse(response: aiohttp.ClientResponse) -> None:
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity":  # nobody asked for it, and a few octets could become gigabytes
        raise ApiError(f"the API server sent a body in the encoding {encoding!r}")
    if response.status != 200:
        said = await _said(response)
        retry_after = response.headers.get("Retry-After", "")
        wait = float(retry_after) if retry_after.isdecimal() else 0.0
        raise ApiError(f"HTTP status {response.status}: {said}", status=response.status, retry_after=wait)


async def _said(response: aiohttp.ClientResponse) -> str:
    """What a refusal says of itself: a Status' message, or the body's first words."""
    body = await response.content.read(MAX_REFUSAL)
    try:
        return decode(body, Status).message or str(response.reason)
    except ApiError:
        return body[:200].decode(errors="replace").strip() or str(response.reason)


def _socket(address: tuple[int, int, int, str, object]) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE:
        made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made
