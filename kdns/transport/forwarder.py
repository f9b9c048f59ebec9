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

from kdns.eager import Arrival, Pending, in_task
from kdns.errors import UpstreamError, WireError, WrongReply
from kdns.transport import policy
from kdns.transport.pending import Outcome
from kdns.transport.upstream import Tap, Upstream
from kdns.wire import codes, query, records
from kdns.wire.question import Question
from kdns.wire.records import Message

Key = tuple[bytes, str]  # what makes questions the same: see the module's head; and the protocol

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


class Flight:
    """A question under way: who wants to be told of it, the upstreams still to be tried, what came of those that were.

    `taps` are told of each exchange. `told` hears of the first try: the reply, or None while there is none. Then there
    is still time to wait for `reply`. What is so of nearly all flights stands in the class.
    """

    is_last_resort = False  # the upstream that was asked last was
    is_early = False  # the next try, after a round of failures
    failed = 0
    failure: UpstreamError | None = None  # the last one
    refused = 0  # replies whose RCODE called for another upstream
    arrival: Arrival[Message] | None = None  # from when somebody waits

    def __init__(
        self,
        key: Key,
        question: Question,
        upstreams: Iterator[tuple[Upstream, bool]],
        began: float,
        taps: list[Tap],
        told: Callable[[Message | None], object] | None,
    ) -> None:
        self.key = key
        self.question = question
        self.upstreams = upstreams
        self.began = began
        self.taps = taps
        self.told = told

    @property
    def reply(self) -> Arrival[Message]:
        """What can be waited for."""
        if self.arrival is None:
            self.arrival = Arrival()
        return self.arrival


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
        proto = self._proto(proto)
        packet = query.pack(question, 0)
        key = _same(question, packet), proto
        flight = self._flights.get(key)
        if flight is None:
            flight = self._made(key, question, [] if tap is None else [tap])
            reply = flight.reply  # it may have landed when it has begun
            self._begin(flight, packet)
            return await reply
        if tap is not None:
            flight.taps.append(tap)
        return await flight.reply  # whoever goes away meanwhile does not end it for the others

    def depart(self, question: Question, told: Callable[[Message | None], object]) -> bool:
        """Ask a question that came over UDP, if the first try is a matter of one datagram; `told`: see Flight.

        False if it is not on its way: one that is under way is joined by `ask`.
        """
        if not self._is_bounded or self._route.force_tcp:
            return False
        packet = query.pack(question, 0)
        key = _same(question, packet), "udp"
        if key in self._flights:
            return False
        self._begin(self._made(key, question, [], told), packet)
        return True

    async def close(self) -> None:
        """Wait for the flights under way (their deadline bounds that), then close the upstreams."""
        while self._flights:
            await next(iter(self._flights.values())).reply.future()
        for upstream in self.upstreams:
            await upstream.close()

    def _proto(self, client: str) -> str:
        if self._route.force_tcp:
            return "tcp"
        return "udp" if self._route.prefer_udp else client

    def _land(self, flight: Flight, outcome: Message | UpstreamError | None) -> None:
        del self._flights[flight.key]
        if flight.arrival is None:
            return
        if isinstance(outcome, Message):
            flight.arrival.set_result(outcome)
        else:
            flight.arrival.set_exception(outcome or UpstreamError("operation was canceled"))

    def _made(
        self,
        key: Key,
        question: Question,
        taps: list[Tap],
        told: Callable[[Message | None], object] | None = None,
    ) -> Flight:
        upstreams = policy.tries(self._order(self.upstreams), self._is_down, self._chance)
        flight = Flight(key, question, upstreams, asyncio.get_running_loop().time(), taps, told)
        self._flights[key] = flight
        return flight

    def _begin(self, flight: Flight, packet: bytes) -> None:
        """A first try over UDP, which its own timeout bounds, goes without a coroutine and a Task."""
        if not self._is_bounded or flight.key[1] != "udp":
            self._go_on(flight)
            return
        try:
            upstream = self._next(flight)
        except UpstreamError as error:
            if flight.told is not None:
                flight.told(None)
            self._land(flight, error)
        else:
            done = partial(self._arrive, flight, upstream)
            upstream.begin(flight.question, packet, flight.began, self._route.read_timeout, flight.taps, done)

    def _arrive(self, flight: Flight, upstream: Upstream, outcome: Outcome) -> None:
        """What became of the first try. Whatever goes wrong here or in who is told of it, the flight lands."""
        found: Message | UpstreamError | None = None
        try:
            try:
                if isinstance(outcome, UpstreamError):
                    self._fail(flight, upstream, outcome)
                else:
                    found = self._final(flight, self._read(outcome, flight.question))
            except UpstreamError as error:
                found = error
            finally:
                if flight.told is not None:
                    flight.told(found if isinstance(found, Message) else None)
        finally:
            if found is None:
                self._go_on(flight)
            else:
                self._land(flight, found)

    def _go_on(self, flight: Flight) -> None:
        self._pending.begin(self._fly(flight), partial(self._land, flight))

    async def _fly(self, flight: Flight) -> Message | UpstreamError:
        """The reply, or why there is none."""
        await in_task()
        try:
            async with asyncio.timeout_at(flight.began + DEADLINE):
                found = None
                while found is None:
                    await self._pause(flight)
                    found = await self._try(flight)
                return found
        except TimeoutError:
            return flight.failure or UpstreamError("i/o timeout")
        except UpstreamError as error:
            return error

    async def _try(self, flight: Flight) -> Message | None:
        """Ask the next upstream. None to go on with another one, UpstreamError if there is none left."""
        upstream = self._next(flight)
        try:
            message = await self._exchange(upstream, flight.question, flight.key[1], flight.taps)
        except UpstreamError as error:
            self._fail(flight, upstream, error)
            return None
        return self._final(flight, message)

    def _next(self, flight: Flight) -> Upstream:
        """Whom to ask. UpstreamError if all are down, and nobody is to be asked then."""
        upstream, flight.is_last_resort = next(flight.upstreams)
        if flight.is_last_resort:
            self._broken()
            if self._route.failfast:
                raise flight.failure or UpstreamError("no healthy proxies")
        return upstream

    def _fail(self, flight: Flight, upstream: Upstream, error: UpstreamError) -> None:
        """A try has failed. The error is raised if there is no further one; so is a WrongReply."""
        if isinstance(error, WrongReply):
            raise error
        flight.failed += 1
        flight.failure = error
        flight.is_early = not self._route.attempts and flight.failed % len(self.upstreams) == 0
        if self._route.max_fails:
            upstream.check()
        if flight.is_last_resort or flight.failed == self._route.attempts:
            raise error

    def _final(self, flight: Flight, message: Message) -> Message | None:
        """The reply, unless it is another upstream's chance."""
        if self._route.failover and message.rcode in self._route.failover:
            flight.refused += 1
            if flight.refused < len(self.upstreams):
                return None
        return message

    async def _pause(self, flight: Flight) -> None:
        if flight.is_early:
            flight.is_early = False
            await asyncio.sleep(ROUND_PAUSE)

    async def _exchange(self, upstream: Upstream, question: Question, proto: str, taps: list[Tap]) -> Message:
        octets = await upstream.exchange(question, proto, self._route.read_timeout, taps)
        if proto == "udp" and self._route.prefer_udp and query.is_truncated(octets):
            proto = "tcp"
            octets = await upstream.exchange(question, proto, self._route.read_timeout, taps)
        over_udp = proto == "udp" and upstream.address.scheme == "dns"
        if over_udp:
            return self._read(octets, question)
        try:
            return records.read_message(octets)
        except WireError as error:
            raise UpstreamError(f"{upstream.address}: {error}") from None

    def _read(self, octets: bytes, question: Question) -> Message:
        """A reply that came over UDP. Longer than announced, or broken off: over TCP the client may get it whole."""
        try:
            whole = len(octets) <= _room(question)
            return records.read_message(octets, qname_size=len(question.key)) if whole else _truncated(octets, question)
        except WireError:
            return _truncated(octets, question)

    def _is_down(self, upstream: Upstream) -> bool:
        return 0 < self._route.max_fails < upstream.fails


def _same(question: Question, packet: bytes) -> bytes:
    """What is alike for questions that are the same; `packet` is this one's octets, and mostly that."""
    return packet if question.qname == question.key else query.pack(question._replace(qname=question.key), 0)


def _room(question: Question) -> int:
    return max(MIN_UDP, question.edns.size) if question.edns else MIN_UDP


def _truncated(octets: bytes, question: Question) -> Message:
    word = int.from_bytes(octets[2:4], "big") | codes.TC
    asked = question.qname, question.qtype, question.qclass
    return Message(question.id, word, asked, (), (), (), None)
