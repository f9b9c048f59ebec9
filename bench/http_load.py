"""An HTTP client that costs little: keep-alive connections, each with one request under way."""

import asyncio
import json
import time
from collections.abc import Iterable, Iterator, Sequence

CLIENTS = 64


class _Client(asyncio.Protocol):
    """One connection that sends the next request as soon as the reply to the last is whole."""

    def __init__(self, requests: Iterator[bytes], replies: list[bytes], done: asyncio.Future[None]) -> None:
        self._requests = requests
        self._replies = replies
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
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Before the end this is a fault."""
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("the server closed a connection"))

    def _send(self) -> None:
        request = next(self._requests, None)
        if request is not None:
            self._transport.write(request)
        elif not self._done.done():
            self._done.set_result(None)
            self._transport.close()


def posts_a_second(port: int, path: str, documents: Iterable[object]) -> float:
    """POST every document over CLIENTS connections to 127.0.0.1; how many a second were answered with success."""
    replies, seconds = post_all(port, path, documents)
    return len(replies) / seconds


def post_all(port: int, path: str, documents: Iterable[object]) -> tuple[list[bytes], float]:
    """The same, as the bodies of the replies, in any order, and the seconds that they took."""
    return asyncio.run(_post_all(port, [_request(path, document) for document in documents]))


async def _post_all(port: int, requests: Sequence[bytes]) -> tuple[list[bytes], float]:
    loop = asyncio.get_running_loop()
    replies: list[bytes] = []
    waiting = iter(requests)
    ends: list[asyncio.Future[None]] = [loop.create_future() for _ in range(CLIENTS)]
    begun = time.perf_counter()
    for end in ends:
        await loop.create_connection(lambda end=end: _Client(waiting, replies, end), "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*ends)
    return replies, time.perf_counter() - begun


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
