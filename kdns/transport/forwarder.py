"""A question taken to a group of upstreams until one has replied: order, failures, failover, one flight a question.

Clients that ask the same at the same time share one flight. That saves upstreams work, and an attacker who asks the
same name many times gets no more than one query under way to forge a reply to (a birthday attack, CVE-2023-30464).
What makes two questions the same is everything that goes upstream: header bits, name in lower case, type, class, OPT.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from kdns.errors import UpstreamError, WireError, WrongReply
from kdns.transport import policy
from kdns.transport.upstream import Upstream
from kdns.wire import codes, query, records
from kdns.wire.question import Question
from kdns.wire.records import Message

DEADLINE = 5.0  # seconds that a question may take in all
ROUND_PAUSE = 0.05  # seconds between tries where their number is not bounded: refusals come back in microseconds
MIN_UDP = 512  # octets that every client can take (RFC 1035 section 4.2.1)


@dataclass(frozen=True)
class Route:
    """How upstreams are tried.

    `attempts` bounds the tries that fail with an error (0: the deadline alone does); an upstream is down after more
    than `max_fails` probes in a row failed (0: never); with `failfast` none is asked when all are down; a reply with
    one of the `failover` RCODEs is the next upstream's chance, once each. `read_timeout` in seconds, for each try.
    """

    attempts: int
    max_fails: int = 2
    read_timeout: float = 2.0
    force_tcp: bool = False
    prefer_udp: bool = False
    failfast: bool = False
    failover: frozenset[int] = frozenset()


class Forwarder:
    """See the module's head. `broken` is called when all upstreams are down and one is to be asked all the same."""

    def __init__(
        self,
        upstreams: tuple[Upstream, ...],
        order: policy.Policy[Upstream],
        route: Route,
        chance: Random,
        broken: Callable[[], None],
    ) -> None:
        self.upstreams = upstreams
        self._order = order
        self._route = route
        self._chance = chance
        self._broken = broken
        self._flights: dict[tuple[Question, str], asyncio.Task[Message]] = {}

    async def ask(self, question: Question, proto: str) -> Message:
        """The upstreams' reply to a question that a client asked over `proto` (udp or tcp), at most 5 seconds later.

        UpstreamError with the last failure if there is none, WrongReply if it answers another question.
        """
        key = question._replace(id=0, qname=question.key), self._proto(proto)
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.get_running_loop().create_task(self._fly(question, key[1]))
            self._flights[key] = flight
            flight.add_done_callback(lambda _: self._flights.pop(key))
        # One client's going away must not end the flight of the others.
        return await asyncio.shield(flight)

    async def close(self) -> None:
        """Wait for the flights under way (their deadline bounds that), then close the upstreams."""
        if self._flights:
            await asyncio.wait(self._flights.values())
        for upstream in self.upstreams:
            await upstream.close()

    def _proto(self, client: str) -> str:
        if self._route.force_tcp:
            return "tcp"
        return "udp" if self._route.prefer_udp else client

    async def _fly(self, question: Question, proto: str) -> Message:
        deadline = asyncio.get_running_loop().time() + DEADLINE
        failures: list[UpstreamError] = []
        try:
            async with asyncio.timeout_at(deadline):
                return await self._try_all(question, proto, failures)
        except TimeoutError:
            raise failures[-1] if failures else UpstreamError("i/o timeout") from None

    async def _try_all(self, question: Question, proto: str, failures: list[UpstreamError]) -> Message:
        route = self._route
        refused = 0  # replies whose RCODE called for another upstream
        for upstream, is_last_resort in policy.tries(self._order(self.upstreams), self._is_down, self._chance):
            if is_last_resort:
                self._broken()
                if route.failfast:
                    break
            try:
                message = await self._exchange(upstream, question, proto)
            except WrongReply:
                raise
            except UpstreamError as error:
                failures.append(error)
                if route.max_fails:
                    upstream.check()
                if is_last_resort or len(failures) == route.attempts:
                    break
                await self._pause(len(failures))
                continue
            refused += message.rcode in route.failover
            if message.rcode not in route.failover or refused == len(self.upstreams):
                return message
        raise failures[-1] if failures else UpstreamError("no healthy proxies")

    async def _pause(self, failed: int) -> None:
        if not self._route.attempts and failed % len(self.upstreams) == 0:
            await asyncio.sleep(ROUND_PAUSE)

    async def _exchange(self, upstream: Upstream, question: Question, proto: str) -> Message:
        octets = await upstream.exchange(question, proto, self._route.read_timeout)
        if proto == "udp" and self._route.prefer_udp and query.is_truncated(octets):
            proto = "tcp"
            octets = await upstream.exchange(question, proto, self._route.read_timeout)
        over_udp = proto == "udp" and upstream.address.scheme == "dns"
        try:
            if not over_udp or len(octets) <= _room(question):
                return records.read_message(octets)
        except WireError as error:
            if not over_udp:
                raise UpstreamError(f"{upstream.address}: {error}") from None
        # Longer than announced, or broken off: over TCP the client may get it whole.
        return _truncated(octets, question)

    def _is_down(self, upstream: Upstream) -> bool:
        return 0 < self._route.max_fails < upstream.fails


def _room(question: Question) -> int:
    return max(MIN_UDP, question.edns.size) if question.edns else MIN_UDP


def _truncated(octets: bytes, question: Question) -> Message:
    word = int.from_bytes(octets[2:4], "big") | codes.TC
    asked = question.qname, question.qtype, question.qclass
    return Message(question.id, word, asked, (), (), (), None)
