"""DNS over UDP: a socket of our own, drained on each wake-up, with nothing between the kernel and the memo.

asyncio's datagram endpoint makes a call and an address object for each packet and costs five times as much as this
loop. Up to BATCH datagrams are taken at a wake-up, then the event loop gets its turn.

Where `native` has something that does a whole batch in two system calls, that is called.
Replies that take their time are sent together too, when the event loop has seen to all that was there to be read.

With a backlog (*shed*), replies that the socket cannot take wait there, and queries are not taken while it is full.

A wildcard socket is read with recvmsg, since the reply must leave from the address that the query came to: the kernel's
own choice is another one on a machine with several.
"""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from kdns.answer import Answers, Sent
from kdns.chain import Client
from kdns.memo import Memo
from kdns.transport.backlog import Backlog, Waiting
from kdns.transport.native import NATIVE, Drain
from kdns.transport.proxied import Proxying
from kdns.transport.sockets import IP_PKTINFO, IPV6_PKTINFO
from kdns.wire import proxy

BATCH = 64
MAX_QUERY = 4096  # octets read of a query: more than any client sends, less than a flood wants
MAX_SOURCES = 1024  # own addresses and interfaces, as they are reported, whose reply's way is remembered
_ANCILLARY = socket.CMSG_SPACE(20)  # one in_pktinfo (12 octets) or in6_pktinfo (20)

Control = list[tuple[int, int, bytes]]


class UdpListener:
    """One UDP socket and its memo. `native` is what takes its batches; with None, a `backlog` or `proxying` it is this
    module.
    """

    def __init__(
        self,
        sock: socket.socket,
        answers: Answers,
        memo: Memo,
        clock: Callable[[], float],
        native: Callable[[int], Drain] | None = NATIVE,
        backlog: Backlog | None = None,
        proxying: Proxying | None = None,
    ) -> None:
        self._sock = sock
        self._answers = answers
        self._memo = memo
        self._clock = clock
        self._local: tuple[str, int] = sock.getsockname()[:2]
        self._wildcard = self._local[0] in ("0.0.0.0", "::")
        self._now = 0.0  # when the batch under way was begun
        self._native = native(sock.fileno()) if native is not None and backlog is None else None
        self._sources: dict[bytes, Control] = {}
        self._late: list[tuple[bytes, bytes]] = []  # replies for `native` to send
        self._backlog = backlog
        self._proxying = proxying

    async def start(self) -> None:
        """Answer from now on."""
        asyncio.get_running_loop().add_reader(self._sock, self._reader())

    def adopt(self, timeouts: object, proxying: Proxying | None) -> None:
        """Believe these proxies from now on; there are no connections that take time."""
        self._proxying = proxying
        asyncio.get_running_loop().add_reader(self._sock, self._reader())

    def stop(self) -> None:
        """Read no more; replies under way can still be sent until `close`."""
        asyncio.get_running_loop().remove_reader(self._sock)

    def close(self) -> None:
        """Give the port back."""
        self._send_batch()
        self._native = None  # its descriptor may soon be another socket's
        if self._backlog:
            asyncio.get_running_loop().remove_writer(self._sock)
        self._sock.close()

    def _reader(self) -> Callable[[], None]:
        """What takes the queries."""
        if self._proxying is not None:
            return partial(self._drain_proxied, self._proxying)
        if self._native is not None:
            return partial(self._drain_batch, self._native)
        return self._drain_any if self._wildcard else self._drain

    def _drain_batch(self, native: Drain) -> None:
        self._now = now = self._clock()
        memo, send, (address, here) = self._memo, self._send_in_batch, self._local
        asked = [
            (packet, Client(host, port, "udp", local or address, here), partial(send, way))
            for packet, host, port, local, way in native.batch(memo.hot, now, self._known)
        ]
        self._answers.consider_all(asked, now, memo)

    def _send_in_batch(self, way: bytes, reply: Sent) -> None:
        if isinstance(reply, bytes):
            if not self._late:
                asyncio.get_running_loop().call_soon(self._send_batch)
            self._late.append((way, reply))

    def _send_batch(self) -> None:
        late, self._late = self._late, []
        if self._native is not None:
            self._native.send(late)

    def _known(self, packet: bytes) -> bytes | None:
        return self._answers.known(packet, self._now, self._memo)

    def _drain(self) -> None:
        if self._backlog is not None and self._backlog.is_full:
            self._shed(self._backlog)
            return
        now = self._clock()
        hot = self._memo.hot
        receive, send = self._sock.recvfrom, self._send
        for _ in range(BATCH):
            try:
                packet, address = receive(MAX_QUERY)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error of an earlier reply: says nothing about what is waiting
                continue
            entry = hot.get(packet[2:])
            if entry is not None and now < entry.until:
                entry.hits = hits = entry.hits + 1
                send(packet[:2] + entry.tails[hits % len(entry.tails)], address)
                continue
            known = self._answers.known(packet, now, self._memo)
            if known is not None:
                send(known, address)
                continue
            client = Client(address[0], address[1], "udp", *self._local)
            self._answers.consider(packet, client, now, self._memo, partial(self._send_late, address))

    def _drain_any(self) -> None:
        if self._backlog is not None and self._backlog.is_full:
            self._shed(self._backlog)
            return
        now = self._clock()
        hot = self._memo.hot
        receive, send, way_of = self._sock.recvmsg, self._sock.sendmsg, self._sources.get
        for _ in range(BATCH):
            try:
                packet, control, _flags, address = receive(MAX_QUERY, _ANCILLARY)
            except BlockingIOError:
                return
            except OSError:
                continue
            entry = hot.get(packet[2:])
            if entry is not None and now < entry.until:  # what `_send_from` does, without the time of a call
                entry.hits = hits = entry.hits + 1
                tail = entry.tails[hits % len(entry.tails)]
                way = (way_of(control[0][2]) or self._source(control)) if control else control
                try:
                    send((packet[:2], tail), way, 0, address)
                except OSError as error:
                    self._unsent(error, Waiting(packet[:2] + tail, way, address))
                continue
            known = self._answers.known(packet, now, self._memo)
            if known is not None:
                self._send_from(known, control, address)
                continue
            client = Client(address[0], address[1], "udp", _destination(control), self._local[1])
            reply = partial(self._send_from_late, control, address)
            self._answers.consider(packet, client, now, self._memo, reply)

    def _drain_proxied(self, proxying: Proxying) -> None:
        if self._backlog is not None and self._backlog.is_full:
            self._shed(self._backlog)
            return
        now = self._clock()
        for _ in range(BATCH):
            try:
                datagram, control, _flags, address = self._sock.recvmsg(MAX_QUERY + proxy.LONGEST, _ANCILLARY)
            except BlockingIOError:
                return
            except OSError:
                continue
            found = proxying.datagram(datagram, address, now)
            if found is None:
                continue
            packet, source = found
            client = Client(*source, "udp", _destination(control) or self._local[0], self._local[1])
            self._answers.respond(packet, client, now, self._memo, partial(self._send_from_late, control, address))

    def _send(self, reply: bytes, address: Any) -> None:
        try:
            self._sock.sendto(reply, address)
        except OSError as error:  # a full buffer, an unreachable client: UDP promises nothing
            self._unsent(error, Waiting(reply, [], address))

    def _send_from(self, reply: bytes, control: Control, address: Any) -> None:
        source = self._sources.get(control[0][2]) if control else control
        if source is None:
            source = self._source(control)
        try:
            self._sock.sendmsg((reply,), source, 0, address)
        except OSError as error:
            self._unsent(error, Waiting(reply, source, address))

    def _source(self, control: Control) -> Control:
        """`_from_destination`, remembered: a server has few addresses."""
        if len(self._sources) >= MAX_SOURCES:
            self._sources.clear()
        found = self._sources[control[0][2]] = _from_destination(control)
        return found

    def _unsent(self, error: OSError, waiting: Waiting) -> None:
        backlog = self._backlog
        if backlog is None:
            return
        if not isinstance(error, BlockingIOError):
            backlog.dropped("response")
            return
        if not backlog:
            asyncio.get_running_loop().add_writer(self._sock, self._send_waiting, backlog)
        backlog.push(waiting)

    def _send_waiting(self, backlog: Backlog) -> None:
        backlog.send(lambda each: self._sock.sendmsg((each.reply,), each.control, 0, each.address))
        if not backlog:
            asyncio.get_running_loop().remove_writer(self._sock)

    def _shed(self, backlog: Backlog) -> None:
        """Take the queries that wait, and answer none."""
        for _ in range(BATCH):
            try:
                self._sock.recvfrom(MAX_QUERY)
            except BlockingIOError:
                return
            except OSError:
                continue
            backlog.dropped("query")

    def _send_late(self, address: Any, reply: Sent) -> None:
        if isinstance(reply, bytes):
            self._send(reply, address)

    def _send_from_late(self, control: Control, address: Any, reply: Sent) -> None:
        if isinstance(reply, bytes):
            self._send_from(reply, control, address)


def _from_destination(control: Control) -> Control:
    """The control message that sends from where the query came to, by any interface.

    in_pktinfo is (interface, local address, destination), in6_pktinfo (address, interface); see ip(7) and ipv6(7).
    """
    if not control:
        return control
    level, kind, data = control[0]
    if kind == IP_PKTINFO:
        return [(level, kind, b"\0\0\0\0" + data[4:8] + b"\0\0\0\0")]
    is_link_local = data[0] == 0xFE and data[1] & 0xC0 == 0x80  # these need their interface
    return [(level, kind, data if is_link_local else data[:16] + b"\0\0\0\0")]


def _destination(control: Control) -> str:
    for _, kind, data in control:
        if kind == IP_PKTINFO:
            return socket.inet_ntop(socket.AF_INET, data[8:12])
        if kind == IPV6_PKTINFO:
            return socket.inet_ntop(socket.AF_INET6, data[:16])
    return ""
