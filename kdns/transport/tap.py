"""Frame streams to those who collect dnstap messages: one that we connect to, or any number that connect to us.

Strategy: a query never waits for a collector. Frames of one turn of the event loop are written together; what a
collector does not take waits, up to a number, and beyond that is dropped and counted, as is everything while there is
no connection. A collector that connected to us and falls behind is let go.
"""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, cast

from kdns.errors import WireError
from kdns.wire import framestream
from kdns.wire.framestream import Control, Controls, Kind

PATIENCE = 4.0  # seconds for connecting and for the handshake
GOODBYE = 1.0  # seconds for the collector to say that it has got everything
AGAIN = 0.5  # seconds until a lost connection is opened again
LOOK = 10.0  # seconds between two looks at a connection that is not there, and at what was dropped
MOST_BEHIND = 4 << 20  # octets that may wait for a collector that connected to us


class Place(NamedTuple):
    """Where a collector listens, or we do: the path of a Unix socket, or a host and a port, with TLS or without."""

    path: str = ""
    host: str = ""
    port: int = 0
    tls: ssl.SSLContext | None = None


class Stream(asyncio.Protocol):
    """One connection on which we write. `changed` is called with it when it is made, is open, takes no more or more
    again, and when it is lost. `most_behind`: octets that may wait before it takes no more; 0 for few.
    """

    def __init__(self, content_type: bytes, changed: Callable[["Stream"], object], most_behind: int = 0) -> None:
        self._content_type = content_type
        self._changed = changed
        self._most_behind = most_behind
        self._controls = Controls()
        self.is_open = False
        self.is_paused = False
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[bool] = loop.create_future()  # whether the collector wants what we have
        self.over: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._most_behind:
            self._transport.set_write_buffer_limits(self._most_behind)
        self._transport.write(framestream.control(Control(Kind.READY, (self._content_type,))))
        self._changed(self)

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._controls.feed(data):
                self._take(frame)
        except WireError:
            self._transport.abort()

    def pause_writing(self) -> None:
        """The collector takes no more for now."""
        self.is_paused = True
        self._changed(self)

    def resume_writing(self) -> None:
        """It takes more."""
        self.is_paused = False
        self._changed(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self.over.set_result(None)
        if not self.opened.done():
            self.opened.set_result(False)
        self._changed(self)

    def write(self, frames: bytes) -> None:
        """Send data frames on an open stream."""
        self._transport.write(frames)

    def abort(self) -> None:
        """Close it at once."""
        self.is_open = False
        self._transport.abort()

    async def end(self) -> None:
        """Say that this was all, wait until the collector has it, and close."""
        if self.is_open:
            self._transport.write(framestream.control(Control(Kind.STOP)))
            await asyncio.wait({self.over}, timeout=GOODBYE)
        self.abort()

    def _take(self, frame: Control) -> None:
        if frame.kind is Kind.ACCEPT and not self.is_open:
            if frame.content_types and self._content_type not in frame.content_types:
                raise WireError("a collector of something else")
            self._transport.write(framestream.control(Control(Kind.START, (self._content_type,))))
            self.is_open = True
            if not self.opened.done():
                self.opened.set_result(True)
            self._changed(self)
        elif frame.kind is Kind.FINISH:
            self._transport.close()
        else:
            raise WireError(f"{frame.kind.name} has no place here")


class Outgoing:
    """The stream to a collector. `most`: frames that may wait; `buffer`: octets of the kernel's buffer, for TCP."""

    def __init__(
        self, place: Place, content_type: bytes, most: int, buffer: int, log: Callable[[str, str], None]
    ) -> None:
        self._place = place
        self._content_type = content_type
        self._most = most
        self._buffer = buffer
        self._log = log
        self._stream: Stream | None = None
        self._waiting: deque[bytes] = deque()
        self._is_due = False  # _flush will be called
        self._dropped = 0
        self._tried = asyncio.Event()

    def put(self, payload: bytes) -> None:
        """Have a message sent, or drop it."""
        stream = self._stream
        if stream is None or not stream.is_open or len(self._waiting) >= self._most:
            self._dropped += 1
            return
        self._waiting.append(framestream.data(payload))
        if not self._is_due and not stream.is_paused:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    async def start(self) -> None:
        """Wait until the collector was reached, or could not be."""
        await self._tried.wait()

    async def run(self) -> None:
        """Keep the connection: a lost one is opened again soon, one that cannot be opened is tried after a while."""
        fault = await self._connect()
        if fault:
            self._log("ERROR", f"No connection to dnstap endpoint: {fault}")
        self._tried.set()
        while True:
            over = self._stream.over if self._stream is not None and not fault else None
            if over is None:
                await asyncio.sleep(LOOK)
            else:
                await asyncio.wait({over}, timeout=LOOK)
            self._tell_dropped()
            if over is None or over.done():
                await asyncio.sleep(AGAIN)
                fault = await self._connect()

    async def close(self) -> None:
        """Send what waits, and end the stream."""
        if self._stream is not None:
            self._stream.is_paused = False  # all of it has to leave now
            self._flush()
            await self._stream.end()
        self._tell_dropped()

    async def _connect(self) -> str:
        """Open a stream; why that failed, or nothing."""
        self._stream = None
        try:
            async with asyncio.timeout(PATIENCE):
                self._stream = await self._dialled()
                opened = await asyncio.shield(self._stream.opened)
        except TimeoutError:
            if self._stream is not None:
                self._stream.abort()
            return "i/o timeout"
        except OSError as fault:
            return str(fault)
        return "" if opened else "the stream was not accepted"

    async def _dialled(self) -> Stream:
        loop = asyncio.get_running_loop()
        path, host, port, tls = self._place
        if path:
            _, stream = await loop.create_unix_connection(self._made, path)
            return stream
        transport, stream = await loop.create_connection(self._made, host, port, ssl=tls)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._buffer)
        return stream

    def _made(self) -> Stream:
        return Stream(self._content_type, lambda stream: self._flush())

    def _flush(self) -> None:
        self._is_due = False
        stream = self._stream
        if stream is None or not stream.is_open:
            self._dropped += len(self._waiting)
            self._waiting.clear()
        elif self._waiting and not stream.is_paused:
            frames = b"".join(self._waiting)
            self._waiting.clear()
            stream.write(frames)

    def _tell_dropped(self) -> None:
        if self._dropped:
            self._log("WARNING", f"Dropped dnstap messages: {self._dropped}")
            self._dropped = 0


class Incoming:
    """The streams to collectors that connect to us. `place` is made when it starts: its files are read then."""

    def __init__(self, place: Callable[[], Place], content_type: bytes, log: Callable[[str, str], None]) -> None:
        self._place = place
        self._content_type = content_type
        self._log = log
        self._server: asyncio.Server | None = None
        self._streams: set[Stream] = set()
        self._waiting: list[bytes] = []

    def put(self, payload: bytes) -> None:
        """Have a message sent to whoever is there now."""
        if not self._streams:
            return
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(framestream.data(payload))

    async def start(self) -> None:
        """Listen; where that is not possible, say so and go on without."""
        loop = asyncio.get_running_loop()
        try:
            path, host, port, tls = self._place()
            if path:
                self._server = await loop.create_unix_server(self._made, path, ssl=tls)
            else:  # a reload listens once more before the listener before is closed
                self._server = await loop.create_server(self._made, host or None, port, ssl=tls, reuse_port=True)
        except (OSError, ValueError) as fault:
            self._log("ERROR", f"Failed to start dnstap listener: {fault}")

    async def run(self) -> None:
        """Go on: what there is to do, connections and messages bring about."""
        await asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        """Listen no more, and end the streams."""
        if self._server is not None:
            self._server.close()
        self._flush()
        await asyncio.gather(*(stream.end() for stream in list(self._streams)))

    def _made(self) -> Stream:
        return Stream(self._content_type, self._on_change, MOST_BEHIND)

    def _on_change(self, stream: Stream) -> None:
        if stream.over.done():
            self._streams.discard(stream)
            return
        self._streams.add(stream)
        if stream.is_paused:
            self._log("WARNING", "a collector of dnstap messages is too slow, and let go")
            stream.abort()

    def _flush(self) -> None:
        frames = b"".join(self._waiting)
        self._waiting.clear()
        for stream in list(self._streams) if frames else ():
            if stream.is_open:
                stream.write(frames)
