"""The shortest way for the request that comes most: `POST /v1/leases`, from the octets to the reply.

Strategy: a connection begins here. As long as its requests are plain ones (this very path, no header but those that a
client sends out of habit, a body of announced length) they are answered here, one after the other. The first that is
anything else is handed to the full server unread, and the connection with it, for good: what is odd, malformed or
hostile is so judged in one place, and nothing here has to be lenient.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import time
from typing import Generic, NamedTuple, TypeVar, cast

from ipamd.errors import Failed, IpamError
from ipamd.http.routes import LARGEST_BODY

T = TypeVar("T")

REQUEST_LINE = b"POST /v1/leases HTTP/1.1\r\n"
END_OF_HEAD = b"\r\n\r\n"
LARGEST_HEAD = 2048  # octets; a longer one is not plain
READ_AHEAD = 64 << 10  # octets of later requests that are taken in while one is answered

# A field line as RFC 9112 section 5 has it, of visible ASCII; folded lines and spaces before the colon do not match.
FIELD = re.compile(rb"([A-Za-z-]+):[ \t]*([ -~]*)")
HABITUAL = frozenset(
    b"accept accept-encoding accept-language connection content-length content-type host user-agent".split()
)
LENGTH = re.compile(rb"[0-9]{1,7}")

LOG = logging.getLogger(__name__)


class Reply(NamedTuple):
    """What is answered: status, body with its type, and further header fields."""

    status: int
    body: bytes
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()


class Answers(NamedTuple, Generic[T]):
    """What is done with a body, how what came of it is shown, what a refusal is replied, and who counts the status.

    `submit` may raise a refusal at once, or have the future raise it.
    """

    submit: Callable[[bytes], asyncio.Future[T]]
    show: Callable[[T], Reply]
    refuse: Callable[[IpamError], Reply]
    counted: Callable[[int], None]


class Shortcut(asyncio.Protocol, Generic[T]):
    """One connection. `server` makes the protocol that takes over; `idle`: seconds without a request it may last."""

    def __init__(
        self, answers: Answers[T], server: Callable[[], asyncio.Protocol], idle: float, present: "set[Shortcut[T]]"
    ) -> None:
        self._answers = answers
        self._server = server
        self._idle = idle
        self._present = present
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._heard = self._loop.time()
        self._under_way: asyncio.Future[T] | None = None
        self._is_writable = True
        self._is_ending = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by its methods only
        self._timer = self._loop.call_later(self._idle, self._look)
        self._present.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone. What it asked for may still be done, as a request that was read has to be."""
        self._leave()

    def data_received(self, data: bytes) -> None:
        """Take in a request, or a part of one."""
        self._buffer = self._buffer + data if self._buffer else data
        self._heard = self._loop.time()
        if self._under_way is None and self._is_writable:
            self._go_on()
        elif len(self._buffer) > READ_AHEAD:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """The client sends no more, and may still wait for a reply."""
        self.end()
        return True

    def pause_writing(self) -> None:
        """The client does not read its replies: no further request of it is looked at."""
        self._is_writable = False

    def resume_writing(self) -> None:
        """It does again."""
        self._is_writable = True
        self._transport.resume_reading()
        self._go_on()

    def end(self) -> asyncio.Future[T] | None:
        """Close the connection once what is under way, which is returned, has been answered."""
        self._is_ending = True
        if self._under_way is None:
            self._transport.close()
        return self._under_way

    def abort(self) -> None:
        """Close the connection now."""
        self._transport.abort()

    def _go_on(self) -> None:
        """Begin with the next request, if it is there whole."""
        buffer = self._buffer
        if self._under_way is not None or not buffer or not self._is_writable:
            return
        end = buffer.find(END_OF_HEAD, 0, LARGEST_HEAD)
        length = None if end < 0 else body_length(buffer[: end + 2])
        if length is None:
            self._hand_over()
            return
        begin = end + len(END_OF_HEAD)
        if len(buffer) >= begin + length:
            self._buffer = buffer[begin + length :]
            self._under_way = self._submitted(buffer[begin : begin + length])
            self._under_way.add_done_callback(self._answered)

    def _submitted(self, body: bytes) -> asyncio.Future[T]:
        try:
            return self._answers.submit(body)
        except IpamError as refusal:
            refused: asyncio.Future[T] = self._loop.create_future()
            refused.set_exception(refusal)
            return refused

    def _answered(self, done: asyncio.Future[T]) -> None:
        """Send what came of a request, and look for the next."""
        self._under_way = None
        error = done.exception()
        reply = self._answers.show(done.result()) if error is None else self._refusal(error)
        self._answers.counted(reply.status)
        if self._transport.is_closing():
            return
        self._transport.write(written(reply))
        if self._is_ending:
            self._transport.close()
            return
        self._transport.resume_reading()
        self._go_on()

    def _refusal(self, error: BaseException) -> Reply:
        if isinstance(error, IpamError):
            return self._answers.refuse(error)
        LOG.error("POST /v1/leases failed", exc_info=error)
        return self._answers.refuse(Failed(Failed.title))

    def _hand_over(self) -> None:
        """Leave the connection, and what came of it that was not answered, to the full server."""
        self._leave()
        server = self._server()
        self._transport.resume_reading()
        self._transport.set_protocol(server)
        server.connection_made(self._transport)
        server.data_received(self._buffer)

    def _leave(self) -> None:
        self._timer.cancel()
        self._present.discard(self)

    def _look(self) -> None:
        """Close the connection if it has been idle for long enough, or else look again when it may have been."""
        rest = self._heard + self._idle - self._loop.time()
        if self._under_way is not None:
            rest = self._idle
        elif rest <= 0:
            self._transport.close()
            return
        self._timer = self._loop.call_later(rest, self._look)


@lru_cache(maxsize=4096)
def body_length(head: bytes) -> int | None:
    """The octets of the body behind the head of a plain request; None if the request is not plain.

    `head` goes up to and including the end of its last field line. Clients send the same head again and again.
    """
    if not head.startswith(REQUEST_LINE):
        return None
    fields: dict[bytes, bytes] = {}
    for line in head[len(REQUEST_LINE) : -2].split(b"\r\n"):
        field = FIELD.fullmatch(line)
        name = field[1].lower() if field is not None else b""
        if field is None or name not in HABITUAL or name in fields:
            return None
        fields[name] = field[2].rstrip()
    length = fields.get(b"content-length", b"")
    is_kept = fields.get(b"connection", b"keep-alive").lower() == b"keep-alive"
    if b"host" not in fields or not is_kept or not LENGTH.fullmatch(length) or int(length) > LARGEST_BODY:
        return None
    return int(length)


def written(reply: Reply) -> bytes:
    """The octets of a reply (RFC 9112 section 4)."""
    head = [
        f"HTTP/1.1 {reply.status} {phrase(reply.status)}",
        f"Content-Type: {reply.content_type}",
        *(f"{name}: {value}" for name, value in reply.headers),
        f"Content-Length: {len(reply.body)}",
        f"Date: {date(int(time()))}",
    ]
    return "\r\n".join(head).encode() + END_OF_HEAD + reply.body


@lru_cache(maxsize=64)
def phrase(status: int) -> str:
    """The reason phrase of a status."""
    return HTTPStatus(status).phrase


@lru_cache(maxsize=1)
def date(second: int) -> str:
    """A time, in seconds since the epoch, as header fields have it (RFC 9110 section 5.6.7)."""
    return formatdate(second, usegmt=True)
