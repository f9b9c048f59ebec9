"""A question taken to a group of upstreams until one has replied: order, failures, failover, one flight a question.

Clients that ask the same at the same time share one flight. That saves upstreams work, and an attacker who asks the
same name many times gets no more than one query under way to forge a reply to (a birthday attack, CVE-2023-30464).
What makes two questions the same is everything that goes upstream: header bits, name in lower case, type, class, OPT.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import NamedTuple

from kdns.eager import Arrival, Pending, in_task
from kdns.errors import UpstreamError, WireError, WrongReply
from kdns.transport import policy
from kdns.transport.upstream import Tap, Upstream
from kdns.wire import codes, query, records
from kdns.wire.question import Question
from kdns.wire.records import Message

Key = tuple[Question, str]  # what makes questions the same: see the module's head; and the protocol

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


class _Tries:
    """How far a flight has come: the upstreams still to be tried, and what came of those that were."""

    __slots__ = ("failed", "failure", "refused", "upstreams")

    def __init__(self, upstreams: Iterator[tuple[Upstream, bool]]) -> None:
        self.upstreams = upstreams
        self.failed = 0
        self.failure: UpstreamError | None = None  # the last one
        self.refused = 0  # replies whose RCODE called for another upstream


class Flight(NamedTuple):
    """A question under way, and who of those that wait for it wants to be told of each exchange."""

    reply: Arrival[Message]
    taps: list[Tap]


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
        # Other transports than plain DNS, and a second question over TCP, take their own time, and need Tasks for it.
        self._is_bounded = (
            all(upstream.address.scheme == "dns" for upstream in upstreams)
            and not route.prefer_udp
            and route.read_timeout <= DEADLINE
        )
        self._flights: dict[Key, Flight] = {}
        self._pending = Pending()

    async def ask(self, question: Question, proto: str, tap: Tap | None = None) -> Message:
        """The upstreams' reply to a question that a client asked over `proto` (udp or tcp), at most 5 seconds later.

        UpstreamError with the last failure if there is none, WrongReply if it answers another question. `tap` is told
        of each exchange.
        """
        _, flags, _, key, qtype, qclass, edns, authority, signed = question
        proto = self._proto(proto)
        same = Question(0, flags, key, key, qtype, qclass, edns, authority, signed), proto
        flight = self._flights.get(same)
        taps = [tap] if tap is not None else []
        if flight is None:
            flight = Flight(Arrival(), taps)
            self._pending.begin(self._fly(question, proto, taps), partial(self._land, same, flight.reply))
            if not flight.reply.is_done:
                self._flights[same] = flight
        else:
            flight.taps.extend(taps)
        return await flight.reply  # whoever goes away meanwhile does not end it for the others

    async def close(self) -> None:
        """Wait for the flights under way (their deadline bounds that), then close the upstreams."""
        await self._pending.finish()
        for upstream in self.upstreams:
            await upstream.close()

    def _proto(self, client: str) -> str:
        if self._route.force_tcp:
            return "tcp"
        return "udp" if self._route.prefer_udp else client

    def _land(self, key: Key, flight: Arrival[Message], outcome: Message | UpstreamError | None) -> None:
        self._flights.pop(key, None)
        if isinstance(outcome, Message):
            flight.set_result(outcome)
        else:
            flight.set_exception(outcome or UpstreamError("operation was canceled"))

    async def _fly(self, question: Question, proto: str, taps: list[Tap]) -> Message | UpstreamError:
        """The reply, or why there is none. A first try over UDP, which its own timeout bounds, goes without a Task."""
        began = asyncio.get_running_loop().time()
        tries = _Tries(policy.tries(self._order(self.upstreams), self._is_down, self._chance))
        try:
            found = await self._try(tries, question, proto, taps) if self._is_bounded and proto == "udp" else None
            if found is not None:
                return found
            await in_task()
            async with asyncio.timeout_at(began + DEADLINE):
                while found is None:
                    found = await self._try(tries, question, proto, taps)
                return found
        except TimeoutError:
            return tries.failure or UpstreamError("i/o timeout")
        except UpstreamError as error:
            return error

    async def _try(self, tries: "_Tries", question: Question, proto: str, taps: list[Tap]) -> Message | None:
        """Ask the next upstream. None to go on with another one, UpstreamError if there is none left."""
        route = self._route
        upstream, is_last_resort = next(tries.upstreams)
        if is_last_resort:
            self._broken()
            if route.failfast:
                raise tries.failure or UpstreamError("no healthy proxies")
        try:
            message = await self._exchange(upstream, question, proto, taps)
        except WrongReply:
            raise
        except UpstreamError as error:
            tries.failed += 1
            tries.failure = error
            if route.max_fails:
                upstream.check()
            if is_last_resort or tries.failed == route.attempts:
                raise
            await self._pause(tries.failed)
            return None
        tries.refused += message.rcode in route.failover
        is_final = message.rcode not in route.failover or tries.refused == len(self.upstreams)
        return message if is_final else None

    async def _pause(self, failed: int) -> None:
        if not self._route.attempts and failed % len(self.upstreams) == 0:
            await asyncio.sleep(ROUND_PAUSE)

    async def _exchange(self, upstream: Upstream, question: Question, proto: str, taps: list[Tap]) -> Message:
        octets = await upstream.exchange(question, proto, self._route.read_timeout, taps)
        if proto == "udp" and self._route.prefer_udp and query.is_truncated(octets):
            proto = "tcp"
            octets = await upstream.exchange(question, proto, self._route.read_timeout, taps)
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
