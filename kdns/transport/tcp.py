"""DNS over TCP, and over TLS when the listener has a context: queries of a connection answered one after another.

A Protocol, not streams (five times the cost). Pipelined queries wait in order; while many wait, the socket is not read,
so a client that sends without reading holds only its own connection. A reply of several messages is written as the
client takes them.
"""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterator
from typing import cast

from kdns.answer import Answers, Sent
from kdns.chain import Client
from kdns.memo import Memo
from kdns.transport.acceptor import Acceptor
from kdns.transport.proxied import Proxying
from kdns.transport.timeouts import Timeouts
from kdns.wire.frame import Frames, framed
from kdns.wire.proxy import Ends

MAX_WAITING = 128  # queries of one connection taken from the socket and not yet answered


class TcpConnection(asyncio.Protocol):
    """One client's connection, as the client or a proxy has it. `gone` is called when it is lost."""

    def __init__(
        self,
        answers: Answers,
        memo: Memo,
        clock: Callable[[], float],
        timeouts: Timeouts,
        ends: Ends,
        gone: Callable[["TcpConnection"], None],
    ) -> None:
        self._answers = answers
        self._memo = memo
        self._clock = clock
        self._timeouts = timeouts
        self._client = Client(*ends.source, "tcp", *ends.destination)
        self._gone = gone
        self._left = timeouts.max_queries
        self._frames = Frames()
        self._waiting: deque[bytes] = deque()
        self._busy = False  # a query is being answered
        self._sending: Iterator[bytes] | None = None  # the messages that a reply still has
        self._looping = False  # _answer_waiting is on the stack
        self._ended = False  # no more queries are wanted or coming
        self._paused_since: float | None = None
        self._deadline = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._is_plain = transport.get_extra_info("sslcontext") is None
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + self._timeouts.read
        self._timer = self._loop.call_at(self._deadline, self._check_time)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._waiting.clear()
        self._gone(self)

    def data_received(self, data: bytes) -> None:
        whole = self._frames.feed(data)
        if not whole:
            return
        self._waiting.extend(whole)
        self._deadline = self._loop.time() + self._timeouts.idle
        if len(self._waiting) > MAX_WAITING:
            self._transport.pause_reading()
        if not self._busy:
            self._answer_waiting()

    def eof_received(self) -> bool:
        """The client sends no more: what it asked is still answered, but over TLS, which knows no half of a close."""
        self._ended = True
        if not self._busy and not self._waiting:
            self._transport.close()
        return self._is_plain  # the transport cannot be asked any more: it may just have been closed

    def pause_writing(self) -> None:
        """The client does not read its replies: it has `write` seconds to begin."""
        self._paused_since = self._loop.time()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._paused_since = None
        if self._sending is not None:
            self._send_on()
        elif not self._busy:
            self._answer_waiting()

    def finish(self) -> None:
        """Stop: close once the query under way is answered."""
        self._ended = True
        self._waiting.clear()
        if not self._busy:
            self._transport.close()

    def _answer_waiting(self) -> None:
        """Answer in order until a reply is not there at once; `_reply` comes back here when it is."""
        self._looping = True
        while self._waiting and not self._busy and self._paused_since is None and not self._transport.is_closing():
            packet = self._waiting.popleft()
            self._busy = True
            self._left -= 1
            if not self._left:
                self._ended = True
                self._waiting.clear()
            self._answers.respond(packet, self._client, self._clock(), self._memo, self._reply)
        self._looping = False
        if len(self._waiting) <= MAX_WAITING and self._paused_since is None and not self._ended:
            self._transport.resume_reading()
        if self._ended and not self._waiting and not self._busy:
            self._transport.close()

    def _reply(self, reply: Sent) -> None:
        if reply is None or isinstance(reply, bytes):
            if reply is not None and not self._transport.is_closing():
                self._transport.write(framed(reply))
            self._replied()
        else:
            self._sending = reply
            self._send_on()

    def _send_on(self) -> None:
        """Write the next message of the reply; others have their turn before one more is made.

        While the client takes no more, `resume_writing` has to come back here.
        """
        message = next(self._sending, None) if self._sending is not None and not self._transport.is_closing() else None
        if message is None:
            self._sending = None
            self._replied()
            return
        self._transport.write(framed(message))
        if self._paused_since is None:
            self._loop.call_soon(self._send_on)

    def _replied(self) -> None:
        self._busy = False
        self._deadline = self._loop.time() + self._timeouts.idle
        if not self._looping:
            self._answer_waiting()

    def _check_time(self) -> None:
        now = self._loop.time()
        if self._paused_since is not None and now >= self._paused_since + self._timeouts.write:
            self._transport.abort()
        elif now < self._deadline or self._busy or self._waiting:
            later = max(self._deadline, now + 1.0)
            self._timer = self._loop.call_at(later, self._check_time)
        else:
            self._transport.close()


class TcpListener(Acceptor):
    """One listening TCP socket, its memo and its connections. With `tls`, each connection is a TLS one, under the
    context that it gives then. `proxying` tells of proxies in front of it.
    """

    def __init__(
        self,
        sock: socket.socket,
        answers: Answers,
        memo: Memo,
        clock: Callable[[], float],
        timeouts: Timeouts,
        tls: Callable[[], ssl.SSLContext] | None = None,
        proxying: Proxying | None = None,
    ) -> None:
        def connection(ends: Ends, patience: Timeouts, gone: Callable[[TcpConnection], None]) -> TcpConnection:
            return TcpConnection(answers, memo, clock, patience, ends, gone)

        super().__init__(sock, connection, timeouts, tls, proxying)
