"""forward: ask other servers.

Syntax:
    forward FROM TO... {
        except NAMES...                     # names below FROM that are not forwarded
        force_tcp
        prefer_udp
        policy random|round_robin|sequential                    # random
        next RCODES...                      # hand these replies to the next forward of the block
        next_on_nodata
        failover RCODES...                  # ask the next upstream after these
        failfast_all_unhealthy_upstreams
        max_fails N                         # 2
        max_connect_attempts N              # twice the number of upstreams; 0: no bound
        max_concurrent N                    # 0: no bound
        health_check DURATION [no_rec] [domain NAME]            # 0.5s
        read_timeout DURATION               # 2s
        expire DURATION                     # 10s
        max_age DURATION                    # 0: no bound
        max_idle_conns N                    # 0: no bound
        source_address IP
        tls [CA | CERT KEY | CERT KEY CA]
        tls_servername NAME
        doh_method GET|POST                 # POST
        resolver IP[:PORT]...               # resolves host names among TO, at start
    }

TO is an IP address with or without port, dns://, tls:// or https:// before it, a file like /etc/resolv.conf, or a host
name; at most 15. Several forwards in one block are tried in their order, each for its own FROM.
"""

from collections.abc import Callable
from functools import partial
from random import SystemRandom

from kdns.chain import Departure, Handler, Plugin, Reply, Request
from kdns.corefile import Args
from kdns.errors import REFUSED, SERVFAIL, NoAnswer, StartError, UpstreamError, WrongReply
from kdns.forwarding.settings import Settings, read
from kdns.metrics import Metrics
from kdns.reach import Reach
from kdns.transport import policy
from kdns.transport.address import Address, unique
from kdns.transport.forwarder import Forwarder, Route
from kdns.transport.resolve import resolve
from kdns.transport.upstream import Exchange, Tap, Upstream
from kdns.wire import codes, names
from kdns.wire.names import Name
from kdns.wire.question import Question
from kdns.wire.records import Message

Tell = Callable[[Request, Exchange], None]

UPSTREAM = "forward/upstream"  # metadata: the upstream that was asked last
SPAN = "connect"  # what *trace* calls an exchange with an upstream
_FLAGS = codes.AA | codes.TC | codes.RA | codes.AD  # what a reply keeps of its upstream's header


def setup(args: Args) -> Plugin:
    """One plugin for all forward directives of a server block. ConfigError in CoreDNS's words."""
    return Forwards([Forward(read(args, directive), args.metrics) for directive in args.directives])


class Forwards:
    """The forwards of one server block, in the Corefile's order."""

    def __init__(self, forwards: "list[Forward]") -> None:
        self._forwards = forwards

    async def __call__(self, request: Request, rest: Handler) -> Reply:
        """The reply of the first forward that the name belongs to, unless it hands over to the next one."""
        last = self._forwards[-1]
        for forward in self._forwards:
            if forward.matches(request.question.key):
                reply = await forward.ask(request)
                if forward is last or not forward.hands_over(reply):
                    return reply
        return await rest(request)

    def step(self) -> Departure | None:
        """The short way, where there is one directive that is for all names and keeps all replies."""
        return self._forwards[0].departure() if len(self._forwards) == 1 else None

    def tap(self, tell: "Tell") -> None:
        """Tell of each exchange with an upstream from now on."""
        for forward in self._forwards:
            forward.tell = tell

    def reach(self) -> list[Reach]:
        """What each directive forwards."""
        return [forward.reach(is_last=forward is self._forwards[-1]) for forward in self._forwards]

    async def start(self) -> None:
        """Resolve host names. StartError if one cannot be."""
        for forward in self._forwards:
            await forward.start()

    async def close(self) -> None:
        """Let the queries under way end, then close all connections."""
        for forward in self._forwards:
            await forward.close()


class Forward:
    """One forward directive. `tell` is told of each exchange with an upstream, if somebody wants to know."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._under_way = 0
        self._forwarder: Forwarder | None = None  # from `start` on
        self.tell: Tell | None = None

    def matches(self, key: Name) -> bool:
        """Whether a name is forwarded: at or below FROM and not excepted. FROM itself never is."""
        settings = self._settings
        if not names.is_below(key, settings.origin):
            return False
        return key == settings.origin or not any(names.is_below(key, zone) for zone in settings.excepted)

    def reach(self, *, is_last: bool) -> Reach:
        """What it forwards; all of that ends here, unless some replies are handed to another forward."""
        settings = self._settings
        keeps = is_last or not (settings.next_rcodes or settings.next_on_nodata)
        return Reach((settings.origin,), (settings.origin,) if keeps else (), settings.excepted)

    def departure(self) -> Departure | None:
        """How a question for any name but those that are excepted leaves."""
        settings = self._settings
        return Departure(self._depart, settings.excepted) if settings.origin == names.ROOT else None

    def hands_over(self, reply: Reply) -> bool:
        """Whether a reply is the next forward's chance."""
        nodata = reply.rcode == codes.NOERROR and not reply.answer
        return reply.rcode in self._settings.next_rcodes or (self._settings.next_on_nodata and nodata)

    async def ask(self, request: Request) -> Reply:
        """What the upstreams reply. NoAnswer if none does, or if too many queries are under way."""
        most = self._settings.max_concurrent
        if 0 < most <= self._under_way:
            self._metrics.family("forward_max_concurrent_rejects_total").add(())
            raise NoAnswer(REFUSED, f"concurrent queries exceeded maximum {most}")
        self._under_way += 1
        try:
            return await self._ask(request)
        finally:
            self._under_way -= 1

    def _depart(self, question: Question, told: Callable[[Reply | None], object]) -> bool:
        if self._forwarder is None or self.tell is not None or 0 < self._settings.max_concurrent <= self._under_way:
            return False
        self._under_way += 1
        begun = self._forwarder.depart(question, partial(self._returned, told))
        if not begun:
            self._under_way -= 1
        return begun

    def _returned(self, told: Callable[[Reply | None], object], message: Message | None) -> None:
        self._under_way -= 1
        told(None if message is None else _to_reply(message))

    async def start(self) -> None:
        """Make the upstreams."""
        addresses: list[Address] = []
        for address in self._settings.addresses:
            try:
                found = (address,) if address.is_resolved else await resolve(address, self._settings.resolvers)
            except UpstreamError as error:
                raise StartError(f"plugin/forward: {error}") from None
            addresses += found
        self._forwarder = self._made(unique(addresses))

    async def close(self) -> None:
        """Let the queries under way end, then close all connections."""
        if self._forwarder is not None:
            await self._forwarder.close()

    async def _ask(self, request: Request) -> Reply:
        if self._forwarder is None:
            raise NoAnswer(SERVFAIL, "no healthy proxies")
        try:
            message = await self._forwarder.ask(request.question, request.client.proto, self._tap(request))
        except WrongReply:
            return Reply(codes.FORMERR, by="forward")
        except UpstreamError as error:
            raise NoAnswer(SERVFAIL, str(error)) from None
        return _to_reply(message)

    def _tap(self, request: Request) -> Tap | None:
        watched = self.tell is not None or request.labels is not None or request.trace is not None
        return partial(self._note, request) if watched else None

    def _note(self, request: Request, exchange: Exchange) -> None:
        if request.labels is not None:
            request.labels[UPSTREAM] = str(exchange.to)
        if request.trace is not None:
            request.trace.note(SPAN, int(exchange.seconds * 1e9), {"peer.address": str(exchange.to)})
        if self.tell is not None:
            self.tell(request, exchange)

    def _made(self, addresses: tuple[Address, ...]) -> Forwarder:
        settings, chance = self._settings, SystemRandom()
        upstreams = tuple(Upstream(address, settings.manner, self._metrics) for address in addresses)
        attempts = 2 * len(upstreams) if settings.attempts is None else settings.attempts
        route = Route(
            attempts=attempts,
            max_fails=settings.max_fails,
            read_timeout=settings.read_timeout,
            force_tcp=settings.force_tcp,
            prefer_udp=settings.prefer_udp,
            failfast=settings.failfast,
            failover=settings.failover,
        )
        broken = self._metrics.family("forward_healthcheck_broken_total")
        orders: dict[str, Callable[[], policy.Policy[Upstream]]] = {
            "random": lambda: policy.random(chance),
            "round_robin": policy.round_robin,
            "sequential": lambda: policy.sequential,
        }
        return Forwarder(upstreams, orders[settings.policy](), route, chance, lambda: broken.add(()))


def _to_reply(message: Message) -> Reply:
    _, flags, _, answer, authority, additional, edns = message
    rcode = message.rcode if edns else flags & codes.RCODE_MASK
    return Reply(rcode, answer, authority, additional, flags & _FLAGS, edns, 0, 0, "forward")
