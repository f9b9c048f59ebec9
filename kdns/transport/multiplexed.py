"""One HTTP/2 connection as a client (RFC 9113): requests side by side, each on a stream of its own, by h2.

What a request has to send waits for the room that the server gives; a response's body is taken up to a bound, since
what is longer is no DNS message.
"""

import asyncio
from collections.abc import Sequence
from typing import cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes

from kdns.errors import ConnectionEnded, UpstreamError

Headers = Sequence[tuple[str, str]]


class _Stream:
    """A request under way: what of its body is still to be sent, and its response so far."""

    def __init__(self, done: "asyncio.Future[tuple[int, bytes]]", rest: bytes) -> None:
        self.done = done
        self.rest = rest
        self.status = 0
        self.body = bytearray()

    def fail(self, fault: UpstreamError) -> None:
        """There will be no response."""
        if not self.done.done():
            self.done.set_exception(fault)


class Multiplexed(asyncio.Protocol):
    """A connection. `largest` is how many octets of a response's body are taken."""

    def __init__(self, largest: int) -> None:
        self._http = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._largest = largest
        self._streams: dict[int, _Stream] = {}
        self.is_spoken = False  # the server speaks HTTP/2
        self.is_over = False  # it takes no more requests
        self.was_used = True  # for whoever looks again and again

    @property
    def is_full(self) -> bool:
        """Whether the server takes no further request at the same time."""
        return self._http.open_outbound_streams >= self._http.remote_settings.max_concurrent_streams

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._streams

    async def request(self, headers: Headers, body: bytes) -> tuple[int, bytes]:
        """Status and body of the response. UpstreamError if the request fails, ConnectionEnded if the connection ends.

        Whoever stops waiting ends the request.
        """
        if self.is_over:
            raise ConnectionEnded("use of closed network connection")
        self.was_used = True
        number = self._http.get_next_available_stream_id()
        stream = self._streams[number] = _Stream(asyncio.get_running_loop().create_future(), body)
        try:
            self._http.send_headers(number, headers, end_stream=not body)
            self._send_on(number, stream)
            self._flush()
            return await stream.done
        except H2Error as fault:
            raise UpstreamError(f"HTTP/2: {fault}") from None
        finally:
            self._forget(number)

    def close(self) -> None:
        """End it; what is under way fails."""
        self.is_over = True
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio.Protocol: it is open."""
        self._transport = cast(asyncio.Transport, transport)
        self.is_spoken = transport.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        if self.is_spoken:
            self._http.initiate_connection()
            self._http.update_settings({SettingCodes.ENABLE_PUSH: 0})
            self._flush()

    def data_received(self, data: bytes) -> None:
        """asyncio.Protocol: octets came, in whatever pieces."""
        try:
            for event in self._http.receive_data(data):
                self._take(event)
        except H2Error as fault:
            self._end(UpstreamError(f"HTTP/2: {fault}"))
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio.Protocol: it is closed, by whom ever."""
        self._end(ConnectionEnded("EOF" if exc is None else f"read: {exc}"))

    def _take(self, event: Event) -> None:
        match event:
            case ResponseReceived(stream_id=int(number), headers=headers) if number in self._streams:
                self._streams[number].status = int({str(name): str(value) for name, value in headers or ()}[":status"])
            case DataReceived(stream_id=int(number), data=data, flow_controlled_length=length):
                self._http.acknowledge_received_data(length or 0, number)
                self._collect(number, data or b"")
            case StreamEnded(stream_id=int(number)) if number in self._streams:
                stream = self._streams[number]
                if not stream.done.done():
                    stream.done.set_result((stream.status, bytes(stream.body)))
            case StreamReset(stream_id=int(number)) if number in self._streams:
                self._streams[number].fail(ConnectionEnded(f"HTTP/2: stream reset: {event.error_code}"))
            case WindowUpdated():
                for number, stream in [*self._streams.items()]:
                    self._send_on(number, stream)
            case ConnectionTerminated():
                self._end(ConnectionEnded(f"HTTP/2: GOAWAY: {event.error_code}"))

    def _collect(self, number: int, data: bytes) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        stream.body += data
        if len(stream.body) > self._largest:
            stream.fail(UpstreamError("HTTP/2: the response is too long"))

    def _send_on(self, number: int, stream: _Stream) -> None:
        """Send as much of a request's body as there is room for."""
        while stream.rest:
            room = min(self._http.local_flow_control_window(number), self._http.max_outbound_frame_size)
            if room <= 0:
                return
            part, stream.rest = stream.rest[:room], stream.rest[room:]
            self._http.send_data(number, part, end_stream=not stream.rest)

    def _forget(self, number: int) -> None:
        """Let a stream go; the server is told if it is still about it."""
        stream = self._streams.pop(number, None)
        is_whole = stream is not None and stream.done.done() and not stream.done.cancelled()
        if self.is_over or (is_whole and stream is not None and stream.done.exception() is None):
            return
        try:
            self._http.reset_stream(number, ErrorCodes.CANCEL)
        except H2Error:  # it is closed
            return
        self._flush()

    def _end(self, fault: UpstreamError) -> None:
        self.is_over = True
        for stream in self._streams.values():
            stream.fail(fault)
        self._transport.close()

    def _flush(self) -> None:
        octets = self._http.data_to_send()
        if octets and not self._transport.is_closing():
            self._transport.write(octets)
