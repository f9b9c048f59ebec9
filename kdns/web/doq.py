"""DNS over QUIC (RFC 9250) and DNS over HTTP/3: the connections of a UDP socket, by aioquic.

One stream carries one query. What breaks DoQ's rules ends the connection with DOQ_PROTOCOL_ERROR; too many streams at a
time end it with DOQ_EXCESSIVE_LOAD or H3_EXCESSIVE_LOAD.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import QuicServer
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import (
    ConnectionTerminated,
    HandshakeCompleted,
    QuicEvent,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)
from aioquic.quic.packet import QuicErrorCode, QuicFrameType

from kdns.answer import Answers, Sent
from kdns.chain import Client
from kdns.errors import WireError
from kdns.memo import Memo
from kdns.transport.proxied import Proxying
from kdns.transport.timeouts import Timeouts
from kdns.web.exchange import Application, Response
from kdns.web.handshake import Clients
from kdns.web.http2 import plain
from kdns.wire import edns, question
from kdns.wire.frame import Frames, framed
from kdns.wire.proxy import End

DOQ, H3 = "doq", "h3"  # ALPN
NO_ERROR, INTERNAL_ERROR, PROTOCOL_ERROR, EXCESSIVE_LOAD = 0, 1, 2, 4  # RFC 9250 section 4.3
H3_NO_ERROR, H3_EXCESSIVE_LOAD = 0x100, 0x107  # RFC 9114 section 8.1


@dataclass(frozen=True)
class Limits:
    """Connections of a listener, streams of a connection, queries under way in all of them; 0 for any number."""

    connections: int = 200
    streams: int = 256
    queries: int = 1024


class Served:
    """What the connections of one listener share: what answers, how much is under way, whose `clients` are served."""

    def __init__(
        self,
        answers: Answers,
        memo: Memo,
        clock: Callable[[], float],
        limits: Limits,
        count: Callable[[int], None],
        clients: Clients | None = None,
    ) -> None:
        self.answers = answers
        self.memo = memo
        self.clock = clock
        self.limits = limits
        self.count = count
        self.clients = clients
        self.connections: set[Connection] = set()
        self.proxied: End | None = None  # who, a proxy says, sent the datagram that is being looked at
        self._asking = 0
        self._waiting: deque[tuple[bytes, Client, Callable[[Sent], None], Callable[[], bool]]] = deque()

    def ask(self, packet: bytes, client: Client, done: Callable[[Sent], None], is_wanted: Callable[[], bool]) -> None:
        """Ask the chain, or wait until fewer queries are under way; what is no more wanted by then is not asked."""
        if self.limits.queries and self._asking >= self.limits.queries:
            self._waiting.append((packet, client, done, is_wanted))
            return
        self._asking += 1
        self.answers.respond(packet, client, self.clock(), self.memo, partial(self._answered, done))

    def _answered(self, done: Callable[[Sent], None], sent: Sent) -> None:
        self._asking -= 1
        done(sent)
        while self._waiting:
            packet, client, tell, is_wanted = self._waiting.popleft()
            if is_wanted():
                asyncio.get_running_loop().call_soon(self.ask, packet, client, tell, is_wanted)
                return
            tell(None)


class Connection(QuicConnectionProtocol):
    """One client's connection; `timeouts.read` is how long a stream may take to bring its query."""

    full = EXCESSIVE_LOAD
    over = NO_ERROR

    def __init__(self, quic: Any, served: Served, timeouts: Timeouts, local: tuple[str, int], **_: object) -> None:
        super().__init__(quic)
        self._served = served
        self._timeouts = timeouts
        self._local = local
        self._proxied: End | None = None
        self._client = Client("", 0)
        self._is_admitted = False  # once the handshake is over, unless the client is refused
        self._open: dict[int, asyncio.TimerHandle] = {}  # streams whose query or reply is under way
        self._asked = 0  # queries under way, with those whose streams were reset

    def datagram_received(self, data: bytes | str, addr: Any) -> None:
        """Octets of the client, which may have moved to another address (RFC 9000 section 9)."""
        self._proxied = self._served.proxied or self._proxied
        source = self._proxied or addr
        self._client = Client(source[0], source[1], "udp", *self._local, is_stream=True)
        super().datagram_received(data, addr)

    def quic_event_received(self, event: QuicEvent) -> None:
        """Something happened on the connection."""
        match event:
            case HandshakeCompleted():
                self._admit()
            case StreamDataReceived(stream_id=number) if self._begins(number):
                limit = self._served.limits.streams
                if limit and max(len(self._open), self._asked) >= limit:
                    self.close(self.full, "too many streams")
                    return
                self._open[number] = self._loop.call_later(self._timeouts.read, self._too_slow, number)
            case StreamReset(stream_id=number) | StopSendingReceived(stream_id=number):
                self._forget(number)
            case ConnectionTerminated():
                self._served.connections.discard(self)
                for number in list(self._open):
                    self._forget(number)

    def _admit(self) -> None:
        clients, limit = self._served.clients, self._served.limits.connections
        refusal = None if clients is None else clients.refusal(self._quic)
        if refusal is not None:
            self._quic.close(QuicErrorCode.CRYPTO_ERROR + refusal, QuicFrameType.CRYPTO, refusal.name)
            self.transmit()
        elif limit and len(self._served.connections) >= limit:
            self.close(NO_ERROR, "too many connections")
        else:
            self._is_admitted = True
            self._served.connections.add(self)

    def _begins(self, number: int) -> bool:
        """Whether octets of a stream are the first ones of a query."""
        return self._is_admitted and number not in self._open and number % 4 == 0

    def _ask(self, number: int, packet: bytes, client: Client, done: Callable[[Sent], None]) -> None:
        self._asked += 1
        self._served.ask(packet, client, partial(self._answered, done), lambda: number in self._open)

    def _answered(self, done: Callable[[Sent], None], sent: Sent) -> None:
        self._asked -= 1
        done(sent)

    def finish(self) -> None:
        """Stop: the connection closes at once; a client asks again elsewhere."""
        self.close(self.over)

    def _too_slow(self, number: int) -> None:
        self.close(PROTOCOL_ERROR, "a query that never became whole")

    def _forget(self, number: int) -> None:
        timer = self._open.pop(number, None)
        if timer is not None:
            timer.cancel()


class DoqConnection(Connection):
    """DNS over QUIC."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._octets: dict[int, bytearray] = {}

    def quic_event_received(self, event: QuicEvent) -> None:
        """A stream brings one message behind its length, and with it the stream's end."""
        known = len(self._open)
        super().quic_event_received(event)
        match event:
            case StreamDataReceived(stream_id=number, data=data, end_stream=ended) if number in self._open:
                octets = self._octets.setdefault(number, bytearray())
                octets += data
                self._look(number, bytes(octets), ended=ended)
            case StreamDataReceived(stream_id=number) if number % 4:
                self._broken()  # only the client's bidirectional streams are for queries (section 4.2)
        if len(self._open) < known:
            self._octets = {number: octets for number, octets in self._octets.items() if number in self._open}

    def _look(self, number: int, octets: bytes, *, ended: bool) -> None:
        whole = Frames().feed(octets)
        if not whole:
            if ended or len(octets) > 2 + 0xFFFF:
                self._broken()
            return
        packet = whole[0]
        if len(whole) > 1 or len(octets) > 2 + len(packet) or not _is_fit(packet):
            self._broken()
            return
        self._octets.pop(number, None)
        self._open[number].cancel()
        self._ask(number, packet, self._client, partial(self._reply, number))

    def _reply(self, number: int, sent: Sent) -> None:
        if number not in self._open:
            return
        if sent is None or isinstance(sent, bytes):
            self._end(number, framed(sent) if sent else b"")
        else:
            self._send_on(number, sent)

    def _send_on(self, number: int, messages: Iterator[bytes]) -> None:
        """Send the next message of a reply of several; others have their turn before one more is made."""
        if number not in self._open:
            return
        message = next(messages, None)
        if message is None:
            self._end(number, b"")
            return
        self._quic.send_stream_data(number, framed(message))
        self.transmit()
        self._loop.call_soon(self._send_on, number, messages)

    def _end(self, number: int, last: bytes) -> None:
        self._forget(number)
        self._quic.send_stream_data(number, last, end_stream=True)
        self._served.count(NO_ERROR)
        self.transmit()

    def _broken(self) -> None:
        self._served.count(PROTOCOL_ERROR)
        self.close(PROTOCOL_ERROR)


class H3DnsConnection(Connection):
    """DNS over HTTP/3."""

    full = H3_EXCESSIVE_LOAD
    over = H3_NO_ERROR

    def __init__(self, *args: Any, application: Application, **more: Any) -> None:
        super().__init__(*args, **more)
        self._application = application
        self._http = H3Connection(self._quic)
        self._headers: dict[int, dict[str, str]] = {}
        self._bodies: dict[int, bytearray] = {}

    def quic_event_received(self, event: QuicEvent) -> None:
        """What HTTP/3 makes of an event; H3Connection closes the connection itself for a broken rule."""
        super().quic_event_received(event)
        for part in self._http.handle_event(event):
            self._take(part)
        if len(self._headers) > len(self._open):
            self._headers = {number: held for number, held in self._headers.items() if number in self._open}
            self._bodies = {number: held for number, held in self._bodies.items() if number in self._open}

    def _take(self, event: H3Event) -> None:
        match event:
            case HeadersReceived(stream_id=number, headers=headers, stream_ended=ended):
                found = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
                self._headers.setdefault(number, found)
                self._bodies.setdefault(number, bytearray())
            case DataReceived(stream_id=number, data=data, stream_ended=ended):
                body = self._bodies.setdefault(number, bytearray())
                body += data[: self._application.largest_body + 1 - len(body)]
            case _:
                return
        if ended and number in self._open and number in self._headers:
            self._handle(number)

    def _handle(self, number: int) -> None:
        self._open[number].cancel()
        request = plain(self._headers.pop(number), bytes(self._bodies.pop(number, b"")))
        found = self._application.packet(request)
        if isinstance(found, Response):
            self._respond(number, found, has_body=request.method != "HEAD")
        else:
            client = self._client._replace(within=request.within)
            self._ask(number, found, client, partial(self._reply, number))

    def _reply(self, number: int, sent: Sent) -> None:
        response = self._application.response(sent if isinstance(sent, bytes) else None)
        if number in self._open:
            self._respond(number, response)

    def _respond(self, number: int, response: Response, *, has_body: bool = True) -> None:
        self._forget(number)
        head = [(":status", str(response.status)), *response.headers]
        if has_body:
            head.append(("content-length", str(len(response.body))))
        self._http.send_headers(number, [(name.encode(), value.encode()) for name, value in head])
        self._http.send_data(number, response.body if has_body else b"", end_stream=True)
        self.transmit()


class QuicListener:
    """One UDP socket that speaks QUIC. `connection` makes what speaks of a connection's streams."""

    def __init__(
        self,
        sock: socket.socket,
        configuration: Callable[[], QuicConfiguration],
        served: Served,
        timeouts: Timeouts,
        connection: Callable[..., Connection],
        proxying: Proxying | None = None,
    ) -> None:
        self._sock = sock
        self._proxying = proxying
        self._configuration = configuration
        self._served = served
        self._connection = connection
        self._timeouts = timeouts
        self._server: _Server | None = None

    async def start(self) -> None:
        """Answer from now on."""
        _, self._server = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Server(self._configuration, self._made, self._admitted), sock=self._sock
        )

    def adopt(self, timeouts: Timeouts, proxying: Proxying | None) -> None:
        """Give connections from now on these times, and believe these proxies."""
        self._timeouts = timeouts
        self._proxying = proxying

    def stop(self) -> None:
        """Close every connection; the port is given back."""
        if self._server is not None:
            for connection in list(self._served.connections):
                connection.finish()
            self._server.close()

    def close(self) -> None:
        """Give the port back."""
        if self._server is None:
            self._sock.close()

    def _made(self, quic: Any, **_: object) -> Connection:
        if self._served.clients is not None:
            self._served.clients.ask(quic)
        return self._connection(quic, self._served, self._timeouts, self._sock.getsockname()[:2])

    def _admitted(self, datagram: bytes, peer: Any) -> bytes | None:
        """What a datagram says to QUIC; None if nothing, or if its PROXY header is not as it should be."""
        if self._proxying is None:
            return datagram
        found = self._proxying.datagram(datagram, peer, self._served.clock())
        if found is None:
            return None
        payload, sender = found
        self._served.proxied = sender if sender != peer[:2] else None
        return payload


class _Server(QuicServer):
    """aioquic's, with a configuration that is asked for anew: its certificate may have changed. `admitted` gives what
    of a datagram (and its source) is for QUIC.
    """

    def __init__(
        self,
        configuration: Callable[[], QuicConfiguration],
        create_protocol: Callable[..., Connection],
        admitted: Callable[[bytes, Any], bytes | None],
    ) -> None:
        super().__init__(configuration=configuration(), create_protocol=create_protocol)
        self._current = configuration
        self._admitted = admitted

    def datagram_received(self, data: bytes | str, addr: Any) -> None:
        payload = self._admitted(cast(bytes, data), addr)
        if payload:
            self._configuration = self._current()
            super().datagram_received(payload, addr)


def _is_fit(packet: bytes) -> bool:
    """Whether a message is one that DoQ allows (RFC 9250 sections 4.2.1 and 5.5.2): a query of ID 0, no keepalive."""
    if len(packet) < 12 or packet[:2] != b"\0\0" or packet[2] & 0x80:
        return False
    if question.refusal(packet) is not None or len(packet) == 12:
        return True
    try:
        asked = question.parse(packet)
    except WireError:
        return False
    return asked.edns is None or edns.option(asked.edns.options, edns.KEEPALIVE) is None
