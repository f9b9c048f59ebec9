"""An HTTP client that costs little: keep-alive connections, each with one request under way."""

import asyncio
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from statistics import quantiles
from typing import NamedTuple

CLIENTS = 64


class Load(NamedTuple):
    """What came of many requests: the bodies of the replies, in any order, the seconds that all of it took, and the
    seconds that each was waited for.
    """

    replies: list[bytes]
    seconds: float
    waits: list[float]

    @property
    def rate(self) -> float:
        """Replies a second."""
        return len(self.replies) / self.seconds

    @property
    def p99(self) -> float:
        """Seconds that 99 of 100 did not wait longer for."""
        return quantiles(self.waits, n=100)[98]


class _Client(asyncio.Protocol):
    """One connection that sends the next request as soon as the reply to the last is whole."""

    def __init__(
        self, requests: Iterator[bytes], replies: list[bytes], waits: list[float], done: asyncio.Future[None]
    ) -> None:
        self._requests = requests
        self._replies = replies
        self._waits = waits
        self._sent = 0.0
        self._done = done
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        """Take a reply, or a part of one."""
        self._buffer += data
        head, blank, body = self._buffer.partition(b"\r\n\r\n")
        if not blank or len(body) < _content_length(head):
            return
        self._buffer = b""
        if not head.startswith(b"HTTP/1.1 20"):
            self._done.set_exception(RuntimeError(f"refused: {(head + body).decode()}"))
            return
        self._replies.append(body)
        self._waits.append(time.perf_counter() - self._sent)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Before the end this is a fault."""
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("the server closed a connection"))

    def _send(self) -> None:
        request = next(self._requests, None)
        if request is not None:
            self._sent = time.perf_counter()
            self._transport.write(request)
        elif not self._done.done():
            self._done.set_result(None)
            self._transport.close()


def posts(port: int, path: str, documents: Iterable[object]) -> Load:
    """POST every document over CLIENTS connections to 127.0.0.1. RuntimeError if one is refused."""
    return asyncio.run(_posts(port, [_request(path, document) for document in documents]))


async def _posts(port: int, requests: Sequence[bytes]) -> Load:
    loop = asyncio.get_running_loop()
    replies: list[bytes] = []
    waits: list[float] = []
    waiting = iter(requests)
    ends: list[asyncio.Future[None]] = [loop.create_future() for _ in range(CLIENTS)]
    begun = time.perf_counter()
    for end in ends:
        client = partial(_Client, waiting, replies, waits, end)
        await loop.create_connection(client, "127.0.0.1", port)
    await asyncio.gather(*ends)
    return Load(replies, time.perf_counter() - begun, waits)


def _request(path: str, document: object) -> bytes:
    body = json.dumps(document).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
