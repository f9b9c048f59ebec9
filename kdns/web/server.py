"""The connections of an HTTP listener: accepted up to a number, over TLS or not, HTTP/1.1 or HTTP/2 as ALPN says.

A client that speaks HTTP/2 without TLS says so with its first octets (prior knowledge, RFC 9113 section 3.3). A
connection that sends no whole request in time, or takes no response, is closed.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import NamedTuple, Protocol, cast

from kdns.answer import Answers, Sent
from kdns.chain import Client
from kdns.memo import Memo
from kdns.tracing import Within
from kdns.transport.acceptor import Acceptor
from kdns.transport.proxied import Proxying
from kdns.transport.timeouts import Timeouts
from kdns.web.exchange import Application, Ask
from kdns.web.http1 import Http1
from kdns.web.http2 import Http2
from kdns.wire.proxy import Ends

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # RFC 9113 section 3.4
HTTP1, HTTP2 = "http/1.1", "h2"


class Dialect(Protocol):
    """One version of HTTP on one connection."""

    answered: int
    closing: bool

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""

    def feed(self, octets: bytes) -> None:
        """Octets came; empty: no more will come."""

    def close(self) -> None:
        """Answer what is under way and no more."""


class Limits(NamedTuple):
    """How many connections a listener has and requests a connection has under way; 0 for any number."""

    connections: int = 200
    streams: int = 250


class WebConnection(asyncio.Protocol):
    """One client's connection, as the client or a proxy has it. `gone` is called when it is lost."""

    def __init__(
        self,
        application: Application,
        answers: Answers,
        memo: Memo,
        clock: Callable[[], float],
        timeouts: Timeouts,
        streams: int,
        ends: Ends,
        gone: Callable[["WebConnection"], None],
    ) -> None:
        self._application = application
        self._answers = answers
        self._memo = memo
        self._clock = clock
        self._timeouts = timeouts
        self._streams = streams
        self._client = Client(*ends.source, "tcp", *ends.destination)
        self._gone = gone
        self._dialect: Dialect | None = None
        self._first = b""
        self._answered = 0
        self._paused_since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            self._dialect = self._speak(HTTP2 if tls.selected_alpn_protocol() == HTTP2 else HTTP1)
        self._deadline = self._loop.time() + self._timeouts.read
        self._timer = self._loop.call_at(self._deadline, self._check_time)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._gone(self)

    def data_received(self, data: bytes) -> None:
        if self._dialect is None:
            self._first += data
            if len(self._first) < len(PREFACE) and PREFACE.startswith(self._first):
                return
            data, self._first = self._first, b""
            self._dialect = self._speak(HTTP2 if data.startswith(PREFACE) else HTTP1)
        self._dialect.feed(data)
        self._close_if_over()

    def eof_received(self) -> None:
        """The client sends no more; TLS cannot stay half open, so what is under way is answered if it is at once."""
        if self._dialect is not None:
            self._dialect.feed(b"")

    def pause_writing(self) -> None:
        """The client does not read its responses: it has `write` seconds to begin."""
        self._paused_since = self._loop.time()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._paused_since = None
        self._transport.resume_reading()

    def finish(self) -> None:
        """Stop: close once what is under way is answered."""
        if self._dialect is None:
            self._transport.close()
            return
        self._dialect.close()
        self._close_if_over()

    def _speak(self, version: str) -> Dialect:
        ask: Ask = self._ask
        if version == HTTP2:
            return Http2(self._application, ask, self._write, self._streams)
        return Http1(self._application, ask, self._write)

    def _ask(self, packet: bytes, within: Within | None, done: Callable[[bytes | None], None]) -> None:
        def reply(sent: Sent) -> None:
            done(sent if isinstance(sent, bytes) else None)  # a zone transfer has no place in one response
            self._close_if_over()

        client = self._client if within is None else self._client._replace(within=within)
        self._answers.respond(packet, client, self._clock(), self._memo, reply)

    def _write(self, octets: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(octets)

    def _close_if_over(self) -> None:
        dialect = self._dialect
        if dialect is None:
            return
        if dialect.answered != self._answered:
            self._answered = dialect.answered
            self._deadline = self._loop.time() + self._timeouts.idle
        if dialect.closing and not dialect.busy:
            self._transport.close()

    def _check_time(self) -> None:
        now = self._loop.time()
        if self._paused_since is not None and now >= self._paused_since + self._timeouts.write:
            self._transport.abort()
        elif now >= self._deadline and (self._dialect is None or not self._dialect.busy):
            self._transport.close()
        elif now >= self._deadline + self._timeouts.idle:  # busy, but with a request that never becomes whole
            self._transport.abort()
        else:
            self._timer = self._loop.call_at(max(self._deadline, now + 1.0), self._check_time)


class WebListener(Acceptor):
    """One listening TCP socket and its connections; while `limits.connections` are open, others wait to be accepted.

    `tls` gives the context for a connection that begins now; `proxying` tells of proxies in front of it.
    """

    def __init__(
        self,
        sock: socket.socket,
        application: Application,
        answers: Answers,
        memo: Memo,
        clock: Callable[[], float],
        timeouts: Timeouts,
        limits: Limits,
        tls: Callable[[], ssl.SSLContext] | None = None,
        proxying: Proxying | None = None,
    ) -> None:
        def connection(ends: Ends, patience: Timeouts, gone: Callable[[WebConnection], None]) -> WebConnection:
            return WebConnection(application, answers, memo, clock, patience, limits.streams, ends, gone)

        super().__init__(sock, connection, timeouts, tls, proxying, limits.connections)
