"""One upstream server: queries go out to it and replies come back, and whether it is well is known.

An exchange takes a connection from the pool of its protocol. A connection that was used before and is found closed by
the other side is no fault: the next one is taken, until a fresh one has failed. Whoever is told of a failure may ask
for a check: a probe goes out at once and then every `interval`, until one is answered, whatever the answer. An upstream
that nobody complains of is never probed.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeVar

from kdns.errors import ConnectionEnded, UpstreamError, WrongReply
from kdns.metrics import Labels, Metrics
from kdns.transport.address import Address
from kdns.transport.datagram import Datagram
from kdns.transport.expiry import Expiry
from kdns.transport.https import Https
from kdns.transport.pending import Done, Outcome
from kdns.transport.pool import Connection, Limits, Member, Pool
from kdns.transport.stream import Stream
from kdns.wire import codes, names, query
from kdns.wire.names import Name
from kdns.wire.proxy import End
from kdns.wire.question import Question

PROXY = "forward"  # the label proxy_name
PROBE_TIMEOUT = 1.0  # seconds
SHORTEST_INTERVAL = 0.01  # seconds: an interval of 0 must not become a busy loop

# A UDP socket serves few queries before its port is drawn anew, all at once if they come at once: what can be read of
# one socket costs one turn of the event loop. Whoever wants to forge the reply to a question has to guess its port and
# its ID as ever: what else is under way on the port has other IDs, and the same question never leaves twice.
UDP_USES, UDP_MOST = 16, 256
TCP_MOST = 64


@dataclass(frozen=True)
class Health:
    """The probe: `domain NS` every `interval` seconds, with RD if `recursion`, over TCP if `tcp`."""

    interval: float = 0.5
    domain: Name = names.ROOT
    recursion: bool = True
    tcp: bool = False


@dataclass(frozen=True)
class Manner:
    """How upstreams are talked to. `source` is an IP address or "", `tls` the context where TLS or HTTPS is spoken.

    `either` is the same with ALPN, where HTTP/2 may be spoken.
    """

    tls: ssl.SSLContext | None = None
    either: ssl.SSLContext | None = None
    limits: Limits = field(default_factory=Limits)
    health: Health = field(default_factory=Health)
    source: str = ""
    method: str = "POST"  # of DNS over HTTPS


class Exchange(NamedTuple):
    """A question that was asked of an upstream, over `proto` (udp or tcp), and its reply's octets, None without one.

    `local` is the address and port that it was asked from, None where that is not known.
    """

    question: Question
    local: End | None
    to: Address
    proto: str
    seconds: float
    reply: bytes | None


Tap = Callable[[Exchange], None]
C = TypeVar("C", bound=Connection)


class _Asking(NamedTuple):
    """An exchange over UDP under way: since when, on what, and whom to tell."""

    question: Question
    member: Member[Datagram]
    began: float
    taps: Sequence[Tap]
    done: Done


class Upstream:
    """See the module's head."""

    def __init__(self, address: Address, manner: Manner, metrics: Metrics) -> None:
        self.address = address
        self.fails = 0  # probes that failed since the last that did not
        self._manner = manner
        self._to = str(address)
        self._failures = metrics.family("proxy_healthcheck_failures_total")
        self._durations = metrics.histogram("proxy_request_duration_seconds")
        self._connections = {
            fresh: metrics.family(f"proxy_conn_cache_{'misses' if fresh else 'hits'}_total") for fresh in (True, False)
        }
        self._over_udp = PROXY, self._to, "udp"
        self._by_rcode: dict[int, Labels] = {}  # the label values of durations
        self._expiry = Expiry()
        limits = manner.limits
        self._udp = Pool(self._datagram, limits._replace(most=UDP_MOST, uses=UDP_USES, together=UDP_USES))
        self._tcp: Pool[Connection] = Pool(self._stream, limits._replace(most=TCP_MOST))
        self._https: Https | None = None
        self._is_closed = False
        self._probing: asyncio.Task[None] | None = None
        self._sweeping: asyncio.TimerHandle | None = None

    async def exchange(self, question: Question, proto: str, timeout: float, taps: Sequence[Tap] = ()) -> bytes:
        """The octets of the reply to a question, asked over `proto` (udp or tcp; TLS and HTTPS have their own).

        `timeout` in seconds counts from when the query leaves. UpstreamError and its kinds say why there is none.
        Each of `taps` is told how it went.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        message = local = None
        proto = proto if self.address.scheme == "dns" else "tcp"
        try:
            if self.address.scheme == "https":
                message = await self._over_https().exchange(question, timeout)
            elif proto == "tcp":
                message, local = await self._over_pool(self._tcp, proto, question, timeout)
            else:
                message, local = await self._over_pool(self._udp, proto, question, timeout)
        finally:
            self._tell(taps, Exchange(question, local, self.address, proto, loop.time() - began, message))
        self._observe(message, loop.time() - began)
        return message

    def begin(
        self, question: Question, packet: bytes, now: float, timeout: float, taps: Sequence[Tap], done: Done
    ) -> None:
        """The same over UDP with the query's octets (`query.pack`) at hand; `done` is called, once, with the outcome.

        `now` is the event loop's time. Only for upstreams that plain DNS is spoken with.
        """
        try:
            member = self._udp.take(now)
        except UpstreamError as error:
            self._tell(taps, Exchange(question, None, self.address, "udp", 0.0, None))
            done(error)
            return
        self._connections[member.begun == 1].add(self._over_udp)
        asking = _Asking(question, member, now, taps, done)
        try:
            member.connection.begin(question, packet, now + timeout, partial(self._end, asking))
        except UpstreamError as error:
            self._end(asking, error)

    def check(self) -> None:
        """Begin to probe, unless that is under way."""
        if self._probing is None or self._probing.done():
            self._probing = asyncio.get_running_loop().create_task(self._probe())

    async def close(self) -> None:
        """Stop probing and close the connections; exchanges under way keep theirs until they end.

        A query that comes later, from a chain that was replaced under it, is still asked, but for HTTPS.
        """
        self._is_closed = True
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait({self._probing})
        if self._sweeping is not None:
            self._sweeping.cancel()
        self._udp.close()
        self._tcp.close()
        if self._https is not None:
            await self._https.close()

    def _end(self, asking: "_Asking", outcome: Outcome) -> None:
        """What `begin` began is over."""
        question, member, began, taps, done = asking
        loop = asyncio.get_running_loop()
        now, message = loop.time(), outcome if isinstance(outcome, bytes) else None
        try:
            self._udp.give_back(member, now, message is not None)
            if self._sweeping is None:
                self._sweep_later(loop)
            if taps:
                self._tell(taps, Exchange(question, member.connection.local, self.address, "udp", now - began, message))
            if message is not None:
                self._observe(message, now - began)
        finally:  # a tap that fails keeps nobody from the reply
            done(outcome)

    def _tell(self, taps: Sequence[Tap], exchange: Exchange) -> None:
        for tap in taps:
            tap(exchange)

    def _observe(self, message: bytes, seconds: float) -> None:
        rcode = query.rcode(message)
        labels = self._by_rcode.get(rcode)
        if labels is None:
            labels = self._by_rcode[rcode] = PROXY, self._to, codes.rcode_name(rcode)
        self._durations.observe(labels, seconds)

    async def _over_pool(
        self, pool: Pool[C], proto: str, question: Question, timeout: float
    ) -> tuple[bytes, End | None]:
        loop = asyncio.get_running_loop()
        while True:
            member = pool.take(loop.time())
            is_fresh = member.begun == 1
            label = "tcp-tls" if self.address.scheme == "tls" else proto
            self._connections[is_fresh].add((PROXY, self._to, label))
            good = False
            try:
                message = await member.connection.exchange(question, timeout)
                good = True
                return message, member.connection.local
            except ConnectionEnded:
                if is_fresh:
                    raise
            finally:
                pool.give_back(member, loop.time(), good)
                self._sweep_later(loop)

    def _over_https(self) -> Https:
        if self._https is None:
            if self._is_closed:
                raise UpstreamError(f"{self._to}: use of closed network connection")
            manner = self._manner
            tls, expire = manner.tls, manner.limits.expire
            self._https = Https(self.address, manner.source, tls, manner.either, manner.method, expire)
        return self._https

    def _datagram(self) -> Datagram:
        return Datagram(self.address, self._manner.source, asyncio.get_running_loop(), self._expiry)

    def _stream(self) -> Connection:
        tls = self._manner.tls if self.address.scheme == "tls" else None
        return Stream(self.address, self._manner.source, tls, asyncio.get_running_loop(), self._expiry)

    def _sweep_later(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._sweeping is None and len(self._udp) + len(self._tcp):
            self._sweeping = loop.call_later(max(self._manner.limits.expire, 1.0), self._sweep, loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self._sweeping = None
        self._udp.sweep(loop.time())
        self._tcp.sweep(loop.time())
        self._sweep_later(loop)

    async def _probe(self) -> None:
        while not await self._is_alive():
            self.fails += 1
            self._failures.add((PROXY, self._to))
            await asyncio.sleep(max(self._manner.health.interval, SHORTEST_INTERVAL))
        self.fails = 0

    async def _is_alive(self) -> bool:
        health = self._manner.health
        question = query.make(health.domain, codes.NS, recursion=health.recursion)
        try:
            if self.address.scheme == "https":
                await self._over_https().exchange(question, PROBE_TIMEOUT)
                return True
            connection = self._stream() if health.tcp or self.address.scheme == "tls" else self._datagram()
            try:
                await connection.exchange(question, PROBE_TIMEOUT)
            finally:
                connection.close()
        except WrongReply:
            return True  # it is there and talks DNS
        except UpstreamError:
            return False
        return True
