"""HTTP/2 on one connection, without I/O: h2 reads and writes, an Application says what about."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

from kdns.tracing import within
from kdns.web.exchange import Application, Ask, Headers, Request, Response


@dataclass
class _Stream:
    """A request on its way in, or the part of its response that the client's window has no room for yet."""

    headers: Mapping[str, str]
    body: bytearray = field(default_factory=bytearray)
    rest: bytes = b""
    trailers: Headers = ()


class Http2:
    """One connection: `feed` octets, and `write` is called with others. `ask` may call back now or later.

    `max_streams` requests may be under way at a time; 0 for as many as the client likes. A query that was asked counts
    until its reply is there, whatever becomes of its stream: who opens and resets one after the other gains nothing.
    """

    def __init__(
        self, application: Application, ask: Ask, write: Callable[[bytes], None], max_streams: int = 250
    ) -> None:
        self._application = application
        self._ask = ask
        self._write = write
        self._http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._streams: dict[int, _Stream] = {}
        self._most = max_streams
        self._asked = 0  # queries under way, with those that nobody waits for any more
        self.answered = 0
        self.closing = False
        self._http.initiate_connection()
        if max_streams:
            self._http.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: max_streams})
        self._flush()

    @property
    def busy(self) -> bool:
        """Whether requests are under way."""
        return bool(self._streams)

    def feed(self, octets: bytes) -> None:
        """Octets came; empty: no more will come."""
        if not octets:
            self.closing = True
            return
        try:
            events = self._http.receive_data(octets)
            reset = {event.stream_id for event in events if isinstance(event, StreamReset)}
            for event in events:
                if isinstance(event, StreamReset) or getattr(event, "stream_id", None) not in reset:
                    self._take(event)
        except (ProtocolError, UnicodeDecodeError):  # h2 has the GOAWAY ready
            self.closing = True
        self._flush()

    def close(self) -> None:
        """Answer the requests under way and no others."""
        self.closing = True
        self._leave()
        self._flush()

    def _take(self, event: Event) -> None:
        match event:
            case RequestReceived(stream_id=int(number)) if self.closing:
                self._http.reset_stream(number, ErrorCodes.REFUSED_STREAM)  # the client may ask again elsewhere
            case RequestReceived(stream_id=int(number), headers=headers):
                self._streams[number] = _Stream({str(name): str(value) for name, value in headers or ()})
            case DataReceived(stream_id=int(number), data=data, flow_controlled_length=length):
                self._http.acknowledge_received_data(length or 0, number)
                self._collect(number, data or b"")
            case StreamEnded(stream_id=int(number)):
                self._handle(number)
            case StreamReset(stream_id=int(number)):
                self._streams.pop(number, None)
            case WindowUpdated():
                for number in [number for number, stream in self._streams.items() if stream.rest]:
                    self._send_on(number)
            case ConnectionTerminated():
                self.closing = True

    def _collect(self, number: int, data: bytes) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        stream.body += data
        if len(stream.body) > self._application.largest_body:
            del self._streams[number]
            self._http.send_headers(number, [(":status", "413")], end_stream=True)
            self._http.reset_stream(number, ErrorCodes.NO_ERROR)

    def _handle(self, number: int) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        request = plain(stream.headers, bytes(stream.body))
        found = self._application.packet(request)
        if isinstance(found, Response):
            self._respond(number, found)
        elif self._most and self._asked >= self._most:
            del self._streams[number]
            self._http.reset_stream(number, ErrorCodes.REFUSED_STREAM)
        else:
            self._asked += 1
            self._ask(found, request.within, lambda reply: self._reply(number, reply))

    def _reply(self, number: int, reply: bytes | None) -> None:
        self._asked -= 1
        response = self._application.response(reply)
        if number in self._streams:
            self._respond(number, response)
            self._flush()

    def _respond(self, number: int, response: Response) -> None:
        stream = self._streams[number]
        head = [(":status", str(response.status)), *response.headers]
        if not response.trailers:
            head.append(("content-length", str(len(response.body))))
        body = b"" if stream.headers.get(":method") == "HEAD" else response.body  # RFC 9110 section 9.3.2
        is_whole = not body and not response.trailers
        self._http.send_headers(number, head, end_stream=is_whole)
        stream.rest, stream.trailers = body, response.trailers
        if is_whole:
            self._end(number)
        else:
            self._send_on(number)

    def _send_on(self, number: int) -> None:
        """Send as much of a response's body as the client's windows have room for."""
        stream = self._streams[number]
        while stream.rest:
            room = min(self._http.local_flow_control_window(number), self._http.max_outbound_frame_size)
            if room <= 0:
                return
            part, stream.rest = stream.rest[:room], stream.rest[room:]
            self._http.send_data(number, part, end_stream=not stream.rest and not stream.trailers)
        if stream.trailers:
            self._http.send_headers(number, list(stream.trailers), end_stream=True)
        self._end(number)

    def _end(self, number: int) -> None:
        self.answered += 1
        del self._streams[number]
        self._leave()

    def _leave(self) -> None:
        """Say goodbye, if that is due: h2 can send nothing after it."""
        if self.closing and not self.busy:
            self._http.close_connection()

    def _flush(self) -> None:
        octets = self._http.data_to_send()
        if octets:
            self._write(octets)


def plain(headers: Mapping[str, str], body: bytes) -> Request:
    """A request by its HTTP/2 or HTTP/3 headers (RFC 9113 section 8.3.1)."""
    path, _, query = headers.get(":path", "").partition("?")
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return Request(headers.get(":method", ""), path, query, content_type, body, within(headers))
